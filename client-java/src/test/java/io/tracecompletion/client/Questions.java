package io.tracecompletion.client;

import com.google.protobuf.Any;
import com.google.protobuf.Duration;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import io.tracecompletion.v1.AppSpan;
import io.tracecompletion.v1.CompleteTraceRequest;
import io.tracecompletion.v1.CompleteTraceResponse;
import io.tracecompletion.v1.CompletedTrace;
import io.tracecompletion.v1.CompletionProgress;
import io.tracecompletion.v1.CompletionSummary;
import io.tracecompletion.v1.Span;
import io.tracecompletion.v1.SpanChunk;
import io.tracecompletion.v1.SpanKind;
import io.tracecompletion.v1.StreamCompleteTraceResponse;
import java.util.List;

/** Questions and answers for tests. */
final class Questions {
  static final CompleteTraceRequest QUESTION = CompleteTraceRequest.newBuilder()
      .addAppSpans(AppSpan.newBuilder()
          .setTraceId("t")
          .setSpanId("s")
          .setSpanKind(SpanKind.SPAN_KIND_SERVER)
          .setStartTimeUs(1_700_000_000_000_000L)
          .setEndTimeUs(1_700_000_000_001_000L))
      .build();

  static final CompleteTraceResponse ANSWER = CompleteTraceResponse.newBuilder()
      .setOptStatus("SUCCESS")
      .setData(CompletedTrace.newBuilder().addTracing(span("s")))
      .build();

  private Questions() {}

  static Span span(String id) {
    return Span.newBuilder().setDeepflowSpanId(id).build();
  }

  static StreamCompleteTraceResponse progress(int iteration) {
    return StreamCompleteTraceResponse.newBuilder()
        .setProgress(CompletionProgress.newBuilder().setIteration(iteration))
        .build();
  }

  static StreamCompleteTraceResponse chunk(Span... spans) {
    return StreamCompleteTraceResponse.newBuilder()
        .setChunk(SpanChunk.newBuilder().addAllSpans(List.of(spans)))
        .build();
  }

  static StreamCompleteTraceResponse summary(int spans, int chunks) {
    return StreamCompleteTraceResponse.newBuilder()
        .setSummary(CompletionSummary.newBuilder()
            .setOptStatus("SUCCESS")
            .setSpanCount(spans)
            .setChunkCount(chunks))
        .build();
  }

  /** The error of a busy server. */
  static StatusRuntimeException busy(long retryMillis) {
    long nanos = retryMillis % 1000 * 1_000_000;
    Duration delay = Duration.newBuilder()
        .setSeconds(retryMillis / 1000)
        .setNanos((int) nanos)
        .build();
    return failure(
        Status.Code.RESOURCE_EXHAUSTED,
        "the server is busy",
        info("ERROR_REASON_SERVER_BUSY"),
        Any.pack(RetryInfo.newBuilder().setRetryDelay(delay).build()));
  }

  static Any info(String reason) {
    return Any.pack(ErrorInfo.newBuilder()
        .setReason(reason)
        .setDomain("tracecompletion.v1")
        .putMetadata("request_id", "1f9c-17")
        .build());
  }

  static Any violation(String field, String description) {
    return Any.pack(BadRequest.newBuilder()
        .addFieldViolations(
            BadRequest.FieldViolation.newBuilder().setField(field).setDescription(description))
        .build());
  }

  static com.google.rpc.Status status(Status.Code code, String message, Any... details) {
    return com.google.rpc.Status.newBuilder()
        .setCode(code.value())
        .setMessage(message)
        .addAllDetails(List.of(details))
        .build();
  }

  static StatusRuntimeException failure(Status.Code code, String message, Any... details) {
    return StatusProto.toStatusRuntimeException(status(code, message, details));
  }
}
