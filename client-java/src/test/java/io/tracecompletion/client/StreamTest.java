package io.tracecompletion.client;

import static io.tracecompletion.client.Questions.QUESTION;
import static io.tracecompletion.client.Questions.chunk;
import static io.tracecompletion.client.Questions.progress;
import static io.tracecompletion.client.Questions.span;
import static io.tracecompletion.client.Questions.summary;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.stub.ServerCallStreamObserver;
import io.tracecompletion.v1.CompleteTraceResponse;
import io.tracecompletion.v1.CompletionProgress;
import io.tracecompletion.v1.CompletionSummary;
import io.tracecompletion.v1.Explanation;
import io.tracecompletion.v1.Span;
import io.tracecompletion.v1.SpanChunk;
import io.tracecompletion.v1.SpanReason;
import io.tracecompletion.v1.StreamCompleteTraceResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class StreamTest extends InProcess {

  private void sends(StreamCompleteTraceResponse... pieces) {
    service.stream = (call, answer) -> {
      for (StreamCompleteTraceResponse piece : pieces) {
        answer.onNext(piece);
      }
      answer.onCompleted();
    };
  }

  @Test
  void theListenerGetsAllInOrder() {
    sends(
        progress(1),
        progress(2),
        StreamCompleteTraceResponse.getDefaultInstance(),
        chunk(span("a"), span("b")),
        chunk(span("c")),
        summary(3, 2));
    List<String> seen = new ArrayList<>();
    CompletionSummary summary = client
        .completeStream(QUESTION, new CompletionListener() {
          @Override
          public void onProgress(CompletionProgress progress) {
            seen.add("progress " + progress.getIteration());
          }

          @Override
          public void onChunk(SpanChunk chunk) {
            chunk.getSpansList().forEach(span -> seen.add(span.getDeepflowSpanId()));
          }
        })
        .join();
    assertEquals(List.of("progress 1", "progress 2", "a", "b", "c"), seen);
    assertEquals("SUCCESS", summary.getOptStatus());
  }

  @Test
  void theIteratorGivesAllInOrder() {
    sends(progress(1), chunk(span("a")), summary(1, 1));
    try (CompletionStream pieces = client.completeStream(QUESTION)) {
      assertTrue(pieces.next().hasProgress());
      assertTrue(pieces.hasNext());
      assertTrue(pieces.hasNext());
      assertTrue(pieces.next().hasChunk());
      assertTrue(pieces.next().hasSummary());
      assertFalse(pieces.hasNext());
      assertThrows(NoSuchElementException.class, pieces::next);
    }
  }

  @Test
  void collectedItIsTheUnaryAnswer() {
    SpanReason reason = SpanReason.newBuilder().setRule("r").build();
    StreamCompleteTraceResponse.Builder chunk = chunk(span("a")).toBuilder();
    chunk.getChunkBuilder().addReasons(reason);
    StreamCompleteTraceResponse.Builder summary = summary(1, 1).toBuilder();
    summary
        .getSummaryBuilder()
        .setDescription("d")
        .putHostClockCorrection("1", 5)
        .setExplanation(Explanation.getDefaultInstance());
    sends(progress(1), chunk.build(), summary.build());
    CompleteTraceResponse answer = client.completeStream(QUESTION).collect();
    assertEquals("SUCCESS", answer.getOptStatus());
    assertEquals("d", answer.getDescription());
    assertEquals(List.of(span("a")), answer.getData().getTracingList());
    assertEquals(5, answer.getData().getHostClockCorrectionOrThrow("1"));
    assertEquals(List.of(reason), answer.getData().getExplanation().getSpansList());
  }

  @Test
  void anAnswerThatLacksSomethingIsAnError() {
    StreamCompleteTraceResponse[][] answers = {
      {}, {chunk(span("a"))}, {chunk(span("a")), summary(2, 1)}, {chunk(span("a")), summary(1, 2)}
    };
    for (StreamCompleteTraceResponse[] answer : answers) {
      sends(answer);
      CompletionException error = assertThrows(
          CompletionException.class,
          () -> client.completeStream(QUESTION, chunk -> {}).join());
      assertInstanceOf(IncompleteAnswerException.class, error.getCause());
      assertThrows(
          IncompleteAnswerException.class, () -> client.completeStream(QUESTION).collect());
    }
  }

  /**
   * The service sends pieces of one megabyte as long as the client accepts them, and counts them.
   */
  private AtomicInteger floods() {
    AtomicInteger sent = new AtomicInteger();
    Span large = Span.newBuilder().setEndpoint("x".repeat(1 << 20)).build();
    service.stream =
        (call, answer) -> answer.setOnReadyHandler(() -> flood(answer, chunk(large), sent));
    return sent;
  }

  private static void flood(
      ServerCallStreamObserver<StreamCompleteTraceResponse> answer,
      StreamCompleteTraceResponse piece,
      AtomicInteger sent) {
    while (answer.isReady() && sent.incrementAndGet() <= 1000) {
      answer.onNext(piece);
    }
  }

  @Test
  void aSlowListenerSlowsTheServerDown() throws InterruptedException {
    AtomicInteger sent = floods();
    // The listener passes each piece to the test, and returns only when the test lets it.
    SynchronousQueue<SpanChunk> pieces = new SynchronousQueue<>();
    Semaphore go = new Semaphore(0);
    CompletableFuture<CompletionSummary> future = client.completeStream(QUESTION, chunk -> {
      try {
        pieces.put(chunk);
        go.acquire();
      } catch (InterruptedException e) {
        throw new IllegalStateException(e);
      }
    });
    pieces.take();
    for (int read = 1; read <= 100; read++) {
      assertTrue(sent.get() < read + 8, read + " were read of " + sent);
      go.release();
      pieces.take();
    }
    future.cancel(true);
    go.release();
    assertTrue(service.cancelled.await(10, TimeUnit.SECONDS));
  }

  @Test
  void aSlowReaderSlowsTheServerDown() throws InterruptedException {
    AtomicInteger sent = floods();
    try (CompletionStream pieces = client.completeStream(QUESTION)) {
      for (int read = 1; read <= 100; read++) {
        pieces.next();
        assertTrue(sent.get() < read + 12, read + " were read of " + sent);
      }
    }
    assertTrue(service.cancelled.await(10, TimeUnit.SECONDS));
  }

  @Test
  void whatTheListenerThrowsEndsTheCall() throws InterruptedException {
    floods();
    IllegalStateException thrown = new IllegalStateException("enough");
    CompletableFuture<CompletionSummary> future = client.completeStream(QUESTION, chunk -> {
      throw thrown;
    });
    assertSame(thrown, assertThrows(CompletionException.class, future::join).getCause());
    assertTrue(service.cancelled.await(10, TimeUnit.SECONDS));
  }

  @Test
  void aMuteStreamIsLeftAtTheDeadline() {
    service.stream = (call, answer) -> answer.onNext(progress(1));
    client(options -> options.timeout(Duration.ofMillis(300)));
    assertThrows(
        DeadlineExceededException.class, () -> client.completeStream(QUESTION).collect());
    CompletionException error = assertThrows(
        CompletionException.class,
        () -> client.completeStream(QUESTION, chunk -> {}).join());
    assertInstanceOf(DeadlineExceededException.class, error.getCause());
  }
}
