package io.tracecompletion.client;

import io.tracecompletion.v1.BatchCompleteTraceResponse;
import io.tracecompletion.v1.CompleteTraceResponse;

/**
 * The result of one question of a batch. Either {@code response} or {@code error} is set, and the
 * other is null.
 *
 * @param id the id of the question
 * @param response the same answer that {@link TraceCompletionClient#complete} gives; null if the
 *     question failed
 * @param error why the question failed; null if it has an answer
 */
public record Answer(String id, CompleteTraceResponse response, TraceCompletionException error) {

  static Answer of(BatchCompleteTraceResponse message) {
    return switch (message.getResultCase()) {
      case ERROR ->
        new Answer(
            message.getCorrelationId(),
            null,
            TraceCompletionException.of(Fault.of(message.getError()), null));
      case RESPONSE, RESULT_NOT_SET ->
        new Answer(message.getCorrelationId(), message.getResponse(), null);
    };
  }

  /**
   * Returns the response, or throws the error.
   *
   * @return the response, never null
   * @throws TraceCompletionException if the question failed
   */
  public CompleteTraceResponse get() {
    if (error != null) {
      throw error;
    }
    return response;
  }
}
