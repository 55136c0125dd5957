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

// Batch is many questions on one stream. One goroutine may send while another receives. [Batch.Close] must
// be called, unless [Batch.Receive] has returned an error.
type Batch struct {
	client *Client
	stream grpc.BidiStreamingClient[v1.BatchCompleteTraceRequest, v1.BatchCompleteTraceResponse]
	cancel context.CancelFunc
}

// Answer is what became of one question of a [Batch]: a response or an error.
type Answer struct {
	// ID is that of the question.
	ID string
	// Response is the answer, as of [Client.Complete].
	Response *v1.CompleteTraceResponse
	// Err is nil, or an [*Error]. Where its RetryDelay is not 0, the question can be sent again after it.
	Err error
}

// CompleteBatch opens a stream for many questions. It has no deadline unless ctx has one: the server bounds
// each question by itself. ctx ends the stream, and all that runs on it.
func (c *Client) CompleteBatch(ctx context.Context) (*Batch, error) {
	ctx, cancel := c.outgoing(ctx, 0)
	stream, err := c.rpc.BatchCompleteTrace(ctx)
	if err != nil {
		cancel()
		return nil, c.fault(ctx, err)
	}
	return &Batch{client: c, stream: stream, cancel: cancel}, nil
}

// Send asks a question. id comes back with its answer. Send waits while the server has as many questions in
// hand as it takes; so answers must be received meanwhile, by another goroutine. After an error, Receive
// tells the cause.
func (b *Batch) Send(id string, request *v1.CompleteTraceRequest) error {
	err := b.stream.Send(&v1.BatchCompleteTraceRequest{CorrelationId: id, Request: request})
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return b.client.fault(b.stream.Context(), err)
}

// CloseSend says that no question follows. Receive then gives the answers that are left, and io.EOF.
func (b *Batch) CloseSend() error {
	if err := b.stream.CloseSend(); err != nil {
		return b.client.fault(b.stream.Context(), err)
	}
	return nil
}

// Receive waits for the next answer, in whatever order they are finished. It returns io.EOF after the last,
// and an [*Error] where the stream failed: questions without an answer can then be asked on another.
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
		// Of a newer server, perhaps. A caller looks for one of the two.
		answer.Err = fromStatus(status.New(codes.Internal, "an answer of a kind that this client does not know"))
	}
	return answer, nil
}

// Close ends the stream, and cancels the questions that still run.
func (b *Batch) Close() {
	b.cancel()
}
