package io.tracecompletion.client;

import io.grpc.Status;
import io.tracecompletion.v1.ErrorReason;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * Why a call, or a question of a batch, got no answer.
 *
 * <p>Subclasses stand for the cases that callers treat differently; all others are of this class.
 */
public class TraceCompletionException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final transient Fault fault;

  TraceCompletionException(Fault fault, Throwable cause) {
    super(message(fault), cause);
    this.fault = fault;
  }

  /** The exception that fits the fault. */
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
   * The gRPC code.
   *
   * @return never {@code OK}
   */
  public Status.Code getCode() {
    return fault().status().getCode();
  }

  /**
   * Why, for programs.
   *
   * @return {@link ErrorReason#ERROR_REASON_UNSPECIFIED} where the server did not say, or was not reached, or is newer
   *     than this client: then the code tells what to do
   */
  public ErrorReason getReason() {
    return fault().reason();
  }

  /**
   * The faults of the request.
   *
   * @return empty unless the request breaks the contract; the server may leave out some where there are many
   */
  public List<Violation> getViolations() {
    return fault().violations();
  }

  /**
   * When the server wants to be asked again.
   *
   * @return empty where it does not say
   */
  public Optional<Duration> getRetryDelay() {
    return Optional.of(fault().retryDelay()).filter(delay -> !delay.isZero());
  }

  /**
   * Names the request in the server's log.
   *
   * @return empty where the server did not say
   */
  public Optional<String> getRequestId() {
    return Optional.of(fault().requestId()).filter(id -> !id.isEmpty());
  }

  /** An exception that was serialised keeps its message, but not the details. */
  private Fault fault() {
    return fault == null ? Fault.of(Status.UNKNOWN) : fault;
  }

  private static String message(Fault fault) {
    StringBuilder text = new StringBuilder(fault.status().getCode().name());
    if (fault.reason() != ErrorReason.ERROR_REASON_UNSPECIFIED) {
      text.append(" (").append(fault.reason().name().replaceFirst("^ERROR_REASON_", "")).append(')');
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
