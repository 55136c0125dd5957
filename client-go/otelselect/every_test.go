package otelselect_test

import (
	"fmt"
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/trace-completion/trace-completion/client-go/otelselect"
)

// This tries every trace of four spans: each span has any span as its parent, also itself, a missing one, or
// none, so all trees, forests and cycles occur. Each span is of any of three services.
func TestEveryShapeOfFourSpans(t *testing.T) {
	const spans, services = 4, 3
	ids := []string{"x", "p", "q", "r", "-", "gone"}
	// The spans are made once, and shared by the many traces.
	made := map[[3]int]sdktrace.ReadOnlySpan{}
	for id := range spans {
		for parent := range ids {
			for service := range services {
				span := stub(ids[id], ids[parent], fmt.Sprint(service), 1)
				made[[3]int{id, parent, service}] = tracetest.SpanStubs{span}.Snapshots()[0]
			}
		}
	}
	digits := func(number, base int) (digits [spans]int) {
		for i := range digits {
			digits[i], number = number%base, number/base
		}
		return digits
	}
	tried := 0
	for shape := range 6 * 6 * 6 * 6 {
		parents := digits(shape, len(ids))
		for mix := range services * services * services * services {
			service := digits(mix, services)
			var all []sdktrace.ReadOnlySpan
			for id := range spans {
				all = append(all, made[[3]int{id, parents[id], service[id]}])
			}
			want := picked(parents[:], service[:])
			if got := names(otelselect.Select(all, all[0])); got != want {
				t.Fatalf("parents %v, services %v: %q, want %q", parents, service, got, want)
			}
			tried++
		}
	}
	t.Logf("%d traces", tried)
}

// picked is another definition of the same selection. A span is selected if the way from it up to span 0, or
// from span 0 up to it, passes only through spans of the service of span 0.
func picked(parents, service []int) string {
	isAbove := func(above, below int) bool {
		for range parents {
			below = parents[below]
			if below == above {
				return true
			}
			if below >= len(parents) || below == 0 || service[below] != service[0] {
				return false
			}
		}
		return false
	}
	var names []string
	for i, name := range []string{"x", "p", "q", "r"} {
		if i == 0 || isAbove(i, 0) || isAbove(0, i) {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}
