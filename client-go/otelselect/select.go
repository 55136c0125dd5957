// Package otelselect is for users of OpenTelemetry. It selects which spans of a trace to send, and sends the
// trace context with each call. It is a module of its own, so that the client does not depend on the
// OpenTelemetry SDK.
//
// To complete a trace around one span of interest, X, send X, its ancestors up to the first one of another
// service, and in each branch its descendants down to the first one of another service. The server rebuilds
// the tree between these spans. You can also send the whole trace; that makes the search larger, but the
// result around X is the same. In terms of SkyWalking: go up to the first Exit span, and in each branch down
// to the first Entry span.
package otelselect

import (
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	v1 "github.com/trace-completion/trace-completion/client-go/tracecompletion/v1"
)

// Select selects, from the spans of a trace, x, its ancestors up to the first one of another service, and in
// each branch its descendants down to the first one of another service. The result has the order of the
// input; if x is not one of the spans, it comes first. If a parent is missing, the way up ends there. Spans of
// other traces are ignored, a cycle is followed once, and of two spans with the same id the first counts.
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

// AppSpans converts spans into the spans of a request: ids, kind, times, name, and the attributes service.name
// and service.instance.id of their resource. If a span has not ended, its end is its start.
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

// service identifies a service. Names are unique only within a namespace.
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

// tree holds the spans of one trace by their ids.
type tree struct {
	order    []sdktrace.ReadOnlySpan
	byID     map[trace.SpanID]sdktrace.ReadOnlySpan
	children map[trace.SpanID][]sdktrace.ReadOnlySpan
}

// index makes the tree of the trace of x. Of several spans with one id it keeps the first.
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
