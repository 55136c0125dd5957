package tracecompletion

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	v1 "github.com/trace-completion/trace-completion/client-go/tracecompletion/v1"
)

// Batch asks many questions on one stream. One goroutine may send while another receives. Call [Batch.Close]
// when you are done, unless [Batch.Receive] has returned an error.
type Batch struct {
	client *Client
	stream grpc.BidiStreamingClient[v1.BatchCompleteTraceRequest, v1.BatchCompleteTraceResponse]
	cancel context.CancelFunc
}

// Answer is the result of one question of a [Batch]. Either Response or Err is set, and the other is nil.
type Answer struct {
	// ID is the id of the question.
	ID string
	// Response is the same answer that [Client.Complete] gives.
	Response *v1.CompleteTraceResponse
	// Err is an [*Error] if the question failed. If its RetryDelay is not 0, the question can be sent again
	// after that time.
	Err error
}

// CompleteBatch opens a stream for many questions. The stream has a deadline only if ctx has one; the server
// limits the time of each question. When ctx ends, the stream and all its questions end.
func (c *Client) CompleteBatch(ctx context.Context) (*Batch, error) {
	ctx, cancel := c.outgoing(ctx, 0)
	stream, err := c.rpc.BatchCompleteTrace(ctx)
	if err != nil {
		cancel()
		return nil, c.fault(ctx, err)
	}
	return &Batch{client: c, stream: stream, cancel: cancel}, nil
}

// Send asks a question. The answer carries the same id. While the server works on as many questions as it
// accepts at a time, Send blocks, so another goroutine must receive the answers meanwhile. If Send returns an
// error, Receive returns its cause.
func (b *Batch) Send(id string, request *v1.CompleteTraceRequest) error {
	err := b.stream.Send(&v1.BatchCompleteTraceRequest{CorrelationId: id, Request: request})
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return b.client.fault(b.stream.Context(), err)
}

// CloseSend tells the server that no more questions follow. Receive then returns the remaining answers, and
// after them io.EOF.
func (b *Batch) CloseSend() error {
	if err := b.stream.CloseSend(); err != nil {
		return b.client.fault(b.stream.Context(), err)
	}
	return nil
}

// Receive waits for the next answer. Answers arrive in the order in which they finish. After the last answer,
// Receive returns io.EOF. If the stream failed, it returns an [*Error]; the unanswered questions can then be
// asked on another stream.
func (b *Batch) Receive() (Answer, error) {
	message, err := b.stream.Recv()
	if err != nil {
		b.cancel()
		if errors.Is(err, io.EOF) {
			return Answer{}, io.EOF
		}
		return Answer{}, b.client.fault(b.stream.Context(), err)
	}
	answer := Answer{ID: message.GetCorrelationId()}
	switch result := message.GetResult().(type) {
	case *v1.BatchCompleteTraceResponse_Response:
		answer.Response = result.Response
	case *v1.BatchCompleteTraceResponse_Error:
		answer.Err = fromStatus(status.FromProto(result.Error))
	default:
		// A newer server may send other kinds of answers. Callers rely on Response or Err being set.
		answer.Err = fromStatus(status.New(codes.Internal, "an answer of a kind that this client does not know"))
	}
	return answer, nil
}

// Close ends the stream and cancels its unanswered questions.
func (b *Batch) Close() {
	b.cancel()
}
