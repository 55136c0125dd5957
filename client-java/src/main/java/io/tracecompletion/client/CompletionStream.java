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
 * The pieces of a streamed answer: progress messages while the search runs, then the spans in
 * chunks, then a summary. Only a few pieces are in memory at a time, unless the caller keeps them.
 * It must not be used by two threads at once.
 *
 * <p>Call {@link #close()} unless you have read all pieces: it cancels the call. The deadline is
 * for the whole stream, so it includes the time that the caller needs for the pieces.
 */
public final class CompletionStream
    implements Iterator<StreamCompleteTraceResponse>, AutoCloseable {
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
   * Waits until the next piece is there or the stream has ended.
   *
   * @return whether there is another piece; false after the summary
   * @throws TraceCompletionException if the call failed
   * @throws IncompleteAnswerException if the stream ended without an error, but spans or the
   *     summary are missing
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
   * Waits for the next piece. A newer server may send kinds of pieces that this client does not
   * know: ignore them.
   *
   * @return the next piece
   * @throws TraceCompletionException as in {@link #hasNext()}
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
   * Reads all pieces and puts them together. Use it if the answer is too large for one message, but
   * fits into memory. Call it before reading any piece.
   *
   * @return the same answer that {@link TraceCompletionClient#complete} would have given
   * @throws TraceCompletionException as in {@link #hasNext()}
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

  /** Cancels the call, if it still runs. */
  @Override
  public void close() {
    context.cancel(null);
  }
}
