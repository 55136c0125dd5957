package otelselect_test

import (
	stdcontext "context"
	"errors"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/trace-completion/trace-completion/client-go/internal/testserver"
	"github.com/trace-completion/trace-completion/client-go/otelselect"
	"github.com/trace-completion/trace-completion/client-go/tracecompletion"
	v1 "github.com/trace-completion/trace-completion/client-go/tracecompletion/v1"
)

// Every kind of call sends the trace of its context exactly once, and the same at each try.
func TestPropagate(t *testing.T) {
	came := make(chan []string, 10)
	note := func(ctx stdcontext.Context) error {
		headers, _ := metadata.FromIncomingContext(ctx)
		came <- slices.Concat(headers.Get("traceparent"), headers.Get("kept"))
		return status.Error(codes.Unavailable, "try again")
	}
	tries := 0
	fake := &testserver.Fake{
		Complete: func(ctx stdcontext.Context, _ *v1.CompleteTraceRequest) (*v1.CompleteTraceResponse, error) {
			tries++
			if err := note(ctx); tries == 1 {
				return nil, err
			}
			return &v1.CompleteTraceResponse{}, nil
		},
		Stream: func(
			_ *v1.StreamCompleteTraceRequest, stream grpc.ServerStreamingServer[v1.StreamCompleteTraceResponse],
		) error {
			_ = note(stream.Context())
			return nil
		},
		Batch: func(
			stream grpc.BidiStreamingServer[v1.BatchCompleteTraceRequest, v1.BatchCompleteTraceResponse],
		) error {
			_ = note(stream.Context())
			return nil
		},
	}
	client, err := tracecompletion.New(fake.Start(t), otelselect.Propagate(propagation.TraceContext{}))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()

	ctx, cancel := stdcontext.WithTimeout(stdcontext.Background(), 20*time.Second)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "kept", "yes", "traceparent", "of somebody else")
	ctx = trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled,
	}))
	if _, err := client.Complete(ctx, &v1.CompleteTraceRequest{}); err != nil {
		t.Error(err)
	}
	_, err = tracecompletion.Collect(client.CompleteStream(ctx, nil))
	if !errors.Is(err, tracecompletion.ErrIncomplete) {
		t.Error(err)
	}
	batch, err := client.CompleteBatch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer batch.Close()
	_, _ = batch.Receive()

	for _, call := range []string{"unary", "unary, again", "stream", "batch"} {
		want := []string{"00-01000000000000000000000000000000-0200000000000000-01", "yes"}
		select {
		case got := <-came:
			if !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", call, got, want)
			}
		default:
			t.Fatalf("%s: no call came", call)
		}
	}
}
