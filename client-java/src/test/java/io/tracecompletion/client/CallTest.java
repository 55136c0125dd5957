package io.tracecompletion.client;

import static io.tracecompletion.client.Questions.ANSWER;
import static io.tracecompletion.client.Questions.QUESTION;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.Context;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.tracecompletion.v1.CompleteTraceResponse;
import io.tracecompletion.v1.TraceCompletionServiceGrpc;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class CallTest extends InProcess {

  @Test
  void answersAsTheServer() {
    assertEquals(ANSWER, client.complete(QUESTION));
    assertEquals(ANSWER, client.completeAsync(QUESTION).join());
  }

  @Test
  void aCallWithoutDeadlineGetsThirtySeconds() {
    client.complete(QUESTION);
    long seconds = service.deadline.timeRemaining(TimeUnit.SECONDS);
    assertTrue(seconds >= 25 && seconds <= 30, "left: " + seconds);
  }

  @Test
  void theDeadlineOfTheContextWins() {
    ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor();
    try (Context.CancellableContext context =
        Context.current().withDeadlineAfter(100, TimeUnit.SECONDS, timer)) {
      context.run(() -> client.complete(QUESTION));
      assertTrue(service.deadline.timeRemaining(TimeUnit.SECONDS) > 90);
      context.run(() -> client.withTimeout(Duration.ofSeconds(10)).complete(QUESTION));
      assertTrue(service.deadline.timeRemaining(TimeUnit.SECONDS) <= 10);
    } finally {
      timer.shutdownNow();
    }
  }

  @Test
  void aCallThatEndsWithoutAnAnswerIsAFault() {
    UnaryObserver observer = new UnaryObserver(error -> {
      throw new AssertionError(error);
    });
    observer.onCompleted();
    CompletionException error = assertThrows(CompletionException.class, observer.future::join);
    assertEquals(Status.Code.INTERNAL, ((TraceCompletionException) error.getCause()).getCode());
  }

  @Test
  void aMuteServerIsLeftAtTheDeadline() {
    service.unary = (call, answer) -> {};
    client(options -> options.timeout(Duration.ofMillis(300)));
    DeadlineExceededException error =
        assertThrows(DeadlineExceededException.class, () -> client.complete(QUESTION));
    assertEquals(Status.Code.DEADLINE_EXCEEDED, error.getCode());
    CompletionException async = assertThrows(
        CompletionException.class, () -> client.completeAsync(QUESTION).join());
    assertInstanceOf(DeadlineExceededException.class, async.getCause());
  }

  @Test
  void aCancelledFutureCancelsTheCall() throws InterruptedException {
    CountDownLatch asked = new CountDownLatch(1);
    service.unary = (call, answer) -> asked.countDown();
    CompletableFuture<CompleteTraceResponse> future = client.completeAsync(QUESTION);
    asked.await();
    future.cancel(true);
    assertTrue(service.cancelled.await(10, TimeUnit.SECONDS));
  }

  @Test
  void anInterruptCancelsTheCall() throws InterruptedException {
    service.unary = (call, answer) -> {};
    List<Object> seen = new ArrayList<>();
    Thread caller = new Thread(() -> {
      try {
        client.complete(QUESTION);
      } catch (TraceCompletionException e) {
        seen.add(e.getCode());
        seen.add(Thread.currentThread().isInterrupted());
      }
    });
    caller.start();
    Wait.until(() -> service.calls.get() == 1);
    caller.interrupt();
    caller.join(10_000);
    assertEquals(List.of(Status.Code.CANCELLED, true), seen);
  }

  @Test
  void headersNameTheOrganisationAndTheToken() {
    client(options -> options.organisation("7").bearerToken("secret").allowPlainToken());
    client.complete(QUESTION);
    assertEquals("7", service.headers.get(0).get(OrganisationInterceptor.HEADER));
    assertEquals("Bearer secret", service.headers.get(0).get(BearerToken.HEADER));
  }

  @Test
  void withoutOptionsThereAreNoSuchHeaders() {
    client.complete(QUESTION);
    assertNull(service.headers.get(0).get(OrganisationInterceptor.HEADER));
    assertNull(service.headers.get(0).get(BearerToken.HEADER));
  }

  @Test
  void aCallKeepsAnOrganisationOfItsOwn() {
    client(options -> options.organisation("7").interceptors(new Header("x-org-id", "8")));
    client.complete(QUESTION);
    assertEquals(List.of("8"), all(service.headers.get(0), "x-org-id"));
  }

  @Test
  void interceptorsSeeCallsInTheirOrder() {
    client(options ->
        options.interceptors(new Header("x-order", "first"), new Header("x-order", "second")));
    client.complete(QUESTION);
    assertEquals(List.of("first", "second"), all(service.headers.get(0), "x-order"));
  }

  @Test
  void aTokenThatCannotBeHadFailsTheCall() {
    client(options -> options.allowPlainToken().bearerToken(() -> {
      throw new IllegalStateException("vault is sealed");
    }));
    TraceCompletionException error =
        assertThrows(TraceCompletionException.class, () -> client.complete(QUESTION));
    assertEquals(Status.Code.UNAUTHENTICATED, error.getCode());
    assertTrue(error.getMessage().contains("vault is sealed"), error.getMessage());
    assertEquals(0, service.calls.get());
  }

  @Test
  void aTokenDoesNotTravelInTheClear() {
    TraceCompletionClientBuilder builder =
        TraceCompletionClient.builder("localhost:1").bearerToken("secret");
    assertThrows(IllegalStateException.class, builder::build);
    builder.allowPlainToken().build().close();
  }

  @Test
  void healthIsThatOfTheService() {
    health.setStatus(TraceCompletionServiceGrpc.SERVICE_NAME, ServingStatus.SERVING);
    assertTrue(client.isHealthy());
    health.setStatus(TraceCompletionServiceGrpc.SERVICE_NAME, ServingStatus.NOT_SERVING);
    assertFalse(client.isHealthy());
  }

  @Test
  void aServerThatIsNotThereIsNotHealthy() {
    try (ReservedPort port = new ReservedPort();
        TraceCompletionClient nobody =
            TraceCompletionClient.builder(port.address()).build()) {
      assertFalse(nobody.isHealthy());
    }
  }

  @Test
  void aClosedClientSaysSo() {
    client.close();
    client.close();
    assertThrows(IllegalStateException.class, () -> client.complete(QUESTION));
    assertThrows(IllegalStateException.class, () -> client.completeAsync(QUESTION));
  }

  @Test
  void closeEndsRunningCalls() {
    service.unary = (call, answer) -> {};
    CompletableFuture<CompleteTraceResponse> future = client.completeAsync(QUESTION);
    Wait.until(() -> service.calls.get() == 1);
    client.close();
    CompletionException error = assertThrows(CompletionException.class, future::join);
    assertEquals(Status.Code.CANCELLED, ((TraceCompletionException) error.getCause()).getCode());
  }

  @Test
  void impossibleOptionsAreRefused() {
    TraceCompletionClientBuilder builder = TraceCompletionClient.builder("localhost:1");
    assertThrows(IllegalArgumentException.class, () -> builder.timeout(Duration.ZERO));
    assertThrows(IllegalArgumentException.class, () -> builder.maxAnswerBytes(0));
    assertThrows(IllegalArgumentException.class, () -> client.withTimeout(Duration.ofSeconds(-1)));
  }

  private static List<String> all(Metadata headers, String name) {
    List<String> values = new ArrayList<>();
    headers.getAll(Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER)).forEach(values::add);
    return values;
  }

  /** Adds a header. */
  record Header(String name, String value) implements ClientInterceptor {
    @Override
    public <Q, A> ClientCall<Q, A> interceptCall(
        MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
      return new SimpleForwardingClientCall<>(next.newCall(method, options)) {
        @Override
        public void start(Listener<A> listener, Metadata headers) {
          headers.put(Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER), value);
          super.start(listener, headers);
        }
      };
    }
  }
}
