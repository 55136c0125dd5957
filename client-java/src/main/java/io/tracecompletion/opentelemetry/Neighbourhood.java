package io.tracecompletion.opentelemetry;

import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.sdk.resources.Resource;
import io.opentelemetry.sdk.trace.data.SpanData;
import io.tracecompletion.v1.CompleteTraceRequest;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Queue;
import java.util.Set;

/**
 * Picks the spans of a trace that make a good question about one of them: the span itself, its ancestors up to the
 * first of another service, and its descendants down to the first of another service in each branch. These are the
 * bounds within which the answer is rebuilt; more of them make the search wider, not better.
 *
 * <p>Any input is taken: parents that are missing end the way up, a cycle is walked once, spans of other traces are
 * passed over, and of spans that were reported twice the first counts. Two spans may share an id if they differ in
 * service or kind, as those of Zipkin do.
 */
public final class Neighbourhood {
  private final Map<String, List<SpanData>> byId = new HashMap<>();
  private final Map<String, List<SpanData>> byParent = new HashMap<>();

  private Neighbourhood(Collection<? extends SpanData> spans, String traceId) {
    Map<Identity, SpanData> distinct = new LinkedHashMap<>();
    for (SpanData span : spans) {
      if (span.getTraceId().equals(traceId)) {
        distinct.putIfAbsent(Identity.of(span), span);
      }
    }
    for (SpanData span : distinct.values()) {
      byId.computeIfAbsent(span.getSpanId(), id -> new ArrayList<>()).add(span);
      if (span.getParentSpanContext().isValid()) {
        byParent.computeIfAbsent(span.getParentSpanId(), id -> new ArrayList<>()).add(span);
      }
    }
  }

  /**
   * Picks the spans of a question.
   *
   * @param spans of the trace, in any order
   * @param center the span of interest, which need not be among them
   * @return its ancestors from the outermost, itself, and its descendants, the nearest first
   */
  public static List<SpanData> of(Collection<? extends SpanData> spans, SpanData center) {
    return new Neighbourhood(spans, center.getTraceId()).around(center);
  }

  /**
   * Makes the question.
   *
   * @param spans of the trace, in any order
   * @param center the span of interest, which need not be among them
   * @return the question about the spans that {@link #of} picks
   */
  public static CompleteTraceRequest request(Collection<? extends SpanData> spans, SpanData center) {
    CompleteTraceRequest.Builder request = CompleteTraceRequest.newBuilder();
    of(spans, center).forEach(span -> request.addAppSpans(AppSpans.of(span)));
    return request.build();
  }

  /**
   * Makes the question about the span of this id.
   *
   * @param spans of one trace, in any order
   * @param spanId id of the span of interest; of several that share it, the first
   * @return the question about the spans that {@link #of} picks
   * @throws IllegalArgumentException if none of the spans has this id
   */
  public static CompleteTraceRequest request(Collection<? extends SpanData> spans, String spanId) {
    for (SpanData span : spans) {
      if (span.getSpanId().equals(spanId)) {
        return request(spans, span);
      }
    }
    throw new IllegalArgumentException("no span has the id " + spanId);
  }

  private List<SpanData> around(SpanData center) {
    Service service = Service.of(center);
    Map<Identity, SpanData> picked = new LinkedHashMap<>();
    picked.put(Identity.of(center), center);

    SpanData span = center;
    while (Service.of(span).equals(service)) {
      span = parent(span);
      if (span == null || picked.putIfAbsent(Identity.of(span), span) != null) {
        break;
      }
    }
    List<SpanData> result = new ArrayList<>(picked.values());
    Collections.reverse(result);

    // Apart from the way up: a span of a cycle is above and below, and what is below it counts.
    Set<Identity> below = new HashSet<>(Set.of(Identity.of(center)));
    Queue<SpanData> open = new ArrayDeque<>(List.of(center));
    while ((span = open.poll()) != null) {
      for (SpanData child : byParent.getOrDefault(span.getSpanId(), List.of())) {
        if (!below.add(Identity.of(child))) {
          continue;
        }
        if (picked.putIfAbsent(Identity.of(child), child) == null) {
          result.add(child);
        }
        if (Service.of(child).equals(service)) {
          open.add(child);
        }
      }
    }
    return result;
  }

  /** Of several spans that share the id of the parent, one of the same service. */
  private SpanData parent(SpanData span) {
    List<SpanData> parents = byId.getOrDefault(span.getParentSpanId(), List.of());
    return parents.stream()
        .filter(parent -> Service.of(parent).equals(Service.of(span)))
        .findFirst()
        .orElse(parents.isEmpty() ? null : parents.get(0));
  }

  /** The name alone is unique in its namespace only. */
  private record Service(String namespace, String name) {
    private static final AttributeKey<String> NAMESPACE = AttributeKey.stringKey("service.namespace");
    private static final AttributeKey<String> NAME = AttributeKey.stringKey("service.name");

    static Service of(SpanData span) {
      Resource resource = span.getResource();
      return new Service(
          Objects.requireNonNullElse(resource.getAttribute(NAMESPACE), ""),
          Objects.requireNonNullElse(resource.getAttribute(NAME), ""));
    }
  }

  /** What makes two reports one span. */
  private record Identity(String spanId, SpanKind kind, Service service) {
    static Identity of(SpanData span) {
      return new Identity(span.getSpanId(), span.getKind(), Service.of(span));
    }
  }
}
