package io.tracecompletion.client;

import io.grpc.Status;

/**
 * A streamed answer ended without an error, but spans or the summary are missing. Ask again. The
 * code is {@code DATA_LOSS}.
 */
public final class IncompleteAnswerException extends TraceCompletionException {
  private static final long serialVersionUID = 1;

  IncompleteAnswerException(String what) {
    super(
        Fault.of(Status.DATA_LOSS.withDescription("the streamed answer is incomplete: " + what)),
        null);
  }
}
