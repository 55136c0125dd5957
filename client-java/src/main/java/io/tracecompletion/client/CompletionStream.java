package io.tracecompletion.client;

import io.grpc.Context;
import io.grpc.StatusRuntimeException;
import io.tracecompletion.v1.CompleteTraceResponse;
import io.tracecompletion.v1.CompletedTrace;
import io.tracecompletion.v1.CompletionSummary;
import io.tracecompletion.v1.SpanReason;
import io.tracecompletion.v1.StreamCompleteTraceResponse;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.function.Function;

/**
 * The pieces of a streamed answer: progress while the search goes on, then the spans in chunks, then a summary. A
 * handful of pieces is in memory at a time, unless the caller keeps more. For one thread at a time.
 *
 * <p>{@link #close()} must be called unless all pieces have been read: it cancels the call. The deadline bounds the
 * whole stream, and so the time that the caller takes for the pieces.
 */
public final class CompletionStream implements Iterator<StreamCompleteTraceResponse>, AutoCloseable {
  private final Context.CancellableContext context;
  private final Iterator<StreamCompleteTraceResponse> pieces;
  private final Function<Throwable, TraceCompletionException> faults;
  private final Tally tally = new Tally();

  CompletionStream(
      Context.CancellableContext context,
      Iterator<StreamCompleteTraceResponse> pieces,
      Function<Throwable, TraceCompletionException> faults) {
    this.context = context;
    this.pieces = pieces;
    this.faults = faults;
  }

  /**
   * Waits for the next piece.
   *
   * @return false after the summary
   * @throws TraceCompletionException if the call failed
   * @throws IncompleteAnswerException if it ended without all that the answer should hold
   */
  @Override
  public boolean hasNext() {
    boolean more;
    try {
      more = pieces.hasNext();
    } catch (StatusRuntimeException e) {
      context.cancel(null);
      throw faults.apply(e);
    }
    if (!more) {
      context.cancel(null);
      tally.check();
    }
    return more;
  }

  /**
   * Waits for the next piece. A caller passes over kinds that it does not know.
   *
   * @return the next piece
   * @throws TraceCompletionException as {@link #hasNext()}
   * @throws NoSuchElementException after the summary
   */
  @Override
  public StreamCompleteTraceResponse next() {
    if (!hasNext()) {
      throw new NoSuchElementException("the stream has ended");
    }
    StreamCompleteTraceResponse piece = pieces.next();
    tally.add(piece);
    return piece;
  }

  /**
   * Puts the pieces together, for an answer that is too large for one message but not for memory. To be called before
   * any piece has been read.
   *
   * @return what {@link TraceCompletionClient#complete} would have answered
   * @throws TraceCompletionException as {@link #hasNext()}
   */
  public CompleteTraceResponse collect() {
    CompletedTrace.Builder data = CompletedTrace.newBuilder();
    List<SpanReason> reasons = new ArrayList<>();
    while (hasNext()) {
      StreamCompleteTraceResponse piece = next();
      if (piece.hasChunk()) {
        data.addAllTracing(piece.getChunk().getSpansList());
        reasons.addAll(piece.getChunk().getReasonsList());
      }
    }
    CompletionSummary summary = tally.check();
    data.putAllHostClockCorrection(summary.getHostClockCorrectionMap());
    if (summary.hasExplanation()) {
      data.setExplanation(summary.getExplanation().toBuilder().clearSpans().addAllSpans(reasons));
    }
    return CompleteTraceResponse.newBuilder()
        .setOptStatus(summary.getOptStatus())
        .setDescription(summary.getDescription())
        .setData(data)
        .build();
  }

  /** Cancels what is left of the call. */
  @Override
  public void close() {
    context.cancel(null);
  }
}
