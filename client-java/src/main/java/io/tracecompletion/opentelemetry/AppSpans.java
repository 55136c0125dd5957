package io.tracecompletion.opentelemetry;

import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.sdk.resources.Resource;
import io.opentelemetry.sdk.trace.data.SpanData;
import io.tracecompletion.v1.AppSpan;
import io.tracecompletion.v1.SpanKind;
import java.util.concurrent.TimeUnit;

/** Converts spans of an OpenTelemetry SDK into the spans of a request. */
public final class AppSpans {
  private static final AttributeKey<String> SERVICE = AttributeKey.stringKey("service.name");
  private static final AttributeKey<String> INSTANCE =
      AttributeKey.stringKey("service.instance.id");

  /** Longest text that a server accepts, in bytes of UTF-8. */
  private static final int MAX_BYTES = 1024;

  private AppSpans() {}

  /**
   * Converts a span. Times become µs. If the span has not ended, its end is its start. Names that
   * are longer than 1024 bytes are cut.
   *
   * @param span a span of an SDK
   * @return the same span, for a request
   */
  public static AppSpan of(SpanData span) {
    long start = Math.max(0, TimeUnit.NANOSECONDS.toMicros(span.getStartEpochNanos()));
    long end = TimeUnit.NANOSECONDS.toMicros(span.getEndEpochNanos());
    return AppSpan.newBuilder()
        .setTraceId(span.getTraceId())
        .setSpanId(span.getSpanId())
        .setParentSpanId(span.getParentSpanContext().isValid() ? span.getParentSpanId() : "")
        .setSpanKind(kind(span))
        .setStartTimeUs(start)
        .setEndTimeUs(Math.max(start, end))
        .setName(cut(span.getName()))
        .setAppService(attribute(span.getResource(), SERVICE))
        .setAppInstance(attribute(span.getResource(), INSTANCE))
        .build();
  }

  private static SpanKind kind(SpanData span) {
    return switch (span.getKind()) {
      case INTERNAL -> SpanKind.SPAN_KIND_INTERNAL;
      case SERVER -> SpanKind.SPAN_KIND_SERVER;
      case CLIENT -> SpanKind.SPAN_KIND_CLIENT;
      case PRODUCER -> SpanKind.SPAN_KIND_PRODUCER;
      case CONSUMER -> SpanKind.SPAN_KIND_CONSUMER;
    };
  }

  private static String attribute(Resource resource, AttributeKey<String> key) {
    String value = resource.getAttribute(key);
    return value == null ? "" : cut(value);
  }

  /** Cuts a text to at most {@link #MAX_BYTES} bytes of UTF-8, and never inside a character. */
  static String cut(String text) {
    if (text.length() <= MAX_BYTES / 3) {
      return text;
    }
    int bytes = 0;
    for (int i = 0; i < text.length(); ) {
      int character = text.codePointAt(i);
      bytes += character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
      if (bytes > MAX_BYTES) {
        return text.substring(0, i);
      }
      i += Character.charCount(character);
    }
    return text;
  }
}
