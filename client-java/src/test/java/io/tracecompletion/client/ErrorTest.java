package io.tracecompletion.client;

import static io.tracecompletion.client.Questions.QUESTION;
import static io.tracecompletion.client.Questions.info;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import io.grpc.Status;
import io.tracecompletion.v1.ErrorReason;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class ErrorTest extends InProcess {

  private TraceCompletionException failing(Status.Code code, Any... details) {
    client(TraceCompletionClientBuilder::withoutRetry);
    service.unary =
        (call, answer) -> answer.onError(Questions.failure(code, "the message", details));
    return assertThrows(TraceCompletionException.class, () -> client.complete(QUESTION));
  }

  @Test
  void theClassFollowsTheCode() {
    Map<Status.Code, Class<?>> classes = Map.of(
        Status.Code.INVALID_ARGUMENT, InvalidRequestException.class,
        Status.Code.RESOURCE_EXHAUSTED, TooLargeException.class,
        Status.Code.UNAVAILABLE, UnavailableException.class,
        Status.Code.DEADLINE_EXCEEDED, DeadlineExceededException.class,
        Status.Code.INTERNAL, TraceCompletionException.class,
        Status.Code.PERMISSION_DENIED, TraceCompletionException.class);
    classes.forEach((code, type) -> {
      TraceCompletionException error = failing(code, info("ERROR_REASON_INTERNAL"));
      assertEquals(type, error.getClass());
      assertEquals(code, error.getCode());
    });
  }

  @Test
  void theDetailsAreThere() {
    TraceCompletionException error = failing(
        Status.Code.INVALID_ARGUMENT,
        info("ERROR_REASON_INVALID_REQUEST"),
        Questions.violation("app_spans[3].end_time_us", "4 is less than start_time_us, 5"));
    assertEquals(ErrorReason.ERROR_REASON_INVALID_REQUEST, error.getReason());
    assertEquals(Optional.of("1f9c-17"), error.getRequestId());
    assertEquals(
        List.of(new Violation("app_spans[3].end_time_us", "4 is less than start_time_us, 5")),
        error.getViolations());
    assertEquals(Optional.empty(), error.getRetryDelay());
    assertEquals(
        "INVALID_ARGUMENT (INVALID_REQUEST): the message [request id 1f9c-17]", error.getMessage());
  }

  @Test
  void withoutDetailsTheCodeHolds() {
    TraceCompletionException error = failing(Status.Code.ABORTED);
    assertEquals(ErrorReason.ERROR_REASON_UNSPECIFIED, error.getReason());
    assertEquals(Optional.empty(), error.getRequestId());
    assertEquals("ABORTED: the message", error.getMessage());
  }

  @Test
  void reasonsOfALaterServerAreUnspecified() {
    TraceCompletionException error =
        failing(Status.Code.INTERNAL, info("ERROR_REASON_FROM_THE_FUTURE"));
    assertEquals(ErrorReason.ERROR_REASON_UNSPECIFIED, error.getReason());
    assertEquals(Optional.of("1f9c-17"), error.getRequestId());
    assertEquals(
        ErrorReason.ERROR_REASON_UNSPECIFIED,
        failing(Status.Code.INTERNAL, info("UNRECOGNIZED")).getReason());
  }

  @Test
  void detailsThatMakeNoSenseAreLeftOut() {
    Any garbage =
        info("x").toBuilder().setValue(ByteString.copyFromUtf8("\u0001garbage")).build();
    TraceCompletionException error =
        failing(Status.Code.INTERNAL, garbage, info("ERROR_REASON_STORE_SCHEMA"));
    assertEquals(ErrorReason.ERROR_REASON_STORE_SCHEMA, error.getReason());
  }

  @Test
  void serialisedItKeepsItsMessage() throws Exception {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    Fault fault = Fault.of(Questions.status(
        Status.Code.UNAVAILABLE, "the message", info("ERROR_REASON_STORE_DENIED")));
    new ObjectOutputStream(bytes).writeObject(TraceCompletionException.of(fault, null));
    Object read = new ObjectInputStream(new ByteArrayInputStream(bytes.toByteArray())).readObject();
    UnavailableException error = assertInstanceOf(UnavailableException.class, read);
    assertTrue(
        error.getMessage().startsWith("UNAVAILABLE (STORE_DENIED): the message"),
        error.getMessage());
    assertEquals(List.of(), error.getViolations());
  }
}
