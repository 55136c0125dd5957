package io.tracecompletion.client;

/** The time was up before there was an answer. */
public final class DeadlineExceededException extends TraceCompletionException {
  private static final long serialVersionUID = 1;

  DeadlineExceededException(Fault fault, Throwable cause) {
    super(fault, cause);
  }
}
