package tracecompletion_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/trace-completion/trace-completion/client-go/internal/testserver"
	"github.com/trace-completion/trace-completion/client-go/tracecompletion"
	v1 "github.com/trace-completion/trace-completion/client-go/tracecompletion/v1"
)

type answerStream = grpc.ServerStreamingServer[v1.StreamCompleteTraceResponse]

// sendStream answers with chunks of spans. Each span has about a kilobyte.
func sendStream(stream answerStream, chunks, spansInChunk int) error {
	progress := &v1.CompletionProgress{Iteration: 1, RowsFound: int64(chunks * spansInChunk)}
	err := stream.Send(&v1.StreamCompleteTraceResponse{
		Part: &v1.StreamCompleteTraceResponse_Progress{Progress: progress},
	})
	for i := 0; err == nil && i < chunks; i++ {
		chunk := &v1.SpanChunk{}
		for j := range spansInChunk {
			chunk.Spans = append(chunk.Spans, &v1.Span{
				DeepflowSpanId:  fmt.Sprint(i*spansInChunk + j),
				RequestResource: strings.Repeat("x", 1000),
			})
		}
		err = stream.Send(&v1.StreamCompleteTraceResponse{Part: &v1.StreamCompleteTraceResponse_Chunk{Chunk: chunk}})
	}
	if err != nil {
		return err
	}
	return sendSummary(stream, int64(chunks), int64(chunks*spansInChunk))
}

func sendSummary(stream answerStream, chunks, spans int64) error {
	summary := &v1.CompletionSummary{OptStatus: "SUCCESS", ChunkCount: chunks, SpanCount: spans}
	return stream.Send(&v1.StreamCompleteTraceResponse{Part: &v1.StreamCompleteTraceResponse_Summary{Summary: summary}})
}

func streaming(answer func(answerStream) error) *testserver.Fake {
	return &testserver.Fake{Stream: func(_ *v1.StreamCompleteTraceRequest, stream answerStream) error {
		return answer(stream)
	}}
}

func TestAStreamedAnswerIsPutTogether(t *testing.T) {
	fake := streaming(func(stream answerStream) error { return sendStream(stream, 7, 3) })
	client := newClient(t, fake.Start(t))
	got, err := tracecompletion.Collect(client.CompleteStream(within(t, 10*time.Second), question()))
	if err != nil {
		t.Fatal(err)
	}
	if got.GetOptStatus() != "SUCCESS" || len(got.GetData().GetTracing()) != 21 {
		t.Errorf("%s, %d spans", got.GetOptStatus(), len(got.GetData().GetTracing()))
	}
	for i, span := range got.GetData().GetTracing() {
		if span.GetDeepflowSpanId() != fmt.Sprint(i) {
			t.Fatalf("span %d is %s", i, span.GetDeepflowSpanId())
		}
	}
}

func TestAStreamedAnswerThatLacksSomething(t *testing.T) {
	for name, fake := range map[string]*testserver.Fake{
		"summary": streaming(func(answerStream) error { return nil }),
		"spans":   streaming(func(stream answerStream) error { return sendSummary(stream, 1, 1) }),
	} {
		client := newClient(t, fake.Start(t))
		_, err := tracecompletion.Collect(client.CompleteStream(within(t, 10*time.Second), question()))
		if !errors.Is(err, tracecompletion.ErrIncomplete) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAStreamThatBreaksIsNotAskedAgain(t *testing.T) {
	calls := 0
	fake := streaming(func(stream answerStream) error {
		calls++
		if err := sendStream(stream, 1, 1); err != nil {
			return err
		}
		return status.Error(codes.Unavailable, "gone")
	})
	client := newClient(t, fake.Start(t))
	pieces := 0
	var last error
	for _, err := range client.CompleteStream(within(t, 10*time.Second), question()) {
		pieces++
		last = err
	}
	var fault *tracecompletion.Error
	if !errors.As(last, &fault) || fault.Code != codes.Unavailable {
		t.Errorf("%v", last)
	}
	if calls != 1 || pieces != 4 {
		t.Errorf("%d calls, %d pieces", calls, pieces)
	}
}

func TestLeavingTheLoopCancelsTheCall(t *testing.T) {
	cancelled := make(chan struct{})
	fake := streaming(func(stream answerStream) error {
		defer close(cancelled)
		for {
			if err := sendStream(stream, 100, 10); err != nil {
				return err
			}
		}
	})
	client := newClient(t, fake.Start(t))
	for _, err := range client.CompleteStream(within(t, 10*time.Second), question()) {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	select {
	case <-cancelled:
	case <-time.After(5 * time.Second):
		t.Fatal("the server goes on")
	}
}
