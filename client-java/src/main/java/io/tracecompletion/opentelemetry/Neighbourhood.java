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
 * Selects the spans to send for one span of interest: the span itself, its ancestors up to the
 * first one of another service, and in each branch its descendants down to the first one of another
 * service. The server rebuilds the tree between these spans. Sending more spans makes the search
 * larger, but the result around the span is the same.
 *
 * <p>Every input is allowed. If a parent is missing, the way up ends there. A cycle is followed
 * once. Spans of other traces are ignored. If a span was reported twice, the first report counts.
 * Two spans may have the same id if they differ in service or kind, as spans from Zipkin do.
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
        byParent
            .computeIfAbsent(span.getParentSpanId(), id -> new ArrayList<>())
            .add(span);
      }
    }
  }

  /**
   * Selects the spans to send.
   *
   * @param spans the spans of the trace, in any order
   * @param center the span of interest, which need not be one of them
   * @return the ancestors from the outermost on, then the span itself, then its descendants, the
   *     nearest first
   */
  public static List<SpanData> of(Collection<? extends SpanData> spans, SpanData center) {
    return new Neighbourhood(spans, center.getTraceId()).around(center);
  }

  /**
   * Makes a request about a span.
   *
   * @param spans the spans of the trace, in any order
   * @param center the span of interest, which need not be one of them
   * @return a request with the spans that {@link #of} selects
   */
  public static CompleteTraceRequest request(
      Collection<? extends SpanData> spans, SpanData center) {
    CompleteTraceRequest.Builder request = CompleteTraceRequest.newBuilder();
    of(spans, center).forEach(span -> request.addAppSpans(AppSpans.of(span)));
    return request.build();
  }

  /**
   * Makes a request about the span with this id.
   *
   * @param spans the spans of one trace, in any order
   * @param spanId the id of the span of interest. If several spans have it, the first one is taken
   * @return a request with the spans that {@link #of} selects
   * @throws IllegalArgumentException if no span has this id
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

    // Kept apart from `picked`: in a cycle a span is both above and below, and its children must
    // still be visited.
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

  /** The parent. If several spans have its id, one of the same service is preferred. */
  private SpanData parent(SpanData span) {
    List<SpanData> parents = byId.getOrDefault(span.getParentSpanId(), List.of());
    return parents.stream()
        .filter(parent -> Service.of(parent).equals(Service.of(span)))
        .findFirst()
        .orElse(parents.isEmpty() ? null : parents.get(0));
  }

  /** A service. Names are unique only within a namespace. */
  private record Service(String namespace, String name) {
    private static final AttributeKey<String> NAMESPACE =
        AttributeKey.stringKey("service.namespace");
    private static final AttributeKey<String> NAME = AttributeKey.stringKey("service.name");

    static Service of(SpanData span) {
      Resource resource = span.getResource();
      return new Service(
          Objects.requireNonNullElse(resource.getAttribute(NAMESPACE), ""),
          Objects.requireNonNullElse(resource.getAttribute(NAME), ""));
    }
  }

  /** Two reports are about the same span if these are equal. */
  private record Identity(String spanId, SpanKind kind, Service service) {
    static Identity of(SpanData span) {
      return new Identity(span.getSpanId(), span.getKind(), Service.of(span));
    }
  }
}
