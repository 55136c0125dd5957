package tracecompletion

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	v1 "github.com/trace-completion/trace-completion/client-go/tracecompletion/v1"
)

// ErrIncomplete means that a streamed answer ended without an error, but spans or the summary are missing. Ask
// again.
var ErrIncomplete = errors.New("tracecompletion: the streamed answer is incomplete")

// CompleteStream completes one trace piece by piece: progress messages while the search runs, then the spans
// in chunks, then a summary. Only one piece is in memory at a time, unless the caller keeps it. Use it for
// answers that may be too large for one message, and to show progress.
//
// If the call fails, the last pair of the loop holds the error: an [*Error] or [ErrIncomplete]. Leaving the
// loop early cancels the call. The call is retried only before its first piece, because later the caller has
// already seen a part of the answer.
//
// The deadline is for the whole stream, so it includes the time that the caller needs for the pieces.
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

// pieces is the stream of an answer, as gRPC gives it.
type pieces interface {
	Recv() (*v1.StreamCompleteTraceResponse, error)
}

// openStream opens the stream and waits for the first piece. Failures before that piece are retried.
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

// end returns the error of a stream that has ended, and nil if the answer is complete.
func (c *Client) end(ctx context.Context, err error, seen tally) error {
	if !errors.Is(err, io.EOF) {
		return c.fault(ctx, err)
	}
	return seen.check()
}

// tally counts the spans and chunks of a stream.
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
		return fmt.Errorf("%w: the summary is missing", ErrIncomplete)
	case t.spans != t.summary.GetSpanCount() || t.chunks != t.summary.GetChunkCount():
		return fmt.Errorf("%w: %d spans in %d chunks arrived, but the server sent %d in %d", ErrIncomplete,
			t.spans, t.chunks, t.summary.GetSpanCount(), t.summary.GetChunkCount())
	default:
		return nil
	}
}

// Collect puts the pieces of a streamed answer together. Use it if the answer is too large for one message, but
// fits into memory.
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
