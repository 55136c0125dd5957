package io.tracecompletion.client;

import io.tracecompletion.v1.BatchCompleteTraceResponse;
import io.tracecompletion.v1.CompleteTraceResponse;

/**
 * What became of one question of a batch: a response or an error.
 *
 * @param id that of the question
 * @param response the answer, as of {@link TraceCompletionClient#complete}; null where there is an error
 * @param error why there is no answer; null where there is one
 */
public record Answer(String id, CompleteTraceResponse response, TraceCompletionException error) {

  static Answer of(BatchCompleteTraceResponse message) {
    return switch (message.getResultCase()) {
      case ERROR ->
          new Answer(message.getCorrelationId(), null,
              TraceCompletionException.of(Fault.of(message.getError()), null));
      case RESPONSE, RESULT_NOT_SET -> new Answer(message.getCorrelationId(), message.getResponse(), null);
    };
  }

  /**
   * The response, or else throws the error.
   *
   * @return the response, never null
   * @throws TraceCompletionException if the question has no answer
   */
  public CompleteTraceResponse get() {
    if (error != null) {
      throw error;
    }
    return response;
  }
}
