package io.tracecompletion.opentelemetry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.sdk.resources.Resource;
import io.opentelemetry.sdk.trace.data.SpanData;
import io.tracecompletion.v1.AppSpan;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class NeighbourhoodTest {

  /**
   * Trees are written as {@code id<parent@service}; the first letter of a span of another trace is
   * an exclamation mark.
   */
  @ParameterizedTest(name = "{0}")
  @CsvSource({
    // name,                      spans,                                                  center,
    // picked
    "alone,                       1@a,                                                    1, 1",
    "up to another service,       1@c 2<1@b 3<2@a 4<3@a,                                  4, 2 3 4",
    "up to the root,              1@a 2<1@a 3<2@a,                                        3, 1 2 3",
    "down to another service,     1@a 2<1@a 3<2@b 4<3@b 5<4@c,                            1, 1 2 3",
    "in each branch,              1@a 2<1@b 3<1@a 4<3@a 5<4@c 6<2@b 7<5@c,                1, 1 2 3 4 5",
    "both ways,                   1@c 2<1@b 3<2@a 4<3@a 5<4@b 6<5@a,                      3, 2 3 4 5",
    "no brothers,                 1@b 2<1@a 3<1@a 4<2@a 5<2@a,                            4, 1 2 4",
    "back to the first service,   1@a 2<1@b 3<2@a,                                        1, 1 2",
    "parent is missing,           2<1@a 3<2@a 4<3@b,                                      3, 2 3 4",
    "parent of the root missing,  2<1@a,                                                  2, 2",
    "own parent,                  1<1@a 2<1@a,                                            1, 1 2",
    "cycle,                       1<3@a 2<1@a 3<2@a,                                      1, 2 3 1",
    "cycle above,                 1<2@a 2<1@a 3<2@a 4<3@a,                                3, 1 2 3 4",
    "cycle of two services,       1<2@a 2<1@b,                                            1, 2 1",
    "below a cycle,               1<2@a 2<1@a 3<1@a 4<2@a,                                2, 1 2 4 3",
    "reported twice,              1@b 2<1@a 2<1@a 3<2@a 3<2@a,                            2, 1 2 3",
    "shared by two services,      1@a 2<1@a 2<1@b 3<2@b,                                  3, 1 2 3",
    "of another trace,            1@b 2<1@a !3<2@a !1@a,                                  2, 1 2",
    "children first,              3<2@b 2<1@a 1@b,                                        2, 1 2 3",
    "no service,                  1@ 2<1@ 3<2@b 4<3@b,                                    2, 1 2 3",
  })
  void picks(String name, String tree, String center, String picked) {
    List<SpanData> spans =
        Stream.of(tree.trim().split(" ")).map(NeighbourhoodTest::span).toList();
    SpanData x = spans.stream()
        .filter(span -> span.getSpanId().equals(Spans.id(center)))
        .findFirst()
        .orElseThrow();
    List<String> ids = Neighbourhood.of(spans, x).stream()
        .map(span -> Long.toString(Long.parseUnsignedLong(span.getSpanId(), 16)))
        .toList();
    assertEquals(Arrays.asList(picked.split(" ")), ids);
  }

  private static SpanData span(String text) {
    String[] parts = text.replace("!", "").split("@", -1);
    String[] ids = parts[0].split("<");
    return Spans.span(
        text.startsWith("!") ? "f" : "1", ids[0], ids.length > 1 ? ids[1] : "", parts[1]);
  }

  @Test
  void theCenterNeedNotBeAmongThem() {
    List<SpanData> spans = List.of(Spans.span("1", "1", "", "b"), Spans.span("1", "3", "2", "b"));
    assertEquals(3, Neighbourhood.of(spans, Spans.span("1", "2", "1", "a")).size());
  }

  @Test
  void aServiceIsKnownByItsNamespaceToo() {
    SpanData root = Spans.span("1", "1", "", "a");
    SpanData other = Spans.builder("1", "2", "1", "a")
        .setResource(Resource.create(Attributes.builder()
            .put("service.name", "a")
            .put("service.namespace", "shop")
            .build()))
        .build();
    SpanData below = Spans.span("1", "3", "2", "a");
    assertEquals(List.of(root, other), Neighbourhood.of(List.of(root, other, below), root));
  }

  @Test
  void anIdIsEnough() {
    List<SpanData> spans = List.of(Spans.span("1", "1", "", "b"), Spans.span("1", "2", "1", "a"));
    List<String> ids = Neighbourhood.request(spans, Spans.id("2")).getAppSpansList().stream()
        .map(AppSpan::getSpanId)
        .toList();
    assertEquals(List.of(Spans.id("1"), Spans.id("2")), ids);
    assertThrows(IllegalArgumentException.class, () -> Neighbourhood.request(spans, Spans.id("3")));
  }

  @Test
  void spansThatShareAnIdAndDifferInKindBothCount() {
    SpanData client = Spans.span("1", "2", "1", "a", SpanKind.CLIENT);
    SpanData server = Spans.span("1", "2", "1", "a", SpanKind.SERVER);
    SpanData root = Spans.span("1", "1", "", "a");
    assertEquals(
        List.of(root, client, server), Neighbourhood.of(List.of(root, client, server), root));
  }

  /**
   * Tries every trace of four spans of two services, and compares with another definition of the
   * selection.
   */
  @Test
  void everyShapeOfFourSpans() {
    int count = 4;
    // The parent is any of the spans, also the span itself, or a missing one, or there is none.
    int shapes = (int) Math.pow(count + 2, count);
    for (int shape = 0; shape < shapes; shape++) {
      for (int services = 0; services < 1 << count; services++) {
        int[] parents = new int[count];
        List<SpanData> spans = new ArrayList<>();
        for (int i = 0, rest = shape; i < count; i++, rest /= count + 2) {
          parents[i] = rest % (count + 2) - 2;
          String parent =
              parents[i] == -2 ? "" : parents[i] == -1 ? "99" : Integer.toString(parents[i] + 1);
          spans.add(Spans.span(
              "1", Integer.toString(i + 1), parent, (services >> i & 1) == 0 ? "a" : "b"));
        }
        for (int center = 0; center < count; center++) {
          Set<SpanData> expected = new HashSet<>();
          for (int other = 0; other < count; other++) {
            if (reaches(center, other, center, parents, services)
                || reaches(other, center, center, parents, services)) {
              expected.add(spans.get(other));
            }
          }
          List<SpanData> picked = Neighbourhood.of(spans, spans.get(center));
          String tree = "parents %s, services %s, center %d"
              .formatted(Arrays.toString(parents), Integer.toBinaryString(services), center);
          assertEquals(expected, new HashSet<>(picked), tree);
          assertEquals(expected.size(), picked.size(), tree);
        }
      }
    }
  }

  /** Whether all spans between one span and another above it are of the center's service. */
  private static boolean reaches(int from, int to, int center, int[] parents, int services) {
    int at = from;
    for (int steps = 0; steps <= parents.length; steps++) {
      if (at == to) {
        return true;
      }
      boolean between = at == from || (services >> at & 1) == (services >> center & 1);
      if (!between || parents[at] < 0) {
        return false;
      }
      at = parents[at];
    }
    return false;
  }

  @Test
  void deepAndWideTreesAreNoProblem() {
    int count = 50_000;
    List<SpanData> deep = new ArrayList<>();
    List<SpanData> wide = new ArrayList<>();
    for (int i = 1; i <= count; i++) {
      deep.add(Spans.span("1", Integer.toString(i), i == 1 ? "" : Integer.toString(i - 1), "a"));
      wide.add(Spans.span("1", Integer.toString(i), i == 1 ? "" : "1", "a"));
    }
    Collections.shuffle(deep, new Random(1));
    String middle = Integer.toString(count / 2);
    assertEquals(
        count,
        Neighbourhood.of(deep, Spans.span("1", middle, Integer.toString(count / 2 - 1), "a"))
            .size());
    assertEquals(count, Neighbourhood.of(wide, wide.get(0)).size());
  }
}
