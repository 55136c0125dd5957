package tracecompletion_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/trace-completion/trace-completion/client-go/internal/testserver"
	"github.com/trace-completion/trace-completion/client-go/tracecompletion"
	v1 "github.com/trace-completion/trace-completion/client-go/tracecompletion/v1"
)

// silentStore is a flow log that accepts queries and never answers. It reports each query that is not one of
// the health checks of the server: from then on, a call is in the middle of its work.
func silentStore(t *testing.T) (url string, asked <-chan struct{}) {
	t.Helper()
	queries, end := make(chan struct{}, 100), make(chan struct{})
	store := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		if !strings.HasPrefix(request.URL.Query().Get("query_id"), "ping-") {
			queries <- struct{}{}
		}
		<-end
	}))
	t.Cleanup(func() { close(end); store.Close() })
	return store.URL, queries
}

// midCall runs the real server with a silent store and begins a call. It returns when the server works on the
// call, with a channel that gets the error of the call. At the end of the test no goroutine may be left.
func midCall(
	t *testing.T, call func(*tracecompletion.Client) error, opts ...tracecompletion.Option,
) (*testserver.Process, <-chan error) {
	t.Helper()
	now := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, now) })
	store, asked := silentStore(t)
	// Another server can come back at this address.
	process := testserver.Start(t, testserver.Reserve(t), nil, "serve", "--clickhouse-url", store)
	process.Ready(t, "/healthz", 200)
	client := newClient(t, process.Address, opts...)
	done := make(chan error, 1)
	go func() { done <- call(client) }()
	select {
	case <-asked:
	case err := <-done:
		t.Fatalf("the call did not get to the flow log: %v", err)
	}
	return process, done
}

// complete is a unary call with this timeout.
func complete(t *testing.T, timeout time.Duration) func(*tracecompletion.Client) error {
	t.Helper()
	return func(client *tracecompletion.Client) error {
		_, err := client.Complete(within(t, timeout), question())
		return err
	}
}

// stream is a streamed call with this timeout.
func stream(t *testing.T, timeout time.Duration) func(*tracecompletion.Client) error {
	t.Helper()
	return func(client *tracecompletion.Client) error {
		_, err := tracecompletion.Collect(client.CompleteStream(within(t, timeout), question()))
		return err
	}
}

// batch is a batch of one question with this timeout.
func batch(t *testing.T, timeout time.Duration) func(*tracecompletion.Client) error {
	t.Helper()
	return func(client *tracecompletion.Client) error {
		batch, err := client.CompleteBatch(within(t, timeout))
		if err != nil {
			return err
		}
		defer batch.Close()
		if err := batch.Send("one", question()); err != nil {
			return err
		}
		answer, err := batch.Receive()
		if err == nil {
			return fmt.Errorf("there is an answer: %v", answer)
		}
		return err
	}
}

// calls are all ways to ask.
var calls = map[string]func(*testing.T, time.Duration) func(*tracecompletion.Client) error{
	"unary": complete, "stream": stream, "batch": batch,
}

func wantCode(t *testing.T, err error, code codes.Code) {
	t.Helper()
	var fault *tracecompletion.Error
	if !errors.As(err, &fault) || fault.Code != code {
		t.Errorf("%T: %v, want %s", err, err, code)
	}
}

func TestTheRealServerIsKilledInACallThatIsNotRetried(t *testing.T) {
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			process, done := midCall(t, call(t, time.Minute), tracecompletion.WithoutRetry())
			begin := time.Now()
			process.Kill()
			wantCode(t, <-done, codes.Unavailable)
			if took := time.Since(begin); took > 20*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// The first server is killed during the call. The second one, which has rows, answers it.
func TestTheRealServerIsKilledInACallAndComesBack(t *testing.T) {
	request := demoRequest(t)
	for name, ask := range map[string]func(context.Context, *tracecompletion.Client) (*v1.CompleteTraceResponse, error){
		"unary": func(ctx context.Context, client *tracecompletion.Client) (*v1.CompleteTraceResponse, error) {
			return client.Complete(ctx, request)
		},
		"stream": func(ctx context.Context, client *tracecompletion.Client) (*v1.CompleteTraceResponse, error) {
			return tracecompletion.Collect(client.CompleteStream(ctx, request))
		},
	} {
		t.Run(name, func(t *testing.T) {
			var answer *v1.CompleteTraceResponse
			process, done := midCall(t, func(client *tracecompletion.Client) (err error) {
				answer, err = ask(within(t, time.Minute), client)
				return err
			})
			process.Kill()
			back := testserver.Start(t, process.Address, nil, "demo", "--keep")
			back.Ready(t, "/readyz", 200)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			again, err := newClient(t, back.Address).Complete(within(t, 20*time.Second), request)
			spans := len(answer.GetData().GetTracing())
			if err != nil || !proto.Equal(answer, again) || spans <= len(request.GetAppSpans()) {
				t.Errorf("%d spans (%v)", spans, err)
			}
		})
	}
}

// Whether the server does not come back or does not answer, the call ends at its deadline.
func TestNoCallOutlivesItsDeadline(t *testing.T) {
	// The slack is for a busy machine. A call without a deadline would not end at all.
	const deadline, slack = 2 * time.Second, 5 * time.Second
	for _, c := range []struct {
		what   string
		befall func(*testserver.Process) error
		code   codes.Code
	}{
		{"killed", func(process *testserver.Process) error { process.Kill(); return nil }, codes.Unavailable},
		{"frozen", (*testserver.Process).Freeze, codes.DeadlineExceeded},
	} {
		for name, call := range calls {
			t.Run(c.what+" "+name, func(t *testing.T) {
				var took time.Duration
				process, done := midCall(t, func(client *tracecompletion.Client) error {
					begin := time.Now()
					err := call(t, deadline)(client)
					took = time.Since(begin)
					return err
				})
				if err := c.befall(process); err != nil {
					t.Fatal(err)
				}
				err := <-done
				if took > deadline+slack {
					t.Errorf("it took %s", took)
				}
				wantCode(t, err, c.code)
			})
		}
	}
}
