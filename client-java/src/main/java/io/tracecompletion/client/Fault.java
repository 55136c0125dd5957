package io.tracecompletion.client;

import com.google.protobuf.Any;
import com.google.protobuf.Descriptors.EnumValueDescriptor;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import io.tracecompletion.v1.ErrorReason;
import java.time.DateTimeException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** A gRPC status and its details, as this client reads them. */
record Fault(
    Status status,
    ErrorReason reason,
    String requestId,
    List<Violation> violations,
    Duration retryDelay) {

  /** The domain of the reasons that this client knows. */
  private static final String DOMAIN = "tracecompletion.v1";

  /** Reads a status without details. */
  static Fault of(Status status) {
    return new Fault(status, ErrorReason.ERROR_REASON_UNSPECIFIED, "", List.of(), Duration.ZERO);
  }

  /** Reads the error that ended a call. */
  static Fault of(Throwable error) {
    Status status = Status.fromThrowable(error);
    Metadata trailers = Status.trailersFromThrowable(error);
    return of(status, trailers == null ? new Metadata() : trailers);
  }

  /** Reads the status that ended a call. */
  static Fault of(Status status, Metadata trailers) {
    com.google.rpc.Status proto = StatusProto.fromStatusAndTrailers(status, trailers);
    return read(status, proto.getDetailsList());
  }

  /** Reads the error of one question of a batch. */
  static Fault of(com.google.rpc.Status proto) {
    Status status = Status.fromCodeValue(proto.getCode()).withDescription(proto.getMessage());
    return read(status, proto.getDetailsList());
  }

  /** Whether the server rejected the call because it is busy, and says when to try again. */
  boolean busy() {
    return status.getCode() == Status.Code.RESOURCE_EXHAUSTED && !retryDelay.isZero();
  }

  private static Fault read(Status status, List<Any> details) {
    ErrorReason reason = ErrorReason.ERROR_REASON_UNSPECIFIED;
    String requestId = "";
    List<Violation> violations = new ArrayList<>();
    Duration retryDelay = Duration.ZERO;
    for (Any detail : details) {
      try {
        if (detail.is(ErrorInfo.class)) {
          ErrorInfo info = detail.unpack(ErrorInfo.class);
          if (info.getDomain().equals(DOMAIN)) {
            reason = reason(info.getReason());
            requestId = info.getMetadataOrDefault("request_id", "");
          }
        } else if (detail.is(BadRequest.class)) {
          for (BadRequest.FieldViolation fault :
              detail.unpack(BadRequest.class).getFieldViolationsList()) {
            violations.add(new Violation(fault.getField(), fault.getDescription()));
          }
        } else if (detail.is(RetryInfo.class)) {
          retryDelay = duration(detail.unpack(RetryInfo.class).getRetryDelay());
        }
      } catch (InvalidProtocolBufferException e) {
        // The code and the message are still of use.
        continue;
      }
    }
    return new Fault(status, reason, requestId, List.copyOf(violations), retryDelay);
  }

  private static ErrorReason reason(String name) {
    EnumValueDescriptor value = ErrorReason.getDescriptor().findValueByName(name);
    return value == null ? ErrorReason.ERROR_REASON_UNSPECIFIED : ErrorReason.valueOf(value);
  }

  private static Duration duration(com.google.protobuf.Duration proto) {
    try {
      Duration duration = Duration.ofSeconds(proto.getSeconds(), proto.getNanos());
      return duration.isNegative() ? Duration.ZERO : duration;
    } catch (DateTimeException | ArithmeticException e) {
      return Duration.ZERO;
    }
  }
}
