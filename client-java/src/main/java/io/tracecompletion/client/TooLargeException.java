package io.tracecompletion.client;

/**
 * The request or the answer is larger than a limit, which the message names. Trying again will fail
 * again.
 */
public final class TooLargeException extends TraceCompletionException {
  private static final long serialVersionUID = 1;

  TooLargeException(Fault fault, Throwable cause) {
    super(fault, cause);
  }
}
