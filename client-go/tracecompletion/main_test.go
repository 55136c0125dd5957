package tracecompletion_test

import (
	"context"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/trace-completion/trace-completion/client-go/tracecompletion"
	v1 "github.com/trace-completion/trace-completion/client-go/tracecompletion/v1"
)

func TestMain(m *testing.M) {
	if asReader() {
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func question() *v1.CompleteTraceRequest {
	return &v1.CompleteTraceRequest{AppSpans: []*v1.AppSpan{{
		TraceId: "t", SpanId: "s", SpanKind: v1.SpanKind_SPAN_KIND_SERVER,
		StartTimeUs: 1_700_000_000_000_000, EndTimeUs: 1_700_000_000_001_000,
	}}}
}

func answer() *v1.CompleteTraceResponse {
	return &v1.CompleteTraceResponse{
		OptStatus: "SUCCESS",
		Data:      &v1.CompletedTrace{Tracing: []*v1.Span{{DeepflowSpanId: "s"}}},
	}
}

func newClient(t testing.TB, target string, opts ...tracecompletion.Option) *tracecompletion.Client {
	t.Helper()
	client, err := tracecompletion.New(target, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// within is a context with this timeout, which ends with the test.
func within(t testing.TB, time time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time)
	t.Cleanup(cancel)
	return ctx
}
