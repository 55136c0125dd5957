package otelselect_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/encoding/prototext"

	"github.com/trace-completion/trace-completion/client-go/otelselect"
	v1 "github.com/trace-completion/trace-completion/client-go/tracecompletion/v1"
)

// spans reads a trace. Each line is a span, "id parent service", where "-" means no parent.
func spans(text string) []sdktrace.ReadOnlySpan {
	var stubs tracetest.SpanStubs
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		fields := strings.Fields(line)
		stubs = append(stubs, stub(fields[0], fields[1], fields[2], 1))
	}
	return stubs.Snapshots()
}

func stub(id, parent, service string, traceID byte) tracetest.SpanStub {
	span := tracetest.SpanStub{
		Name:        id,
		SpanContext: context(id, traceID),
		Resource:    resource.NewSchemaless(attribute.String("service.name", service)),
	}
	if parent != "-" {
		span.Parent = context(parent, traceID)
	}
	return span
}

func context(id string, traceID byte) trace.SpanContext {
	config := trace.SpanContextConfig{TraceID: trace.TraceID{traceID}}
	copy(config.SpanID[:], id)
	return trace.NewSpanContext(config)
}

func names(spans []sdktrace.ReadOnlySpan) string {
	var names []string
	for _, span := range spans {
		names = append(names, span.Name())
	}
	return strings.Join(names, " ")
}

func TestSelect(t *testing.T) {
	for _, c := range []struct{ what, trace, want string }{
		{"alone", "x - a", "x"},
		{"no ancestor of another service", "r - a\np r a\nx p a", "r p x"},
		{"ancestors up to the first of another service", "r - b\nq r b\np q a\nx p a", "q p x"},
		{"the parent is of another service", "r - b\nq r b\nx q a", "q x"},
		{"descendants down to the first of another service", "x - a\nc x a\nd c b\ne d b", "x c d"},
		{
			"each branch by itself",
			"x - a\nc x a\nd c b\ne d b\nf x c\ng f a\nh x a\ni h a", "x c d f h i",
		},
		{"the same service again, beyond another", "q - a\np q b\nx p a\nc x b\nd c a", "p x c"},
		{"siblings and their children stay out", "r - b\np r a\nx p a\ns p a\nt s b\nu r b", "r p x"},
		{"a missing parent", "p gone a\nx p a\nc x b\nother - a", "p x c"},
		{"a span that is its own parent", "x x a\nc x b", "x c"},
		{"a cycle above", "p q a\nq p a\nx p a", "p q x"},
		{"a cycle through x", "x p a\np q a\nq x a", "x p q"},
		{"a cycle below", "x - a\nc d a\nd c a\ne x a", "x e"},
		{"a cycle below, entered", "x - a\nc x a\nd c a\nc d a", "x c d"},
		{"an id twice", "x - a\nc x b\nc x a\nd c a", "x c"},
		{"children before parents", "d c b\nc x a\nx p a\np q a\nq - b", "d c x p q"},
	} {
		all := spans(c.trace)
		for _, span := range all {
			if span.Name() == "x" {
				if got := names(otelselect.Select(all, span)); got != c.want {
					t.Errorf("%s: %q, want %q", c.what, got, c.want)
				}
			}
		}
	}
}

func TestXNeedNotBeAmongTheSpans(t *testing.T) {
	x := tracetest.SpanStubs{stub("x", "p", "a", 1)}.Snapshots()[0]
	if got := names(otelselect.Select(spans("p - b\nc x b\nd c b"), x)); got != "x p c" {
		t.Error(got)
	}
	if got := names(otelselect.Select(nil, x)); got != "x" {
		t.Error(got)
	}
}

func TestOtherTracesStayOut(t *testing.T) {
	all := tracetest.SpanStubs{stub("x", "p", "a", 1), stub("p", "-", "b", 2), stub("c", "x", "b", 2)}.Snapshots()
	if got := names(otelselect.Select(all, all[0])); got != "x" {
		t.Error(got)
	}
}

func TestServicesOfTwoNamespacesAreTwo(t *testing.T) {
	stubs := tracetest.SpanStubs{stub("x", "-", "a", 1), stub("c", "x", "a", 1), stub("d", "c", "a", 1)}
	stubs[1].Resource = resource.NewSchemaless(
		attribute.String("service.name", "a"), attribute.String("service.namespace", "elsewhere"))
	all := stubs.Snapshots()
	if got := names(otelselect.Select(all, all[0])); got != "x c" {
		t.Error(got)
	}
}

// The time is proportional to the number of spans, also for deep and for wide traces.
func TestLargeTraces(t *testing.T) {
	var deep, wide tracetest.SpanStubs
	for i := range 20_000 {
		parent := "-"
		if i > 0 {
			parent = fmt.Sprint(i - 1)
		}
		deep = append(deep, stub(fmt.Sprint(i), parent, "a", 1))
		if i > 0 {
			parent = "0"
		}
		wide = append(wide, stub(fmt.Sprint(i), parent, "a", 1))
	}
	for _, stubs := range []tracetest.SpanStubs{deep, wide} {
		all := stubs.Snapshots()
		begin := time.Now()
		if got := len(otelselect.Select(all, all[0])); got != len(all) {
			t.Error(got)
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("it took %s", took)
		}
	}
}

func TestAppSpans(t *testing.T) {
	start := time.UnixMicro(1_700_000_000_000_001)
	one := stub("one", "-", "shop", 1)
	one.SpanKind = trace.SpanKindServer
	one.StartTime, one.EndTime = start, start.Add(1500*time.Nanosecond)
	one.Resource = resource.NewSchemaless(
		attribute.String("service.name", "shop"), attribute.String("service.instance.id", "shop-0"))
	two := stub("two", "one", "shop", 1)
	two.StartTime = start
	got := otelselect.AppSpans(tracetest.SpanStubs{one, two}.Snapshots())
	want := []*v1.AppSpan{
		{
			TraceId: "01000000000000000000000000000000", SpanId: "6f6e650000000000", Name: "one",
			SpanKind: v1.SpanKind_SPAN_KIND_SERVER, StartTimeUs: 1_700_000_000_000_001,
			EndTimeUs: 1_700_000_000_000_002, AppService: "shop", AppInstance: "shop-0",
		},
		{
			TraceId: "01000000000000000000000000000000", SpanId: "74776f0000000000", Name: "two",
			ParentSpanId: "6f6e650000000000", StartTimeUs: 1_700_000_000_000_001,
			EndTimeUs: 1_700_000_000_000_001, AppService: "shop",
		},
	}
	for i := range want {
		if prototext.Format(got[i]) != prototext.Format(want[i]) {
			t.Errorf("%s\nwant\n%s", prototext.Format(got[i]), prototext.Format(want[i]))
		}
	}
	// OpenTelemetry and the contract use the same numbers for kinds.
	for _, kind := range []trace.SpanKind{
		trace.SpanKindUnspecified, trace.SpanKindInternal, trace.SpanKindServer, trace.SpanKindClient,
		trace.SpanKindProducer, trace.SpanKindConsumer,
	} {
		ours := strings.ToLower(strings.TrimPrefix(v1.SpanKind(kind).String(), "SPAN_KIND_"))
		if ours != kind.String() {
			t.Errorf("%s is %s", kind, ours)
		}
	}
}
