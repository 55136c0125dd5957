package io.tracecompletion.client;

import static io.tracecompletion.client.Questions.QUESTION;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.util.JsonFormat;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.TraceFlags;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.sdk.resources.Resource;
import io.opentelemetry.sdk.testing.trace.TestSpanData;
import io.opentelemetry.sdk.trace.data.SpanData;
import io.opentelemetry.sdk.trace.data.StatusData;
import io.tracecompletion.v1.AppSpan;
import io.tracecompletion.v1.CompleteTraceRequest;
import io.tracecompletion.v1.CompleteTraceResponse;
import io.tracecompletion.v1.CompletionSummary;
import io.tracecompletion.v1.ErrorReason;
import io.tracecompletion.v1.Span;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class RealServerTest {

  private static final CompleteTraceRequest INVALID = CompleteTraceRequest.newBuilder(QUESTION)
      .setMaxIteration(0)
      .addAppSpans(QUESTION.getAppSpans(0).toBuilder().setEndTimeUs(4))
      .build();

  private static ServerProcess store;

  @BeforeAll
  static void begin(@TempDir Path directory) {
    store = ServerProcess.demoStore(directory);
  }

  @AfterAll
  static void end() {
    // The start may have failed.
    if (store != null) {
      store.close();
    }
  }

  private static ServerProcess server() {
    return ServerProcess.serve("--config", store.address);
  }

  private static TraceCompletionClient client(ServerProcess server) {
    return TraceCompletionClient.builder(server.address).build();
  }

  private static CompleteTraceRequest demo() throws InvalidProtocolBufferException {
    CompleteTraceRequest.Builder request = CompleteTraceRequest.newBuilder();
    JsonFormat.parser().merge(ServerProcess.output("demo", "--request"), request);
    return request.build();
  }

  @Test
  void errorsAreTyped() {
    try (ReservedPort nobody = new ReservedPort();
        ServerProcess server =
            ServerProcess.serve("--clickhouse-url", "http://" + nobody.address());
        TraceCompletionClient client = client(server)) {
      InvalidRequestException invalid =
          assertThrows(InvalidRequestException.class, () -> client.complete(INVALID));
      checkInvalid(invalid);

      UnavailableException unavailable =
          assertThrows(UnavailableException.class, () -> client.complete(QUESTION));
      assertEquals(ErrorReason.ERROR_REASON_STORE_UNREACHABLE, unavailable.getReason());
      assertTrue(unavailable.getRequestId().isPresent());

      assertThrows(
          UnavailableException.class, () -> client.completeStream(QUESTION).collect());
      CompletionException stream = assertThrows(
          CompletionException.class,
          () -> client.completeStream(INVALID, chunk -> {}).join());
      checkInvalid(assertInstanceOf(InvalidRequestException.class, stream.getCause()));

      List<Answer> answers = client.completeBatch(List.of(QUESTION, INVALID));
      assertThrows(UnavailableException.class, answers.get(0)::get);
      checkInvalid(
          assertInstanceOf(InvalidRequestException.class, answers.get(1).error()));

      assertFalse(client.isHealthy());
    }
  }

  private static void checkInvalid(InvalidRequestException error) {
    assertEquals(ErrorReason.ERROR_REASON_INVALID_REQUEST, error.getReason());
    assertTrue(error.getRequestId().isPresent());
    Set<String> fields =
        error.getViolations().stream().map(Violation::field).collect(Collectors.toSet());
    assertEquals(Set.of("max_iteration", "app_spans[1].end_time_us"), fields);
  }

  @Test
  void allCallsAnswerAlike() throws InvalidProtocolBufferException {
    CompleteTraceRequest question = demo();
    try (ServerProcess server = server();
        TraceCompletionClient client = client(server)) {
      Wait.until(client::isHealthy);
      CompleteTraceResponse answer = client.complete(question);
      assertEquals("SUCCESS", answer.getOptStatus());
      assertEquals(33, answer.getData().getTracingCount());
      for (Span span : answer.getData().getTracingList()) {
        assertNotEquals("", span.getDeepflowSpanId());
      }

      assertEquals(answer, client.completeAsync(question).join());
      assertEquals(answer, client.completeStream(question).collect());
      List<Span> spans = new ArrayList<>();
      CompletionSummary summary = client
          .completeStream(question, chunk -> spans.addAll(chunk.getSpansList()))
          .join();
      assertEquals(answer.getData().getTracingList(), spans);
      assertEquals("SUCCESS", summary.getOptStatus());

      List<CompleteTraceRequest> questions = new ArrayList<>();
      for (int i = 0; i < 50; i++) {
        questions.add(i % 10 == 9 ? INVALID : question);
      }
      List<Answer> answers = client.completeBatch(questions);
      for (int i = 0; i < answers.size(); i++) {
        if (i % 10 == 9) {
          checkInvalid(
              assertInstanceOf(InvalidRequestException.class, answers.get(i).error()));
        } else {
          assertEquals(answer, answers.get(i).get());
        }
      }
      CompleteTraceRequest explain = question.toBuilder().setExplain(true).build();
      CompleteTraceResponse explained = client.completeStream(explain).collect();
      assertEquals(33, explained.getData().getExplanation().getSpansCount());
    }
  }

  @Test
  void theExamplePrintsTheTree() throws Exception {
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    PrintStream out = System.out;
    try (ServerProcess server = server()) {
      System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
      // The example has no package, so that it can be run as one file. Only reflection can reach it
      // here.
      Class.forName("CompleteTrace").getMethod("main", String[].class).invoke(null, (Object)
          new String[] {server.address});
    } finally {
      System.setOut(out);
    }
    List<String> lines = printed.toString(StandardCharsets.UTF_8).lines().toList();
    assertEquals(29, lines.size(), lines::toString);
    assertTrue(
        lines.stream().anyMatch(line -> line.endsWith("  s-app GET /orders")), lines::toString);
  }

  @Test
  void theExampleAsksAroundASpan() throws Exception {
    List<SpanData> spans =
        demo().getAppSpansList().stream().map(RealServerTest::exported).toList();
    String center = spans.get(0).getSpanId();
    try (ServerProcess server = server();
        TraceCompletionClient client = client(server)) {
      CompleteTraceResponse answer = (CompleteTraceResponse) Class.forName("CompleteAround")
          .getMethod("complete", TraceCompletionClient.class, Collection.class, String.class)
          .invoke(null, client, spans, center);
      assertEquals("SUCCESS", answer.getOptStatus());
      Set<String> ids = answer.getData().getTracingList().stream()
          .filter(span -> span.getTapSide().endsWith("app"))
          .map(Span::getSpanId)
          .collect(Collectors.toSet());
      // The last of the five spans is below the first one of another service, so it is not
      // selected.
      assertEquals(
          spans.subList(0, 4).stream().map(SpanData::getSpanId).collect(Collectors.toSet()), ids);
      assertTrue(answer.getData().getTracingCount() > 4);
    }
  }

  /** Makes the span that the SDK of its service would have exported. */
  private static SpanData exported(AppSpan span) {
    return TestSpanData.builder()
        .setName(span.getName())
        .setKind(io.opentelemetry.api.trace.SpanKind.values()[span.getSpanKindValue() - 1])
        .setHasEnded(true)
        .setStatus(StatusData.unset())
        .setStartEpochNanos(span.getStartTimeUs() * 1000)
        .setEndEpochNanos(span.getEndTimeUs() * 1000)
        .setSpanContext(context(span.getTraceId(), span.getSpanId()))
        .setParentSpanContext(context(span.getTraceId(), span.getParentSpanId()))
        .setResource(Resource.create(
            Attributes.builder().put("service.name", span.getAppService()).build()))
        .build();
  }

  private static SpanContext context(String trace, String span) {
    return SpanContext.create(trace, span, TraceFlags.getSampled(), TraceState.getDefault());
  }

  /** All ways to ask. */
  private enum Way {
    COMPLETE {
      @Override
      CompletableFuture<?> ask(TraceCompletionClient client) {
        return waiting(() -> client.complete(QUESTION));
      }
    },
    ASYNC {
      @Override
      CompletableFuture<?> ask(TraceCompletionClient client) {
        return client.completeAsync(QUESTION);
      }
    },
    ITERATOR {
      @Override
      CompletableFuture<?> ask(TraceCompletionClient client) {
        return waiting(() -> client.completeStream(QUESTION).collect());
      }
    },
    LISTENER {
      @Override
      CompletableFuture<?> ask(TraceCompletionClient client) {
        return client.completeStream(QUESTION, chunk -> {});
      }
    },
    BATCH {
      @Override
      CompletableFuture<?> ask(TraceCompletionClient client) {
        return waiting(
            () -> client.completeBatch(List.of(QUESTION, QUESTION)).forEach(Answer::get));
      }
    };

    abstract CompletableFuture<?> ask(TraceCompletionClient client);

    private static CompletableFuture<?> waiting(Runnable call) {
      return CompletableFuture.runAsync(call, task -> new Thread(task, "caller").start());
    }
  }

  @ParameterizedTest
  @EnumSource(Way.class)
  void aServerThatDiesDuringACallIsWaitedFor(Way way) throws Exception {
    try (ReservedPort port = new ReservedPort();
        MuteStore mute = new MuteStore();
        ServerProcess first = ServerProcess.serveAt(port.number(), "--clickhouse-url", mute.url());
        TraceCompletionClient client = client(first)) {
      CompletableFuture<?> call = way.ask(client);
      mute.awaitQuestion();
      first.kill();
      try (ServerProcess second = ServerProcess.serveAt(port.number(), "--config", store.address)) {
        call.get(30, TimeUnit.SECONDS);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(Way.class)
  void withoutRetryTheDeathOfAServerShowsAtOnce(Way way) throws Exception {
    try (MuteStore mute = new MuteStore();
        ServerProcess server = ServerProcess.serve("--clickhouse-url", mute.url());
        TraceCompletionClient client =
            TraceCompletionClient.builder(server.address).withoutRetry().build()) {
      CompletableFuture<?> call = way.ask(client);
      mute.awaitQuestion();
      server.kill();
      // This is earlier than the deadline.
      CompletionException error = assertThrows(
          CompletionException.class, () -> call.orTimeout(20, TimeUnit.SECONDS).join());
      assertInstanceOf(UnavailableException.class, error.getCause());
    }
  }

  @Test
  void aServerThatStaysAwayIsNotWaitedForBeyondTheDeadline() throws Exception {
    Duration deadline = Duration.ofSeconds(3);
    try (ReservedPort port = new ReservedPort();
        MuteStore mute = new MuteStore();
        ServerProcess server =
            ServerProcess.serveAt(port.number(), "--clickhouse-url", mute.url());
        TraceCompletionClient client = client(server)) {
      // This connects the client before the timeout of the calls begins.
      client.isHealthy();
      TraceCompletionClient hasty = client.withTimeout(deadline);
      List<CompletableFuture<?>> calls = Stream.of(Way.values())
          .<CompletableFuture<?>>map(way -> way.ask(hasty))
          .toList();
      mute.awaitQuestion();
      server.kill();
      for (CompletableFuture<?> call : calls) {
        CompletionException error = assertThrows(
            CompletionException.class,
            () -> call.orTimeout(10, TimeUnit.SECONDS).join());
        UnavailableException unavailable =
            assertInstanceOf(UnavailableException.class, error.getCause());
        assertTrue(
            unavailable.getMessage().contains("no connection to " + port.address()),
            unavailable.getMessage());
      }
    }
  }

  @Test
  void noThreadIsLeft() throws Exception {
    Set<Thread> before = Thread.getAllStackTraces().keySet();
    try (MuteStore mute = new MuteStore();
        ServerProcess server = ServerProcess.serve("--clickhouse-url", mute.url())) {
      TraceCompletionClient client = client(server);
      List<CompletableFuture<?>> calls = new ArrayList<>();
      for (Way way : Way.values()) {
        calls.add(way.ask(client));
      }
      mute.awaitQuestion();
      assertFalse(threads(before).isEmpty());
      server.kill();
      long start = System.nanoTime();
      client.close();
      assertTrue(System.nanoTime() - start < 6_000_000_000L);
      for (CompletableFuture<?> call : calls) {
        assertThrows(
            CompletionException.class,
            () -> call.orTimeout(20, TimeUnit.SECONDS).join());
      }
    }
    // gRPC keeps its pools for a second after the last channel has gone.
    Wait.until(() -> threads(before).isEmpty(), () -> threads(before).toString());
  }

  /**
   * Names of the threads that are new, except those that the JDK starts once for the whole process.
   */
  private static List<String> threads(Set<Thread> before) {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(thread -> !before.contains(thread))
        .map(Thread::getName)
        .filter(name -> !name.startsWith("ForkJoinPool.commonPool-")
            && !name.equals("CompletableFutureDelayScheduler")
            && !name.startsWith("process reaper"))
        .toList();
  }
}
