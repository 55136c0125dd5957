package io.tracecompletion.client;

/** The request or the answer is over a limit, which the message names. Asking again is of no use. */
public final class TooLargeException extends TraceCompletionException {
  private static final long serialVersionUID = 1;

  TooLargeException(Fault fault, Throwable cause) {
    super(fault, cause);
  }
}
