package io.tracecompletion.client;

/** There is no connection to a server, or the server cannot reach its flow log. Try again later. */
public final class UnavailableException extends TraceCompletionException {
  private static final long serialVersionUID = 1;

  UnavailableException(Fault fault, Throwable cause) {
    super(fault, cause);
  }
}
