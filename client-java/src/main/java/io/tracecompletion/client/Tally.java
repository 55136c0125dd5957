package io.tracecompletion.client;

import io.tracecompletion.v1.CompletionSummary;
import io.tracecompletion.v1.StreamCompleteTraceResponse;

/** Counts what a stream has brought. */
final class Tally {
  private long spans;
  private long chunks;
  private CompletionSummary summary;

  void add(StreamCompleteTraceResponse piece) {
    if (piece.hasChunk()) {
      chunks++;
      spans += piece.getChunk().getSpansCount();
    } else if (piece.hasSummary()) {
      summary = piece.getSummary();
    }
  }

  /** The summary of a stream that has ended in good order. */
  CompletionSummary check() {
    if (summary == null) {
      throw new IncompleteAnswerException("it has no summary");
    }
    if (spans != summary.getSpanCount() || chunks != summary.getChunkCount()) {
      throw new IncompleteAnswerException(
          "%d spans in %d chunks came, %d in %d were sent"
              .formatted(spans, chunks, summary.getSpanCount(), summary.getChunkCount()));
    }
    return summary;
  }
}
