package io.tracecompletion.client;

/** The request breaks the contract: {@link #getViolations()} says where. Asking again is of no use. */
public final class InvalidRequestException extends TraceCompletionException {
  private static final long serialVersionUID = 1;

  InvalidRequestException(Fault fault, Throwable cause) {
    super(fault, cause);
  }
}
