package io.tracecompletion.client;

import static io.tracecompletion.client.Questions.ANSWER;
import static io.tracecompletion.client.Questions.QUESTION;
import static io.tracecompletion.client.Questions.busy;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.Context;
import io.grpc.Deadline;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.TraceFlags;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.Scope;
import io.tracecompletion.opentelemetry.TracePropagation;
import io.tracecompletion.v1.CompleteTraceResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class RetryTest extends InProcess {

  /** Fails this often, then answers. */
  private void failing(int times, StatusRuntimeException error) {
    service.unary = (call, answer) -> {
      if (call <= times) {
        answer.onError(error);
      } else {
        answer.onNext(ANSWER);
        answer.onCompleted();
      }
    };
  }

  @Test
  void unavailableIsAskedAgain() {
    failing(2, Questions.failure(Status.Code.UNAVAILABLE, "gone"));
    assertEquals(ANSWER, client.complete(QUESTION));
    assertEquals(3, service.calls.get());
  }

  @Test
  void notForEver() {
    failing(Integer.MAX_VALUE, Questions.failure(Status.Code.UNAVAILABLE, "gone"));
    assertThrows(UnavailableException.class, () -> client.complete(QUESTION));
    assertEquals(5, service.calls.get());
  }

  @Test
  void otherErrorsAreNot() {
    for (Status.Code code : new Status.Code[] {
      Status.Code.INTERNAL,
      Status.Code.INVALID_ARGUMENT,
      Status.Code.DEADLINE_EXCEEDED,
      Status.Code.RESOURCE_EXHAUSTED,
      Status.Code.UNKNOWN
    }) {
      service.calls.set(0);
      failing(1, Questions.failure(code, "no"));
      assertEquals(
          code,
          assertThrows(TraceCompletionException.class, () -> client.complete(QUESTION))
              .getCode());
      assertEquals(1, service.calls.get(), code::name);
    }
  }

  @Test
  void aBusyServerIsAskedWhenItSays() {
    failing(2, busy(100));
    long start = System.nanoTime();
    assertEquals(ANSWER, client.complete(QUESTION));
    assertTrue(System.nanoTime() - start >= 200_000_000L);
    assertEquals(3, service.calls.get());
  }

  @Test
  void asynchronouslyToo() {
    failing(2, busy(50));
    assertEquals(ANSWER, client.completeAsync(QUESTION).join());
    assertEquals(3, service.calls.get());
  }

  @Test
  void aServerThatStaysBusyIsNotAskedForEver() {
    failing(Integer.MAX_VALUE, busy(10));
    ServerBusyException error =
        assertThrows(ServerBusyException.class, () -> client.complete(QUESTION));
    assertEquals(Duration.ofMillis(10), error.getRetryDelay().orElseThrow());
    assertEquals(BusyRetryCall.MAX_ATTEMPTS, service.calls.get());
  }

  @Test
  void noPauseBeyondTheDeadline() {
    failing(1, busy(60_000));
    long start = System.nanoTime();
    assertThrows(ServerBusyException.class, () -> client.complete(QUESTION));
    assertTrue(System.nanoTime() - start < 10_000_000_000L);
    assertEquals(1, service.calls.get());
  }

  @Test
  void everyTryHasTheSameDeadline() {
    List<Deadline> deadlines = new ArrayList<>();
    service.unary = (call, answer) -> {
      deadlines.add(service.deadline);
      if (call == 1) {
        answer.onError(busy(1_000));
      } else {
        answer.onNext(ANSWER);
        answer.onCompleted();
      }
    };
    assertEquals(ANSWER, client.complete(QUESTION));
    // Each try sends the time that is left. If the second try had a deadline of its own, that would
    // be later by the length of the pause.
    Deadline first = deadlines.get(0).offset(900, TimeUnit.MILLISECONDS);
    assertTrue(deadlines.get(1).isBefore(first), deadlines::toString);
  }

  @Test
  void aPauseCanBeCancelled() {
    failing(1, busy(20_000));
    CompletableFuture<CompleteTraceResponse> future = client.completeAsync(QUESTION);
    awaitPause();
    future.cancel(true);
    assertTrue(future.isCancelled());
    // This ends the pause now. If the call were still tried again, that would come before the next
    // call.
    client.pauses.close();
    assertEquals(ANSWER, client.complete(QUESTION));
    assertEquals(2, service.calls.get());
  }

  @Test
  void aPauseEndsWithTheContext() {
    failing(1, busy(20_000));
    try (Context.CancellableContext context = Context.current().withCancellation()) {
      CompletableFuture<CompleteTraceResponse> future = new CompletableFuture<>();
      context.run(() -> client.completeAsync(QUESTION).whenComplete((answer, error) -> {
        future.completeExceptionally(error);
      }));
      awaitPause();
      context.cancel(null);
      CompletionException error = assertThrows(
          CompletionException.class,
          () -> future.orTimeout(10, TimeUnit.SECONDS).join());
      assertEquals(Status.Code.CANCELLED, ((TraceCompletionException) error.getCause()).getCode());
    }
  }

  @Test
  void aPauseEndsWithTheClient() {
    failing(1, busy(20_000));
    CompletableFuture<CompleteTraceResponse> future = client.completeAsync(QUESTION);
    awaitPause();
    client.close();
    CompletionException error = assertThrows(
        CompletionException.class, () -> future.orTimeout(10, TimeUnit.SECONDS).join());
    assertEquals(Status.Code.CANCELLED, ((TraceCompletionException) error.getCause()).getCode());
  }

  @Test
  void anInterruptEndsAPause() throws InterruptedException {
    failing(1, busy(20_000));
    CompletableFuture<Throwable> seen = new CompletableFuture<>();
    Thread caller = new Thread(
        () -> seen.complete(assertThrows(RuntimeException.class, () -> client.complete(QUESTION))));
    caller.start();
    awaitPause();
    caller.interrupt();
    caller.join(10_000);
    assertFalse(caller.isAlive());
    assertEquals(Status.Code.CANCELLED, ((TraceCompletionException) seen.join()).getCode());
  }

  @Test
  void interceptorsSeeOneCall() {
    AtomicInteger seen = new AtomicInteger();
    ClientInterceptor counter = new ClientInterceptor() {
      @Override
      public <Q, A> ClientCall<Q, A> interceptCall(
          MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
        seen.incrementAndGet();
        return next.newCall(method, options);
      }
    };
    client(options -> options.interceptors(counter));
    failing(2, busy(20));
    client.complete(QUESTION);
    assertEquals(3, service.calls.get());
    assertEquals(1, seen.get());
  }

  @Test
  void theTraceOfTheCallerTravelsWithEachTry() {
    client(options ->
        options.interceptors(new TracePropagation(W3CTraceContextPropagator.getInstance())));
    failing(1, busy(20));
    SpanContext caller = SpanContext.create(
        "1".repeat(32), "2".repeat(16), TraceFlags.getSampled(), TraceState.getDefault());
    try (Scope scope = Span.wrap(caller).makeCurrent()) {
      client.completeAsync(QUESTION).join();
    }
    assertEquals(
        Collections.nCopies(2, "00-" + "1".repeat(32) + "-" + "2".repeat(16) + "-01"),
        service.headers.stream()
            .map(headers ->
                headers.get(Metadata.Key.of("traceparent", Metadata.ASCII_STRING_MARSHALLER)))
            .toList());
  }

  @Test
  void aTokenIsFreshOnEachTry() {
    AtomicInteger tokens = new AtomicInteger();
    client(options -> options.allowPlainToken().bearerToken(() -> "t" + tokens.incrementAndGet()));
    failing(1, busy(20));
    client.complete(QUESTION);
    assertEquals("Bearer t2", service.headers.get(1).get(BearerToken.HEADER));
  }

  @Test
  void withoutRetryEachFailsAtOnce() {
    client(TraceCompletionClientBuilder::withoutRetry);
    failing(Integer.MAX_VALUE, busy(10));
    assertThrows(ServerBusyException.class, () -> client.complete(QUESTION));
    failing(Integer.MAX_VALUE, Questions.failure(Status.Code.UNAVAILABLE, "gone"));
    assertThrows(UnavailableException.class, () -> client.complete(QUESTION));
    assertEquals(2, service.calls.get());
  }

  @Test
  void aStreamIsRetriedBeforeItsFirstPiece() {
    service.stream = (call, answer) -> {
      if (call <= 2) {
        answer.onError(call == 1 ? busy(20) : Questions.failure(Status.Code.UNAVAILABLE, "gone"));
        return;
      }
      answer.onNext(Questions.chunk(Questions.span("a")));
      answer.onNext(Questions.summary(1, 1));
      answer.onCompleted();
    };
    assertEquals(1, client.completeStream(QUESTION, chunk -> {}).join().getSpanCount());
    assertEquals(3, service.calls.get());

    service.calls.set(0);
    assertEquals(1, client.completeStream(QUESTION).collect().getData().getTracingCount());
    assertEquals(3, service.calls.get());
  }

  @Test
  void aStreamIsNotRetriedAfterIt() {
    service.stream = (call, answer) -> {
      answer.onNext(Questions.progress(1));
      answer.onError(call == 1 ? busy(20) : Questions.failure(Status.Code.UNAVAILABLE, "gone"));
    };
    CompletionException error = assertThrows(
        CompletionException.class,
        () -> client.completeStream(QUESTION, chunk -> {}).join());
    assertInstanceOf(ServerBusyException.class, error.getCause());
    assertThrows(
        UnavailableException.class, () -> client.completeStream(QUESTION).collect());
    assertEquals(2, service.calls.get());
  }
}
