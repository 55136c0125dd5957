package tracecompletion_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	"github.com/trace-completion/trace-completion/client-go/internal/testserver"
	"github.com/trace-completion/trace-completion/client-go/tracecompletion"
	v1 "github.com/trace-completion/trace-completion/client-go/tracecompletion/v1"
)

func TestCallsGoRoundAllAddresses(t *testing.T) {
	var counts [3]atomic.Int32
	state := resolver.State{}
	for i := range counts {
		fake := &testserver.Fake{Complete: func(
			context.Context, *v1.CompleteTraceRequest,
		) (*v1.CompleteTraceResponse, error) {
			counts[i].Add(1)
			return answer(), nil
		}}
		state.Addresses = append(state.Addresses, resolver.Address{Addr: fake.Start(t)})
	}
	names := manual.NewBuilderWithScheme("test")
	names.InitialState(state)
	client := newClient(t, "test:///all", tracecompletion.WithDialOptions(grpc.WithResolvers(names)))
	ctx := within(t, 20*time.Second)
	ask := func() {
		t.Helper()
		if _, err := client.Complete(ctx, question()); err != nil {
			t.Fatal(err)
		}
	}
	// Until all addresses are connected, the connected ones get all calls.
	for counts[0].Load() == 0 || counts[1].Load() == 0 || counts[2].Load() == 0 {
		ask()
	}
	var before [3]int32
	for i := range counts {
		before[i] = counts[i].Load()
	}
	for range 30 {
		ask()
	}
	for i := range counts {
		if got := counts[i].Load() - before[i]; got != 10 {
			t.Errorf("address %d had %d of 30 calls", i, got)
		}
	}
}

func TestTheLargestAnswer(t *testing.T) {
	var calls atomic.Int32
	large := func(bytes int) *v1.CompleteTraceResponse {
		return &v1.CompleteTraceResponse{Description: strings.Repeat("x", bytes)}
	}
	fake := &testserver.Fake{Complete: func(
		_ context.Context, request *v1.CompleteTraceRequest,
	) (*v1.CompleteTraceResponse, error) {
		calls.Add(1)
		return large(int(request.GetAppSpans()[0].GetEndTimeUs())), nil
	}}
	address := fake.Start(t)
	// The bytes of the field's key and of the length of the text.
	const frame = 5
	small := []tracecompletion.Option{tracecompletion.WithMaxAnswerBytes(1 << 20)}
	for what, c := range map[string]struct {
		bytes int
		opts  []tracecompletion.Option
		fits  bool
	}{
		"64 MiB":               {64<<20 - frame, nil, true},
		"more":                 {64<<20 - frame + 1, nil, false},
		"as much as asked for": {1<<20 - frame + 1, small, true},
		"more than asked for":  {1 << 20, small, false},
	} {
		request := &v1.CompleteTraceRequest{AppSpans: []*v1.AppSpan{{EndTimeUs: int64(c.bytes)}}}
		calls.Store(0)
		got, err := newClient(t, address, c.opts...).Complete(within(t, 60*time.Second), request)
		var fault *tracecompletion.Error
		switch {
		case c.fits && (err != nil || len(got.GetDescription()) != c.bytes):
			t.Errorf("%s: %v", what, err)
		case !c.fits && (!errors.As(err, &fault) || fault.Code != codes.ResourceExhausted || fault.RetryDelay != 0):
			t.Errorf("%s: %v", what, err)
		}
		if calls.Load() != 1 {
			t.Errorf("%s: asked %d times", what, calls.Load())
		}
	}
}
