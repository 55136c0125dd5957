package io.tracecompletion.client;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.google.protobuf.FieldMask;
import com.google.protobuf.Int32Value;
import com.google.protobuf.UnknownFieldSet;
import io.tracecompletion.v1.CompleteTraceResponse;
import io.tracecompletion.v1.CompletedTrace;
import io.tracecompletion.v1.Span;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/** Tests the comparison, because one that finds nothing would make every conformance case pass. */
class MessageDifferenceTest {

  private static String changed(Consumer<CompletedTrace.Builder> change) {
    CompletedTrace.Builder data = CompletedTrace.newBuilder()
        .addTracing(Span.newBuilder().setName("a").addIds("1"))
        .addTracing(Span.newBuilder().setName("b").setL7ProtocolEnum("HTTP"))
        .putHostClockCorrection("1", 5);
    CompleteTraceResponse before =
        CompleteTraceResponse.newBuilder().setData(data).build();
    change.accept(data);
    return MessageDifference.of(
        before, CompleteTraceResponse.newBuilder().setData(data).build());
  }

  @Test
  void thePathIsThatOfTheJson() {
    assertEquals("", changed(data -> {}));
    assertEquals(
        "DATA.tracing[1].Enum(l7_protocol): HTTP was expected, DNS came",
        changed(data -> data.getTracingBuilder(1).setL7ProtocolEnum("DNS")));
    assertEquals(
        "DATA.tracing[0]._ids[0]: 1 was expected, 2 came",
        changed(data -> data.getTracingBuilder(0).setIds(0, "2")));
    assertEquals(
        "length of DATA.tracing: 2 was expected, 1 came", changed(data -> data.removeTracing(1)));
    assertEquals(
        "length of DATA.tracing[1]._ids: 0 was expected, 1 came",
        changed(data -> data.getTracingBuilder(1).addIds("3")));
    assertEquals(
        "DATA.host_clock_correction: {1=5} was expected, {1=5, 2=6} came",
        changed(data -> data.putHostClockCorrection("2", 6)));
  }

  @Test
  void nullIsNotZero() {
    assertEquals(
        "DATA.tracing[0].response_code is expected to be absent",
        changed(
            data -> data.getTracingBuilder(0).setResponseCode(Int32Value.getDefaultInstance())));
  }

  @Test
  void whatTheContractDoesNotKnowCounts() {
    UnknownFieldSet unknown = UnknownFieldSet.newBuilder()
        .addField(999, UnknownFieldSet.Field.newBuilder().addVarint(1).build())
        .build();
    assertEquals(
        "the messages differ in fields unknown to the contract",
        MessageDifference.of(
            FieldMask.getDefaultInstance(),
            FieldMask.newBuilder().setUnknownFields(unknown).build()));
  }
}
