package io.tracecompletion.client;

import static io.tracecompletion.client.Questions.ANSWER;
import static io.tracecompletion.client.Questions.QUESTION;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeout;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Context;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import io.tracecompletion.v1.BatchCompleteTraceRequest;
import io.tracecompletion.v1.BatchCompleteTraceResponse;
import io.tracecompletion.v1.CompleteTraceRequest;
import io.tracecompletion.v1.ErrorReason;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiConsumer;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class BatchTest extends InProcess {

  /** The service passes each question to the consumer, and ends the stream when the client does. */
  private void answers(
      Supplier<BiConsumer<BatchCompleteTraceRequest, StreamObserver<BatchCompleteTraceResponse>>>
          perStream) {
    service.batch = answers -> {
      var answer = perStream.get();
      return new StreamObserver<>() {
        @Override
        public void onNext(BatchCompleteTraceRequest question) {
          answer.accept(question, answers);
        }

        @Override
        public void onError(Throwable error) {}

        @Override
        public void onCompleted() {
          answers.onCompleted();
        }
      };
    };
  }

  private static BatchCompleteTraceResponse good(BatchCompleteTraceRequest question) {
    return BatchCompleteTraceResponse.newBuilder()
        .setCorrelationId(question.getCorrelationId())
        .setResponse(ANSWER)
        .build();
  }

  private static BatchCompleteTraceResponse bad(BatchCompleteTraceRequest question) {
    return BatchCompleteTraceResponse.newBuilder()
        .setCorrelationId(question.getCorrelationId())
        .setError(Questions.status(
            Status.Code.INVALID_ARGUMENT,
            "no",
            Questions.info("ERROR_REASON_INVALID_REQUEST"),
            Questions.violation("app_spans", "is empty")))
        .build();
  }

  private static Iterator<BatchCompleteTraceRequest> questions(int count) {
    return IntStream.range(0, count).mapToObj(i -> question("q" + i)).iterator();
  }

  private static BatchCompleteTraceRequest question(String id) {
    return BatchCompleteTraceRequest.newBuilder()
        .setCorrelationId(id)
        .setRequest(QUESTION)
        .build();
  }

  @Test
  void eachQuestionHasItsAnswer() {
    answers(() -> (question, answers) -> answers.onNext(
        question.getRequest().getAppSpansCount() == 0 ? bad(question) : good(question)));
    List<CompleteTraceRequest> requests = new ArrayList<>(Collections.nCopies(500, QUESTION));
    requests.set(7, CompleteTraceRequest.getDefaultInstance());
    List<Answer> answers = client.completeBatch(requests);
    assertEquals(500, answers.size());
    for (int i = 0; i < 500; i++) {
      Answer answer = answers.get(i);
      assertEquals(Integer.toString(i), answer.id());
      if (i == 7) {
        InvalidRequestException error = assertThrows(InvalidRequestException.class, answer::get);
        assertEquals(ErrorReason.ERROR_REASON_INVALID_REQUEST, error.getReason());
        assertEquals(List.of(new Violation("app_spans", "is empty")), error.getViolations());
        assertNull(answer.response());
      } else {
        assertEquals(ANSWER, answer.get());
        assertNull(answer.error());
      }
    }
    assertEquals(1, service.calls.get());
  }

  @Test
  void noQuestionsNoAnswers() {
    answers(() -> (question, answers) -> answers.onNext(good(question)));
    assertEquals(List.of(), client.completeBatch(List.of()));
  }

  @Test
  void answersComeInAnyOrder() {
    List<BatchCompleteTraceRequest> held = Collections.synchronizedList(new ArrayList<>());
    answers(() -> (question, answers) -> {
      held.add(question);
      if (held.size() == 3) {
        Collections.reverse(held);
        held.forEach(one -> answers.onNext(good(one)));
      }
    });
    List<String> ids = new ArrayList<>();
    client.completeBatch(questions(3), answer -> ids.add(answer.id())).join();
    assertEquals(List.of("q2", "q1", "q0"), ids);
  }

  @Test
  void idsNeedNotBeUnique() {
    answers(() -> (question, answers) -> answers.onNext(good(question)));
    AtomicInteger count = new AtomicInteger();
    client
        .completeBatch(
            Stream.generate(() -> question("same")).limit(100).iterator(),
            answer -> count.incrementAndGet())
        .join();
    assertEquals(100, count.get());
  }

  @Test
  void aServerThatDoesNotAnswerGetsNoMoreThanItsShare() {
    // The server answers only when it has as many questions as the client may have unanswered.
    answers(() -> {
      List<BatchCompleteTraceRequest> held = new ArrayList<>();
      return (question, answers) -> {
        held.add(question);
        if (held.size() == Batch.IN_FLIGHT) {
          held.forEach(one -> answers.onNext(good(one)));
          held.clear();
        }
      };
    });
    AtomicInteger unanswered = new AtomicInteger();
    AtomicInteger most = new AtomicInteger();
    Stream<BatchCompleteTraceRequest> questions = Stream.generate(() -> {
      most.accumulateAndGet(unanswered.incrementAndGet(), Math::max);
      return question("q");
    });
    client
        .completeBatch(
            questions.limit(10 * Batch.IN_FLIGHT).iterator(),
            answer -> unanswered.decrementAndGet())
        .join();
    assertEquals(Batch.IN_FLIGHT, most.get());
  }

  @Test
  void aBrokenStreamIsTakenUpAgain() {
    AtomicInteger streams = new AtomicInteger();
    answers(() -> {
      int stream = streams.incrementAndGet();
      AtomicInteger left = new AtomicInteger(10);
      return (question, answers) -> {
        int n = left.decrementAndGet();
        if (stream > 3 || n > 0) {
          answers.onNext(good(question));
        } else if (n == 0) {
          answers.onError(Questions.failure(
              Status.Code.UNAVAILABLE,
              "the server is shutting down",
              Questions.info("ERROR_REASON_SHUTTING_DOWN")));
        }
      };
    });
    List<String> ids = new ArrayList<>();
    client.completeBatch(questions(100), answer -> ids.add(answer.id())).join();
    assertEquals(100, ids.size());
    assertEquals(
        IntStream.range(0, 100).mapToObj(i -> "q" + i).collect(Collectors.toSet()),
        new HashSet<>(ids));
    assertEquals(4, streams.get());
  }

  @Test
  void aServerThatEndsWithoutAnAnswerIsAFault() {
    answers(() -> (question, answers) -> {});
    List<Answer> answers = client.completeBatch(List.of(QUESTION));
    assertEquals(Status.Code.INTERNAL, answers.get(0).error().getCode());
  }

  @Test
  void aBusyServerIsAskedWhenItSays() {
    answers(() -> (question, answers) -> {
      if (service.calls.get() < 3) {
        answers.onError(Questions.busy(20));
      } else {
        answers.onNext(good(question));
      }
    });
    assertEquals(ANSWER, client.completeBatch(List.of(QUESTION)).get(0).get());
    assertEquals(3, service.calls.get());
  }

  @Test
  void withoutRetryItFailsAtOnce() {
    client(TraceCompletionClientBuilder::withoutRetry);
    answers(() -> (question, answers) -> answers.onError(Questions.busy(20)));
    assertThrows(
        ServerBusyException.class, client.completeBatch(List.of(QUESTION)).get(0)::get);
    assertEquals(1, service.calls.get());
  }

  @Test
  void notForEver() {
    answers(() ->
        (question, answers) -> answers.onError(Questions.failure(Status.Code.UNAVAILABLE, "gone")));
    CompletableFuture<Void> batch = client.completeBatch(questions(3), answer -> {});
    assertInstanceOf(
        UnavailableException.class,
        assertThrows(CompletionException.class, batch::join).getCause());
    assertEquals(Batch.MAX_ATTEMPTS, service.calls.get());
  }

  @Test
  void noPauseBeyondTheDeadline() {
    answers(() -> (question, answers) -> answers.onError(Questions.busy(60_000)));
    List<Answer> answers = assertTimeout(
        Duration.ofSeconds(15),
        () -> client.withTimeout(Duration.ofSeconds(20)).completeBatch(List.of(QUESTION)));
    assertThrows(ServerBusyException.class, answers.get(0)::get);
    assertEquals(1, service.calls.get());
  }

  @Test
  void aPauseEndsWithTheClient() {
    answers(() -> (question, answers) -> answers.onError(Questions.busy(20_000)));
    CompletableFuture<Void> batch = client.completeBatch(questions(1), answer -> {});
    awaitPause();
    client.close();
    CompletionException error = assertThrows(
        CompletionException.class, () -> batch.orTimeout(10, TimeUnit.SECONDS).join());
    assertEquals(Status.Code.CANCELLED, ((TraceCompletionException) error.getCause()).getCode());
    assertEquals(1, service.calls.get());
  }

  @Test
  void aPauseEndsWithTheContext() {
    answers(() -> (question, answers) -> answers.onError(Questions.busy(20_000)));
    try (Context.CancellableContext context = Context.current().withCancellation()) {
      List<CompletableFuture<Void>> batches = new ArrayList<>();
      context.run(() -> batches.add(client.completeBatch(questions(1), answer -> {})));
      awaitPause();
      context.cancel(null);
      CompletionException error = assertThrows(
          CompletionException.class,
          () -> batches.get(0).orTimeout(10, TimeUnit.SECONDS).join());
      assertEquals(Status.Code.CANCELLED, ((TraceCompletionException) error.getCause()).getCode());
    }
  }

  @Test
  void whatIsLeftHasTheErrorOfTheStream() {
    AtomicInteger count = new AtomicInteger();
    answers(() -> (question, answers) -> {
      if (count.incrementAndGet() == 3) {
        answers.onError(Questions.failure(Status.Code.RESOURCE_EXHAUSTED, "too large"));
      } else if (count.get() < 3) {
        answers.onNext(good(question));
      }
    });
    List<Answer> answers = client.completeBatch(Collections.nCopies(4, QUESTION));
    assertEquals(ANSWER, answers.get(0).get());
    assertThrows(TooLargeException.class, answers.get(2)::get);
    assertThrows(TooLargeException.class, answers.get(3)::get);
  }

  @Test
  void whatTheCallerThrowsEndsTheBatch() throws InterruptedException {
    answers(() -> (question, answers) -> answers.onNext(good(question)));
    IllegalStateException thrown = new IllegalStateException("enough");
    CompletableFuture<Void> consumer = client.completeBatch(questions(100), answer -> {
      throw thrown;
    });
    assertSame(thrown, assertThrows(CompletionException.class, consumer::join).getCause());
    CompletableFuture<Void> iterator = client.completeBatch(
        Stream.<BatchCompleteTraceRequest>generate(() -> {
              throw thrown;
            })
            .iterator(),
        answer -> {});
    assertSame(thrown, assertThrows(CompletionException.class, iterator::join).getCause());
    assertTrue(service.cancelled.await(10, TimeUnit.SECONDS));
  }

  @Test
  void aMuteServerIsLeft() {
    service.batch = answers -> new StreamObserver<>() {
      @Override
      public void onNext(BatchCompleteTraceRequest question) {}

      @Override
      public void onError(Throwable error) {}

      @Override
      public void onCompleted() {}
    };
    client(options -> options.timeout(Duration.ofMillis(150)));
    List<Answer> answers = client.completeBatch(List.of(QUESTION));
    assertThrows(DeadlineExceededException.class, answers.get(0)::get);
    answers = client.withTimeout(Duration.ofMillis(100)).completeBatch(List.of(QUESTION));
    assertThrows(DeadlineExceededException.class, answers.get(0)::get);
  }

  @Test
  void aSlowBatchThatMovesIsNotLeft() {
    answers(() -> (question, answers) -> {
      Wait.pause(300);
      answers.onNext(good(question));
    });
    // All answers together take longer than the two timeouts that the batch waits for one answer.
    client(options -> options.timeout(Duration.ofSeconds(1)));
    client.completeBatch(Collections.nCopies(8, QUESTION)).forEach(Answer::get);
  }

  @Test
  void anAnswerToNoQuestionIsAFault() {
    answers(() -> (question, answers) -> answers.onNext(good(question("other"))));
    CompletableFuture<Void> batch = client.completeBatch(questions(1), answer -> {});
    TraceCompletionException error = assertInstanceOf(
        TraceCompletionException.class,
        assertThrows(CompletionException.class, batch::join).getCause());
    assertEquals(Status.Code.INTERNAL, error.getCode());
  }
}
