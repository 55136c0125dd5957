package io.tracecompletion.client;

/**
 * The server is busy and rejected the call before working on it. Try again after
 * {@link #getRetryDelay()}.
 */
public final class ServerBusyException extends TraceCompletionException {
  private static final long serialVersionUID = 1;

  ServerBusyException(Fault fault, Throwable cause) {
    super(fault, cause);
  }
}
