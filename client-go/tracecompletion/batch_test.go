package tracecompletion_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/trace-completion/trace-completion/client-go/internal/testserver"
	"github.com/trace-completion/trace-completion/client-go/tracecompletion"
	v1 "github.com/trace-completion/trace-completion/client-go/tracecompletion/v1"
)

type batchStream = grpc.BidiStreamingServer[v1.BatchCompleteTraceRequest, v1.BatchCompleteTraceResponse]

// echo answers every question. A question without spans gets an error.
func echo(stream batchStream) error {
	for {
		question, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		response := &v1.BatchCompleteTraceResponse{CorrelationId: question.GetCorrelationId()}
		if len(question.GetRequest().GetAppSpans()) == 0 {
			bad, err := status.New(codes.InvalidArgument, "app_spans: at least 1 span is required").WithDetails(
				&errdetails.ErrorInfo{Reason: "ERROR_REASON_INVALID_REQUEST", Domain: "tracecompletion.v1"})
			if err != nil {
				return err
			}
			response.Result = &v1.BatchCompleteTraceResponse_Error{Error: bad.Proto()}
		} else {
			response.Result = &v1.BatchCompleteTraceResponse_Response{Response: answer()}
		}
		if err := stream.Send(response); err != nil {
			return err
		}
	}
}

func TestABatch(t *testing.T) {
	client := newClient(t, (&testserver.Fake{Batch: echo}).Start(t))
	checkBatch(t, client, 1000)
}

// checkBatch asks many questions. Every tenth is invalid.
func checkBatch(t *testing.T, client *tracecompletion.Client, count int) {
	t.Helper()
	batch, err := client.CompleteBatch(within(t, 60*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer batch.Close()
	sent := make(chan error, 1)
	go func() {
		for i := range count {
			request := question()
			if i%10 == 0 {
				request = &v1.CompleteTraceRequest{}
			}
			if err := batch.Send(string(rune('a'+i%10)), request); err != nil {
				sent <- err
				return
			}
		}
		sent <- batch.CloseSend()
	}()
	answers := map[string]int{}
	for {
		answer, err := batch.Receive()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		answers[answer.ID]++
		var fault *tracecompletion.Error
		switch {
		case answer.ID != "a" && (answer.Err != nil || len(answer.Response.GetData().GetTracing()) != 1):
			t.Fatalf("%+v", answer)
		case answer.ID == "a" && (!errors.As(answer.Err, &fault) ||
			fault.Reason != v1.ErrorReason_ERROR_REASON_INVALID_REQUEST || answer.Response != nil):
			t.Fatalf("%+v", answer)
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	for i := range 10 {
		if got := answers[string(rune('a'+i))]; got != count/10 {
			t.Errorf("%d answers to %c, want %d", got, 'a'+i, count/10)
		}
	}
}

func TestABatchThatIsClosedEndsAtTheServer(t *testing.T) {
	ended := make(chan struct{})
	client := newClient(t, (&testserver.Fake{Batch: func(stream batchStream) error {
		defer close(ended)
		<-stream.Context().Done()
		return stream.Context().Err()
	}}).Start(t))
	batch, err := client.CompleteBatch(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	batch.Close()
	if _, err := batch.Receive(); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Fatal("the server goes on")
	}
}

func TestABatchAnswerOfNoKnownKindIsAnError(t *testing.T) {
	client := newClient(t, (&testserver.Fake{Batch: func(stream batchStream) error {
		return stream.Send(&v1.BatchCompleteTraceResponse{CorrelationId: "one"})
	}}).Start(t))
	batch, err := client.CompleteBatch(within(t, 10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer batch.Close()
	got, err := batch.Receive()
	var fault *tracecompletion.Error
	if err != nil || got.ID != "one" || got.Response != nil || !errors.As(got.Err, &fault) ||
		fault.Code != codes.Internal {
		t.Errorf("%+v %v", got, err)
	}
}
