package io.tracecompletion.client;

import static io.tracecompletion.client.Questions.QUESTION;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Status;
import io.tracecompletion.v1.CompleteTraceRequest;
import io.tracecompletion.v1.CompleteTraceResponse;
import io.tracecompletion.v1.CompletionSummary;
import io.tracecompletion.v1.ErrorReason;
import io.tracecompletion.v1.Span;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(120)
class RealServerTest {

  private static final CompleteTraceRequest INVALID =
      CompleteTraceRequest.newBuilder(QUESTION)
          .setMaxIteration(0)
          .addAppSpans(QUESTION.getAppSpans(0).toBuilder().setEndTimeUs(4))
          .build();

  private static TraceCompletionClient client(ServerProcess server) {
    return TraceCompletionClient.builder("127.0.0.1:" + server.port).build();
  }

  @Test
  void errorsAreTyped() {
    try (ServerProcess server = ServerProcess.start(ServerProcess.freePort(), "--clickhouse-url", "http://127.0.0.1:1");
        TraceCompletionClient client = client(server)) {
      InvalidRequestException invalid =
          assertThrows(InvalidRequestException.class, () -> client.complete(INVALID));
      checkInvalid(invalid);

      UnavailableException unavailable =
          assertThrows(UnavailableException.class, () -> client.complete(QUESTION));
      assertEquals(ErrorReason.ERROR_REASON_STORE_UNREACHABLE, unavailable.getReason());
      assertTrue(unavailable.getRequestId().isPresent());

      assertThrows(UnavailableException.class, () -> client.completeStream(QUESTION).collect());
      CompletionException stream =
          assertThrows(CompletionException.class, () -> client.completeStream(INVALID, chunk -> { }).join());
      checkInvalid(assertInstanceOf(InvalidRequestException.class, stream.getCause()));

      List<Answer> answers = client.completeBatch(List.of(QUESTION, INVALID));
      assertThrows(UnavailableException.class, answers.get(0)::get);
      checkInvalid(assertInstanceOf(InvalidRequestException.class, answers.get(1).error()));

      assertFalse(client.isHealthy());
    }
  }

  private static void checkInvalid(InvalidRequestException error) {
    assertEquals(ErrorReason.ERROR_REASON_INVALID_REQUEST, error.getReason());
    assertTrue(error.getRequestId().isPresent());
    Set<String> fields = error.getViolations().stream().map(Violation::field).collect(Collectors.toSet());
    assertEquals(Set.of("max_iteration", "app_spans[1].end_time_us"), fields);
  }

  @Test
  void allCallsAnswerAlike() {
    try (ServerProcess server = ServerProcess.start(ServerProcess.freePort(), "--embedded");
        TraceCompletionClient client = client(server)) {
      Wait.until(client::isHealthy);
      CompleteTraceResponse answer = client.complete(QUESTION);
      assertEquals("SUCCESS", answer.getOptStatus());
      assertEquals(1, answer.getData().getTracingCount());
      assertEquals("s", answer.getData().getTracing(0).getSpanId());
      assertNotEquals("", answer.getData().getTracing(0).getDeepflowSpanId());

      assertEquals(answer, client.completeAsync(QUESTION).join());
      assertEquals(answer, client.completeStream(QUESTION).collect());
      List<Span> spans = new ArrayList<>();
      CompletionSummary summary =
          client.completeStream(QUESTION, chunk -> spans.addAll(chunk.getSpansList())).join();
      assertEquals(answer.getData().getTracingList(), spans);
      assertEquals("SUCCESS", summary.getOptStatus());

      List<CompleteTraceRequest> questions = new ArrayList<>();
      for (int i = 0; i < 100; i++) {
        questions.add(i % 10 == 9 ? INVALID : QUESTION);
      }
      List<Answer> answers = client.completeBatch(questions);
      for (int i = 0; i < answers.size(); i++) {
        if (i % 10 == 9) {
          checkInvalid(assertInstanceOf(InvalidRequestException.class, answers.get(i).error()));
        } else {
          assertEquals(answer, answers.get(i).get());
        }
      }
      CompleteTraceRequest explain = QUESTION.toBuilder().setExplain(true).build();
      CompleteTraceResponse explained = client.completeStream(explain).collect();
      assertEquals(1, explained.getData().getExplanation().getSpansCount());
    }
  }

  @Test
  void aServerThatDiesDuringACallIsWaitedFor() throws IOException {
    int port = ServerProcess.freePort();
    try (ServerSocket muteStore = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        TraceCompletionClient client = TraceCompletionClient.builder("127.0.0.1:" + port).build()) {
      ServerProcess first =
          ServerProcess.start(port, "--clickhouse-url", "http://127.0.0.1:" + muteStore.getLocalPort());
      CompletableFuture<CompleteTraceResponse> call = client.completeAsync(QUESTION);
      CompletableFuture<List<Answer>> batch =
          CompletableFuture.supplyAsync(() -> client.completeBatch(List.of(QUESTION, QUESTION)));
      Wait.pause(300);
      assertFalse(call.isDone());
      first.kill();
      Wait.pause(300);
      assertFalse(call.isDone());
      try (ServerProcess second = ServerProcess.start(port, "--embedded")) {
        assertEquals("SUCCESS", call.join().getOptStatus());
        batch.join().forEach(Answer::get);
      }
    }
  }

  @Test
  void aServerThatStaysAwayIsNotWaitedForBeyondTheDeadline() throws IOException {
    int port = ServerProcess.freePort();
    try (ServerSocket muteStore = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        TraceCompletionClient client =
            TraceCompletionClient.builder("127.0.0.1:" + port).timeout(Duration.ofSeconds(2)).build()) {
      ServerProcess server =
          ServerProcess.start(port, "--clickhouse-url", "http://127.0.0.1:" + muteStore.getLocalPort());
      CompletableFuture<CompleteTraceResponse> call = client.completeAsync(QUESTION);
      Wait.pause(300);
      server.kill();
      long start = System.nanoTime();
      CompletionException error = assertThrows(CompletionException.class, call::join);
      assertTrue(System.nanoTime() - start < 10_000_000_000L);
      UnavailableException unavailable = assertInstanceOf(UnavailableException.class, error.getCause());
      assertEquals(Status.Code.UNAVAILABLE, unavailable.getCode());
      assertTrue(unavailable.getMessage().contains("no connection to 127.0.0.1:" + port), unavailable.getMessage());
    }
  }

  @Test
  void noThreadIsLeft() {
    ServerProcess server =
        ServerProcess.start(ServerProcess.freePort(), "--clickhouse-url", "http://127.0.0.1:1");
    try (server) {
      TraceCompletionClient client = client(server);
      client.isHealthy();
      CompletableFuture<CompleteTraceResponse> call = client.completeAsync(QUESTION);
      assertFalse(threads().isEmpty());
      long start = System.nanoTime();
      client.close();
      assertTrue(System.nanoTime() - start < 6_000_000_000L);
      assertThrows(CompletionException.class, call::join);
    }
    // gRPC keeps its pools for a second after the last channel has gone.
    Wait.until(() -> threads().isEmpty());
  }

  private static List<String> threads() {
    return Thread.getAllStackTraces().keySet().stream()
        .map(Thread::getName)
        .filter(name -> name.startsWith("grpc-"))
        .toList();
  }
}
