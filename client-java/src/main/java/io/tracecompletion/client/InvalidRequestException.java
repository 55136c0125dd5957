package io.tracecompletion.client;

/**
 * The request is invalid, and {@link #getViolations()} lists the faults. Sending it again will fail
 * again.
 */
public final class InvalidRequestException extends TraceCompletionException {
  private static final long serialVersionUID = 1;

  InvalidRequestException(Fault fault, Throwable cause) {
    super(fault, cause);
  }
}
