package io.tracecompletion.client;

import io.tracecompletion.v1.CompletionProgress;
import io.tracecompletion.v1.SpanChunk;

/**
 * Takes a streamed answer piece by piece. Calls come one after the other, and the next piece is only asked for when a
 * call has returned: a listener that is slow slows the server down. One that throws cancels the call.
 */
@FunctionalInterface
public interface CompletionListener {

  /**
   * The search goes on. Called none, one or many times, before the first chunk.
   *
   * @param progress how far it is
   */
  default void onProgress(CompletionProgress progress) {}

  /**
   * The next spans of the answer, in its order.
   *
   * @param chunk at least one span
   */
  void onChunk(SpanChunk chunk);
}
