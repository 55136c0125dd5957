package io.tracecompletion.client;

import io.tracecompletion.v1.CompletionProgress;
import io.tracecompletion.v1.SpanChunk;

/**
 * Receives a streamed answer piece by piece. Its methods are called one after the other. The next
 * piece is requested only when the method has returned, so a slow listener slows the server down.
 * If a method throws, the call is cancelled.
 */
@FunctionalInterface
public interface CompletionListener {

  /**
   * Reports the progress of the search. It is called any number of times, also never, before the
   * first chunk.
   *
   * @param progress how far the search is
   */
  default void onProgress(CompletionProgress progress) {}

  /**
   * Receives the next spans. All chunks together are the spans of the answer, in its order.
   *
   * @param chunk the spans, at least one
   */
  void onChunk(SpanChunk chunk);
}
