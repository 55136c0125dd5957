package tracecompletion_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/trace-completion/trace-completion/client-go/internal/testserver"
	"github.com/trace-completion/trace-completion/client-go/tracecompletion"
	v1 "github.com/trace-completion/trace-completion/client-go/tracecompletion/v1"
)

// failing is a server that fails the first calls with the error, unary or streamed, and counts all calls.
func failing(times int32, err error) (*testserver.Fake, *atomic.Int32) {
	calls := &atomic.Int32{}
	next := func() error {
		if calls.Add(1) <= times {
			return err
		}
		return nil
	}
	return &testserver.Fake{
		Complete: func(context.Context, *v1.CompleteTraceRequest) (*v1.CompleteTraceResponse, error) {
			if err := next(); err != nil {
				return nil, err
			}
			return answer(), nil
		},
		Stream: func(
			_ *v1.StreamCompleteTraceRequest, stream grpc.ServerStreamingServer[v1.StreamCompleteTraceResponse],
		) error {
			if err := next(); err != nil {
				return err
			}
			return sendStream(stream, 1, 1)
		},
	}, calls
}

func busy(t *testing.T, delay time.Duration) error {
	t.Helper()
	status, err := status.New(codes.ResourceExhausted, "busy").WithDetails(
		&errdetails.RetryInfo{RetryDelay: durationpb.New(delay)})
	if err != nil {
		t.Fatal(err)
	}
	return status.Err()
}

func TestWhatIsAskedAgain(t *testing.T) {
	t.Parallel()
	const always = 1000
	once := []tracecompletion.Option{tracecompletion.WithoutRetry()}
	for name, c := range map[string]struct {
		err      error
		times    int32
		opts     []tracecompletion.Option
		calls    int32
		answered bool
	}{
		"unavailable":            {status.Error(codes.Unavailable, ""), 2, nil, 3, true},
		"unavailable for good":   {status.Error(codes.Unavailable, ""), always, nil, 5, false},
		"busy":                   {busy(t, 10*time.Millisecond), 2, nil, 3, true},
		"busy for good":          {busy(t, 10*time.Millisecond), always, nil, 5, false},
		"busy beyond deadline":   {busy(t, time.Hour), always, nil, 1, false},
		"too large":              {status.Error(codes.ResourceExhausted, ""), always, nil, 1, false},
		"internal":               {status.Error(codes.Internal, ""), always, nil, 1, false},
		"deadline":               {status.Error(codes.DeadlineExceeded, ""), always, nil, 1, false},
		"unavailable, not again": {status.Error(codes.Unavailable, ""), always, once, 1, false},
		"busy, not again":        {busy(t, time.Millisecond), always, once, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake, calls := failing(c.times, c.err)
			client := newClient(t, fake.Start(t), c.opts...)
			check := func(kind string, err error) {
				t.Helper()
				var fault *tracecompletion.Error
				switch {
				case c.answered && err != nil:
					t.Errorf("%s: %v", kind, err)
				case !c.answered && (!errors.As(err, &fault) || fault.Code != status.Code(c.err)):
					t.Errorf("%s: %v, want %v", kind, err, c.err)
				}
				if got := calls.Swap(0); got != c.calls {
					t.Errorf("%s: %d calls, want %d", kind, got, c.calls)
				}
			}
			_, err := client.Complete(within(t, 20*time.Second), question())
			check("unary", err)
			_, err = tracecompletion.Collect(client.CompleteStream(within(t, 20*time.Second), question()))
			check("stream", err)
		})
	}
}

// hanging is a server that reports each call and does not answer it.
func hanging() (*testserver.Fake, chan struct{}) {
	came := make(chan struct{}, 10)
	return &testserver.Fake{Complete: func(
		ctx context.Context, _ *v1.CompleteTraceRequest,
	) (*v1.CompleteTraceResponse, error) {
		came <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}}, came
}

func TestAServerThatDiesInACall(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())

	// start begins a call, and kills the server during the call.
	start := func(t *testing.T, timeout time.Duration, opts ...tracecompletion.Option) (string, chan error) {
		t.Helper()
		fake, came := hanging()
		address, kill, err := fake.Serve(testserver.Reserve(t))
		if err != nil {
			t.Fatal(err)
		}
		client := newClient(t, address, opts...)
		done := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), timeout)
			defer cancel()
			_, err := client.Complete(ctx, question())
			done <- err
		}()
		<-came
		kill()
		return address, done
	}

	t.Run("fails at once without retries", func(t *testing.T) {
		_, done := start(t, 20*time.Second, tracecompletion.WithoutRetry())
		begin := time.Now()
		var fault *tracecompletion.Error
		if err := <-done; !errors.As(err, &fault) || fault.Code != codes.Unavailable {
			t.Errorf("%v", err)
		}
		// A call that is retried would take the whole 20 seconds.
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("it took %s", took)
		}
	})
	t.Run("is waited for", func(t *testing.T) {
		refused := make(chan struct{}, 1)
		dial := func(ctx context.Context, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
			if err != nil {
				select {
				case refused <- struct{}{}:
				default:
				}
			}
			return conn, err
		}
		address, done := start(t, 20*time.Second, tracecompletion.WithDialOptions(grpc.WithContextDialer(dial)))
		select {
		case <-refused:
		case err := <-done:
			t.Fatalf("the call did not wait for the server: %v", err)
		}
		back := &testserver.Fake{Complete: func(
			context.Context, *v1.CompleteTraceRequest,
		) (*v1.CompleteTraceResponse, error) {
			return answer(), nil
		}}
		_, kill, err := back.Serve(address)
		if err != nil {
			t.Fatal(err)
		}
		defer kill()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Run("is not waited for beyond the deadline", func(t *testing.T) {
		begin := time.Now()
		_, done := start(t, 2*time.Second)
		err := <-done
		// The slack is for a busy machine. A call without a deadline would not end at all.
		if took := time.Since(begin); took > 7*time.Second {
			t.Errorf("it took %s", took)
		}
		var fault *tracecompletion.Error
		if !errors.As(err, &fault) || fault.Code != codes.Unavailable || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		t.Log(err)
	})
}
