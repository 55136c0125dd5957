package io.tracecompletion.client;

/** The deadline passed before there was an answer. */
public final class DeadlineExceededException extends TraceCompletionException {
  private static final long serialVersionUID = 1;

  DeadlineExceededException(Fault fault, Throwable cause) {
    super(fault, cause);
  }
}
