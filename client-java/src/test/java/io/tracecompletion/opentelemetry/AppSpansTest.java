package io.tracecompletion.opentelemetry;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.sdk.resources.Resource;
import io.opentelemetry.sdk.trace.data.SpanData;
import io.tracecompletion.v1.AppSpan;
import io.tracecompletion.v1.SpanKind;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class AppSpansTest {

  @Test
  void everyFieldIsSet() {
    Attributes attributes = Attributes.builder()
        .put("service.name", "shop")
        .put("service.instance.id", "shop-1")
        .build();
    SpanData span = Spans.builder("a", "2", "1", "")
        .setName("GET /")
        .setKind(io.opentelemetry.api.trace.SpanKind.SERVER)
        .setResource(Resource.create(attributes))
        .build();
    AppSpan expected = AppSpan.newBuilder()
        .setTraceId("a".repeat(32))
        .setSpanId("0000000000000002")
        .setParentSpanId("0000000000000001")
        .setSpanKind(SpanKind.SPAN_KIND_SERVER)
        .setStartTimeUs(1_700_000_000_000_001L)
        .setEndTimeUs(1_700_000_000_000_005L)
        .setName("GET /")
        .setAppService("shop")
        .setAppInstance("shop-1")
        .build();
    assertEquals(expected, AppSpans.of(span));
  }

  @Test
  void aRootHasNoParentAndAResourceMayBeEmpty() {
    AppSpan span = AppSpans.of(Spans.span("1", "1", "", ""));
    assertEquals("", span.getParentSpanId());
    assertEquals("", span.getAppService());
    assertEquals("", span.getAppInstance());
  }

  @Test
  void kindsAreThoseOfOpenTelemetry() {
    Map<io.opentelemetry.api.trace.SpanKind, Integer> numbers = Map.of(
        io.opentelemetry.api.trace.SpanKind.INTERNAL, 1,
        io.opentelemetry.api.trace.SpanKind.SERVER, 2,
        io.opentelemetry.api.trace.SpanKind.CLIENT, 3,
        io.opentelemetry.api.trace.SpanKind.PRODUCER, 4,
        io.opentelemetry.api.trace.SpanKind.CONSUMER, 5);
    numbers.forEach((kind, number) ->
        assertEquals(number, AppSpans.of(Spans.span("1", "1", "", "", kind)).getSpanKindValue()));
  }

  @Test
  void timesAreInOrder() {
    AppSpan running = AppSpans.of(
        Spans.builder("1", "1", "", "").setHasEnded(false).setEndEpochNanos(0).build());
    assertEquals(running.getStartTimeUs(), running.getEndTimeUs());
    AppSpan early =
        AppSpans.of(Spans.builder("1", "1", "", "").setStartEpochNanos(-5000).build());
    assertEquals(0, early.getStartTimeUs());
  }

  @ParameterizedTest
  @ValueSource(strings = {"a", "é", "追", "😀"})
  void longNamesAreCutBetweenCharacters(String character) {
    String cut = AppSpans.cut(character.repeat(2000));
    int size = character.getBytes(StandardCharsets.UTF_8).length;
    assertEquals(1024 / size * size, cut.getBytes(StandardCharsets.UTF_8).length);
    assertEquals(character.repeat(1024 / size), cut);
    assertEquals(character.repeat(1024 / size), AppSpans.cut(character.repeat(1024 / size)));
  }
}
