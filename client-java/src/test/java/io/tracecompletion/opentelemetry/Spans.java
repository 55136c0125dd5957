package io.tracecompletion.opentelemetry;

import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.TraceFlags;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.sdk.resources.Resource;
import io.opentelemetry.sdk.testing.trace.TestSpanData;
import io.opentelemetry.sdk.trace.data.SpanData;
import io.opentelemetry.sdk.trace.data.StatusData;

/** Makes spans like those of an SDK. */
final class Spans {
  private Spans() {}

  /** A span id of OpenTelemetry. */
  static String id(String number) {
    return "%016x".formatted(Long.parseLong(number));
  }

  static SpanData span(String trace, String id, String parent, String service) {
    return span(trace, id, parent, service, SpanKind.INTERNAL);
  }

  static SpanData span(String trace, String id, String parent, String service, SpanKind kind) {
    return builder(trace, id, parent, service).setKind(kind).build();
  }

  static TestSpanData.Builder builder(String trace, String id, String parent, String service) {
    Attributes attributes = service.isEmpty()
        ? Attributes.empty()
        : Attributes.builder().put("service.name", service).build();
    return TestSpanData.builder()
        .setName(id)
        .setKind(SpanKind.INTERNAL)
        .setHasEnded(true)
        .setStatus(StatusData.unset())
        .setStartEpochNanos(1_700_000_000_000_001_999L)
        .setEndEpochNanos(1_700_000_000_000_005_000L)
        .setSpanContext(context(trace, id(id)))
        .setParentSpanContext(
            parent.isEmpty() ? SpanContext.getInvalid() : context(trace, id(parent)))
        .setResource(Resource.create(attributes));
  }

  private static SpanContext context(String trace, String id) {
    return SpanContext.create(
        trace.repeat(32), id, TraceFlags.getSampled(), TraceState.getDefault());
  }
}
