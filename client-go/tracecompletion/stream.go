package tracecompletion

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	v1 "github.com/trace-completion/trace-completion/client-go/tracecompletion/v1"
)

// ErrIncomplete is a streamed answer that ended in good order, but without all that it should hold.
var ErrIncomplete = errors.New("tracecompletion: the streamed answer is incomplete")

// CompleteStream completes one trace piece by piece: progress while the search goes on, then the spans in
// chunks, then a summary. No more than a piece is in memory at a time, unless the caller keeps it. Use it
// for answers that may not fit one message, and to draw progress.
//
// The error is an [*Error] or [ErrIncomplete], and the last that is yielded. Leaving the loop early cancels
// the call. Retries happen only before the first piece: after it, the caller has seen something.
//
// The deadline bounds the whole stream, and so the time that the caller takes for the pieces.
func (c *Client) CompleteStream(
	ctx context.Context, request *v1.CompleteTraceRequest,
) iter.Seq2[*v1.StreamCompleteTraceResponse, error] {
	return func(yield func(*v1.StreamCompleteTraceResponse, error) bool) {
		ctx, cancel := c.outgoing(ctx, c.settings.timeout)
		defer cancel()
		stream, piece, err := c.openStream(ctx, &v1.StreamCompleteTraceRequest{Request: request})
		var seen tally
		for ; err == nil; piece, err = stream.Recv() {
			seen.add(piece)
			if !yield(piece, nil) {
				return
			}
		}
		if err = c.end(ctx, err, seen); err != nil {
			yield(nil, err)
		}
	}
}

// pieces is what gRPC makes of a streamed answer.
type pieces interface {
	Recv() (*v1.StreamCompleteTraceResponse, error)
}

// openStream asks, and waits for the first piece: failures up to it can be retried.
func (c *Client) openStream(
	ctx context.Context, request *v1.StreamCompleteTraceRequest,
) (stream pieces, first *v1.StreamCompleteTraceResponse, err error) {
	open := func() error {
		stream, err = c.rpc.StreamCompleteTrace(ctx, request)
		if err == nil {
			first, err = stream.Recv()
		}
		return err
	}
	if c.settings.retry {
		err = retryBusy(ctx, open)
	} else {
		err = open()
	}
	return stream, first, err
}

// end is the error of a stream that has ended, nil for a whole answer.
func (c *Client) end(ctx context.Context, err error, seen tally) error {
	if !errors.Is(err, io.EOF) {
		return c.fault(ctx, err)
	}
	return seen.check()
}

// tally counts what a stream has brought.
type tally struct {
	spans, chunks int64
	summary       *v1.CompletionSummary
}

func (t *tally) add(piece *v1.StreamCompleteTraceResponse) {
	switch part := piece.GetPart().(type) {
	case *v1.StreamCompleteTraceResponse_Chunk:
		t.chunks++
		t.spans += int64(len(part.Chunk.GetSpans()))
	case *v1.StreamCompleteTraceResponse_Summary:
		t.summary = part.Summary
	}
}

func (t *tally) check() error {
	switch {
	case t.summary == nil:
		return fmt.Errorf("%w: it has no summary", ErrIncomplete)
	case t.spans != t.summary.GetSpanCount() || t.chunks != t.summary.GetChunkCount():
		return fmt.Errorf("%w: %d spans in %d chunks came, %d in %d were sent", ErrIncomplete,
			t.spans, t.chunks, t.summary.GetSpanCount(), t.summary.GetChunkCount())
	default:
		return nil
	}
}

// Collect puts the pieces of a streamed answer together, for an answer that is too large for one message
// but not for memory.
func Collect(pieces iter.Seq2[*v1.StreamCompleteTraceResponse, error]) (*v1.CompleteTraceResponse, error) {
	data := &v1.CompletedTrace{}
	answer := &v1.CompleteTraceResponse{Data: data}
	var reasons []*v1.SpanReason
	for piece, err := range pieces {
		if err != nil {
			return nil, err
		}
		switch part := piece.GetPart().(type) {
		case *v1.StreamCompleteTraceResponse_Chunk:
			data.Tracing = append(data.Tracing, part.Chunk.GetSpans()...)
			reasons = append(reasons, part.Chunk.GetReasons()...)
		case *v1.StreamCompleteTraceResponse_Summary:
			answer.OptStatus = part.Summary.GetOptStatus()
			answer.Description = part.Summary.GetDescription()
			data.HostClockCorrection = part.Summary.GetHostClockCorrection()
			data.Explanation = part.Summary.GetExplanation()
		}
	}
	if explanation := data.GetExplanation(); explanation != nil {
		explanation.Spans = reasons
	}
	return answer, nil
}
