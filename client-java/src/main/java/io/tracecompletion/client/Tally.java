package io.tracecompletion.client;

import io.tracecompletion.v1.CompletionSummary;
import io.tracecompletion.v1.StreamCompleteTraceResponse;

/** Counts the spans and chunks of a stream. */
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

  /**
   * Returns the summary, or throws if the stream lacks something. To be called when the stream has
   * ended.
   */
  CompletionSummary check() {
    if (summary == null) {
      throw new IncompleteAnswerException("the summary is missing");
    }
    if (spans != summary.getSpanCount() || chunks != summary.getChunkCount()) {
      throw new IncompleteAnswerException(
          "%d spans in %d chunks arrived, but the server sent %d in %d"
              .formatted(spans, chunks, summary.getSpanCount(), summary.getChunkCount()));
    }
    return summary;
  }
}
