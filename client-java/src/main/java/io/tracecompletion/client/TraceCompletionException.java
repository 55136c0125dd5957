package io.tracecompletion.client;

import io.grpc.Status;
import io.tracecompletion.v1.ErrorReason;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * A call, or a question of a batch, failed.
 *
 * <p>There is a subclass for each case that callers usually treat in a special way. All other
 * errors are of this class.
 */
public class TraceCompletionException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final transient Fault fault;

  TraceCompletionException(Fault fault, Throwable cause) {
    super(message(fault), cause);
    this.fault = fault;
  }

  /** Makes the exception of the class that fits the fault. */
  static TraceCompletionException of(Fault fault, Throwable cause) {
    return switch (fault.status().getCode()) {
      case INVALID_ARGUMENT -> new InvalidRequestException(fault, cause);
      case RESOURCE_EXHAUSTED ->
        fault.busy() ? new ServerBusyException(fault, cause) : new TooLargeException(fault, cause);
      case UNAVAILABLE -> new UnavailableException(fault, cause);
      case DEADLINE_EXCEEDED -> new DeadlineExceededException(fault, cause);
      default -> new TraceCompletionException(fault, cause);
    };
  }

  /**
   * The gRPC code of the error.
   *
   * @return the code, never {@code OK}
   */
  public Status.Code getCode() {
    return fault().status().getCode();
  }

  /**
   * The reason of the error, for use in programs.
   *
   * @return the reason. It is {@link ErrorReason#ERROR_REASON_UNSPECIFIED} if the server was not
   *     reached, gave no reason, or gave one that this client does not know. Then decide by the
   *     code
   */
  public ErrorReason getReason() {
    return fault().reason();
  }

  /**
   * The faults of the request.
   *
   * @return the faults; empty unless the request is invalid. If there are very many, the server
   *     leaves out some
   */
  public List<Violation> getViolations() {
    return fault().violations();
  }

  /**
   * The time to wait before trying again.
   *
   * @return the time; empty if the server gave none
   */
  public Optional<Duration> getRetryDelay() {
    return Optional.of(fault().retryDelay()).filter(delay -> !delay.isZero());
  }

  /**
   * The id of the request in the log of the server.
   *
   * @return the id; empty if the server gave none
   */
  public Optional<String> getRequestId() {
    return Optional.of(fault().requestId()).filter(id -> !id.isEmpty());
  }

  /**
   * The details. An exception that was serialised and read again has lost them, and has only its
   * message.
   */
  private Fault fault() {
    return fault == null ? Fault.of(Status.UNKNOWN) : fault;
  }

  private static String message(Fault fault) {
    StringBuilder text = new StringBuilder(fault.status().getCode().name());
    if (fault.reason() != ErrorReason.ERROR_REASON_UNSPECIFIED) {
      text.append(" (")
          .append(fault.reason().name().replaceFirst("^ERROR_REASON_", ""))
          .append(')');
    }
    String description = fault.status().getDescription();
    if (description != null && !description.isEmpty()) {
      text.append(": ").append(description);
    }
    if (!fault.requestId().isEmpty() && !text.toString().contains(fault.requestId())) {
      text.append(" [request id ").append(fault.requestId()).append(']');
    }
    return text.toString();
  }
}
