// Package otelselect joins the client to OpenTelemetry: it chooses which spans of a trace to complete, and
// sends the current trace along with each call. It is a module of its own, so that the client does not depend
// on the OpenTelemetry SDK.
//
// To complete a trace around one span of interest, X, a caller sends X, its ancestors up to the first of
// another service, and its descendants down to the first of another service in each branch. These spans are
// the border within which the server searches and puts spans in order; a whole trace can be sent too, and
// costs more for the same answer around X. In terms of SkyWalking this is: up to the first Exit span, and in
// each branch down to the first Entry span.
package otelselect

import (
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	v1 "github.com/trace-completion/trace-completion/client-go/tracecompletion/v1"
)

// Select picks x, its ancestors up to the first of another service, and its descendants down to the first of
// another service in each branch, out of the spans of a trace. What it picks is in the order given; x comes
// first where it is not among the spans. A parent that is missing ends the way up. Spans of other traces,
// spans that are their own ancestors, and a second span with the same id lead nowhere, but do no harm.
func Select(spans []sdktrace.ReadOnlySpan, x sdktrace.ReadOnlySpan) []sdktrace.ReadOnlySpan {
	home := serviceOf(x)
	tree := index(spans, x)
	picked := map[trace.SpanID]bool{id(x): true}

	for at, ok := tree.parent(x); ok && !picked[id(at)]; at, ok = tree.parent(at) {
		picked[id(at)] = true
		if serviceOf(at) != home {
			break
		}
	}

	below := map[trace.SpanID]bool{id(x): true}
	for open := []sdktrace.ReadOnlySpan{x}; len(open) > 0; {
		at := open[len(open)-1]
		open = open[:len(open)-1]
		for _, child := range tree.children[id(at)] {
			if below[id(child)] {
				continue
			}
			below[id(child)] = true
			picked[id(child)] = true
			if serviceOf(child) == home {
				open = append(open, child)
			}
		}
	}

	result := make([]sdktrace.ReadOnlySpan, 0, len(picked))
	for _, span := range tree.order {
		if picked[id(span)] {
			result = append(result, span)
		}
	}
	return result
}

// AppSpans is what a request says of the spans: ids, kind, times, name, and of their resource service.name
// and service.instance.id. A span that has not ended ends at its start.
func AppSpans(spans []sdktrace.ReadOnlySpan) []*v1.AppSpan {
	result := make([]*v1.AppSpan, 0, len(spans))
	for _, span := range spans {
		start := span.StartTime().UnixMicro()
		app := &v1.AppSpan{
			TraceId:     span.SpanContext().TraceID().String(),
			SpanId:      id(span).String(),
			SpanKind:    v1.SpanKind(span.SpanKind()), //nolint:gosec // 0 to 5, the same numbers in both
			StartTimeUs: start,
			EndTimeUs:   max(start, span.EndTime().UnixMicro()),
			Name:        span.Name(),
			AppService:  attributeOf(span, "service.name"),
			AppInstance: attributeOf(span, "service.instance.id"),
		}
		if parent := span.Parent().SpanID(); parent.IsValid() {
			app.ParentSpanId = parent.String()
		}
		result = append(result, app)
	}
	return result
}

// service tells services apart.
type service struct{ namespace, name string }

func serviceOf(span sdktrace.ReadOnlySpan) service {
	return service{attributeOf(span, "service.namespace"), attributeOf(span, "service.name")}
}

func attributeOf(span sdktrace.ReadOnlySpan, key string) string {
	for _, attribute := range span.Resource().Attributes() {
		if string(attribute.Key) == key {
			return attribute.Value.Emit()
		}
	}
	return ""
}

func id(span sdktrace.ReadOnlySpan) trace.SpanID {
	return span.SpanContext().SpanID()
}

// tree is the spans of one trace by their ids.
type tree struct {
	order    []sdktrace.ReadOnlySpan
	byID     map[trace.SpanID]sdktrace.ReadOnlySpan
	children map[trace.SpanID][]sdktrace.ReadOnlySpan
}

// index keeps the spans of x's trace, the first of each id.
func index(spans []sdktrace.ReadOnlySpan, x sdktrace.ReadOnlySpan) tree {
	result := tree{
		byID:     make(map[trace.SpanID]sdktrace.ReadOnlySpan, len(spans)),
		children: map[trace.SpanID][]sdktrace.ReadOnlySpan{},
	}
	among := false
	for _, span := range spans {
		among = among || id(span) == id(x)
	}
	if !among {
		spans = append([]sdktrace.ReadOnlySpan{x}, spans...)
	}
	for _, span := range spans {
		if span.SpanContext().TraceID() != x.SpanContext().TraceID() {
			continue
		}
		if _, known := result.byID[id(span)]; known {
			continue
		}
		result.order = append(result.order, span)
		result.byID[id(span)] = span
		if parent := span.Parent().SpanID(); parent.IsValid() {
			result.children[parent] = append(result.children[parent], span)
		}
	}
	return result
}

func (t tree) parent(span sdktrace.ReadOnlySpan) (sdktrace.ReadOnlySpan, bool) {
	parent, found := t.byID[span.Parent().SpanID()]
	return parent, found
}
