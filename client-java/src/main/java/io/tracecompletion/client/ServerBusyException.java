package io.tracecompletion.client;

/** The server has shed the call before any work: ask again after {@link #getRetryDelay()}. */
public final class ServerBusyException extends TraceCompletionException {
  private static final long serialVersionUID = 1;

  ServerBusyException(Fault fault, Throwable cause) {
    super(fault, cause);
  }
}
