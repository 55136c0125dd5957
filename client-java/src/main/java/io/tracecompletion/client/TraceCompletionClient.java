package io.tracecompletion.client;

import io.grpc.ConnectivityState;
import io.grpc.Context;
import io.grpc.Deadline;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.stub.AbstractStub;
import io.tracecompletion.v1.BatchCompleteTraceRequest;
import io.tracecompletion.v1.CompleteTraceRequest;
import io.tracecompletion.v1.CompleteTraceResponse;
import io.tracecompletion.v1.CompletionSummary;
import io.tracecompletion.v1.StreamCompleteTraceRequest;
import io.tracecompletion.v1.StreamCompleteTraceResponse;
import io.tracecompletion.v1.TraceCompletionServiceGrpc;
import java.time.Duration;
import java.util.Iterator;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.IntStream;

/**
 * Asks a Trace Completion server. Safe for use by many threads; one per process is enough. Its defaults suit an APM in
 * the same cluster:
 *
 * <ul>
 *   <li>a call whose {@link Context} has no deadline gets one of 30 seconds;
 *   <li>a server that cannot be reached is waited for up to the deadline, and what fails with UNAVAILABLE is asked
 *       again after a jittered pause; a server that is busy is asked again when it says so;
 *   <li>calls go round all addresses of the target, and answers of up to 64 MiB are taken;
 *   <li>an error is a {@link TraceCompletionException}, with a reason, the faults of the request and its id.
 * </ul>
 *
 * <p>An answer with the OPT_STATUS {@code PARTIAL_RESULT} is no error: what was found is there, and the description
 * says what is missing.
 */
public final class TraceCompletionClient implements AutoCloseable {
  /** Bounds {@link #close()}. */
  private static final Duration CLOSE_TIMEOUT = Duration.ofSeconds(5);
  /** Bounds {@link #isHealthy()}, which a probe asks. */
  private static final Duration HEALTH_TIMEOUT = Duration.ofSeconds(5);
  /** A server bounds each question of a batch by itself; one that is silent for so many timeouts is gone. */
  private static final int BATCH_PATIENCE = 2;

  private final String target;
  private final ManagedChannel channel;
  /** Tests look into it, to know that a call waits for its next try. */
  final Pauses pauses;
  private final Duration timeout;
  /** Whether the timeout holds beside a deadline of the context, and not only in its absence. */
  private final boolean timeoutAlways;
  private final boolean retry;

  TraceCompletionClient(
      String target, ManagedChannel channel, Pauses pauses, Duration timeout, boolean timeoutAlways, boolean retry) {
    this.target = target;
    this.channel = channel;
    this.pauses = pauses;
    this.timeout = timeout;
    this.timeoutAlways = timeoutAlways;
    this.retry = retry;
  }

  /**
   * Begins a client of the server at the target.
   *
   * @param target in gRPC's syntax: {@code host:port}, where all addresses of the host are used, as those behind a
   *     headless service
   * @return a builder with safe defaults
   */
  public static TraceCompletionClientBuilder builder(String target) {
    return new TraceCompletionClientBuilder(target);
  }

  /**
   * This client with another deadline, on the same connections: {@code
   * client.withTimeout(Duration.ofSeconds(3)).complete(request)}. The deadline of the {@link Context} holds too, if it
   * is sooner. To close either is to close both.
   *
   * @param timeout the time of each call, more than zero
   * @return a client that shares all but the deadline
   */
  public TraceCompletionClient withTimeout(Duration timeout) {
    return new TraceCompletionClient(
        target, channel, pauses, TraceCompletionClientBuilder.positive(timeout), true, retry);
  }

  /**
   * Completes one trace, and waits for the answer. An interrupt cancels the call.
   *
   * @param request what to complete
   * @return the answer, whole or partial
   * @throws TraceCompletionException if there is none
   */
  public CompleteTraceResponse complete(CompleteTraceRequest request) {
    Objects.requireNonNull(request, "request");
    try {
      return timed(TraceCompletionServiceGrpc.newBlockingStub(open())).completeTrace(request);
    } catch (StatusRuntimeException e) {
      throw fault(e);
    }
  }

  /**
   * Completes one trace.
   *
   * @param request what to complete
   * @return the answer; fails with a {@link TraceCompletionException}; cancels the call when cancelled
   */
  public CompletableFuture<CompleteTraceResponse> completeAsync(CompleteTraceRequest request) {
    Objects.requireNonNull(request, "request");
    UnaryObserver observer = new UnaryObserver(this::fault);
    timed(TraceCompletionServiceGrpc.newStub(open())).completeTrace(request, observer);
    return observer.future;
  }

  /**
   * Completes one trace piece by piece, for answers that may not fit one message. Retries happen only before the first
   * piece: after it, the caller has seen something.
   *
   * @param request what to complete
   * @return the pieces, to be read to the end or closed
   */
  public CompletionStream completeStream(CompleteTraceRequest request) {
    Context.CancellableContext context = Context.current().withCancellation();
    Context previous = context.attach();
    try {
      Iterator<StreamCompleteTraceResponse> pieces =
          timed(TraceCompletionServiceGrpc.newBlockingStub(open())).streamCompleteTrace(question(request));
      return new CompletionStream(context, pieces, this::fault);
    } catch (RuntimeException e) {
      context.cancel(e);
      throw e;
    } finally {
      context.detach(previous);
    }
  }

  /**
   * Completes one trace piece by piece, without waiting. Retries happen only before the first piece.
   *
   * @param request what to complete
   * @param listener takes the pieces, on a thread of the client
   * @return the summary, once the listener has all pieces; fails with a {@link TraceCompletionException}, or with what
   *     the listener has thrown; cancels the call when cancelled
   */
  public CompletableFuture<CompletionSummary> completeStream(
      CompleteTraceRequest request, CompletionListener listener) {
    Objects.requireNonNull(listener, "listener");
    PiecesObserver observer = new PiecesObserver(listener, this::fault);
    timed(TraceCompletionServiceGrpc.newStub(open())).streamCompleteTrace(question(request), observer);
    return observer.future;
  }

  /**
   * Completes many traces, and waits for all answers. One bad question does not spoil the others. An interrupt cancels
   * what is left.
   *
   * @param requests what to complete
   * @return an answer to each, in the same order, with its index as the id. Where the stream failed for good, those
   *     that are left have its error
   */
  public List<Answer> completeBatch(List<CompleteTraceRequest> requests) {
    Answer[] answers = new Answer[requests.size()];
    Iterator<BatchCompleteTraceRequest> questions =
        IntStream.range(0, answers.length)
            .mapToObj(i -> question(Integer.toString(i), requests.get(i)))
            .iterator();
    try {
      Futures.await(completeBatch(questions, answer -> answers[Integer.parseInt(answer.id())] = answer));
    } catch (TraceCompletionException e) {
      if (Thread.currentThread().isInterrupted()) {
        throw e;
      }
      for (int i = 0; i < answers.length; i++) {
        if (answers[i] == null) {
          answers[i] = new Answer(Integer.toString(i), null, e);
        }
      }
    }
    return List.of(answers);
  }

  /**
   * Completes any number of traces on one stream, without waiting. What is in memory does not grow with their number:
   * questions are taken and answers handed out as the stream moves. When the server goes away, questions without an
   * answer are asked again.
   *
   * <p>There is no deadline unless {@link #withTimeout} or the {@link Context} set one for the whole batch. Without, it
   * fails where no answer comes for two timeouts.
   *
   * @param questions with ids of the caller's choice. Asked on the threads of the client: it should not wait
   * @param answers takes the answers, one at a time, as they finish, in any order
   * @return done after the last answer; fails with a {@link TraceCompletionException} if the stream failed for good, or
   *     with what the iterator or the consumer has thrown; cancels all when cancelled
   */
  public CompletableFuture<Void> completeBatch(
      Iterator<BatchCompleteTraceRequest> questions, Consumer<Answer> answers) {
    Objects.requireNonNull(questions, "questions");
    Objects.requireNonNull(answers, "answers");
    TraceCompletionServiceGrpc.TraceCompletionServiceStub stub = TraceCompletionServiceGrpc.newStub(open());
    // Once for the whole batch, and not for each stream that it takes.
    TraceCompletionServiceGrpc.TraceCompletionServiceStub timed = timeoutAlways ? timed(stub) : stub;
    Deadline deadline = sooner(timed.getCallOptions().getDeadline(), Context.current().getDeadline());
    Duration patience = deadline == null ? timeout.multipliedBy(BATCH_PATIENCE) : Duration.ZERO;
    return new Batch(
        timed::batchCompleteTrace, this::fault, questions, answers, patience, deadline, pauses, retry).start();
  }

  /**
   * Whether the server can answer now: it runs, and its flow log answers. Does not wait for a connection beyond the
   * first try, nor longer than 5 seconds.
   *
   * @return false also where the server cannot be asked
   */
  public boolean isHealthy() {
    HealthCheckRequest request =
        HealthCheckRequest.newBuilder().setService(TraceCompletionServiceGrpc.SERVICE_NAME).build();
    try {
      HealthGrpc.HealthBlockingStub health = withTimeout(HEALTH_TIMEOUT).timed(HealthGrpc.newBlockingStub(open()));
      return health.check(request).getStatus() == ServingStatus.SERVING;
    } catch (StatusRuntimeException e) {
      return false;
    }
  }

  /**
   * Ends running calls with CANCELLED, and gives all connections and threads back. Takes 5 seconds at most. To close
   * again does nothing.
   */
  @Override
  public void close() {
    channel.shutdownNow();
    pauses.close();
    try {
      channel.awaitTermination(CLOSE_TIMEOUT.toMillis(), TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private ManagedChannel open() {
    if (channel.isShutdown()) {
      throw new IllegalStateException("the client is closed");
    }
    return channel;
  }

  /** The deadline that counts where there may be two, or null. */
  static Deadline sooner(Deadline one, Deadline other) {
    return one == null ? other : other == null ? one : one.minimum(other);
  }

  /** The stub with a deadline. */
  private <S extends AbstractStub<S>> S timed(S stub) {
    if (!timeoutAlways && Context.current().getDeadline() != null) {
      return stub;
    }
    return stub.withDeadlineAfter(Pause.nanos(timeout), TimeUnit.NANOSECONDS);
  }

  /**
   * Types the error of a call. A call that used up its time waiting for a connection has not been refused by a slow
   * server, and one that ended with the client has not either.
   */
  private TraceCompletionException fault(Throwable error) {
    Fault fault = Fault.of(error);
    Status status = fault.status();
    boolean unavailable = status.getCode() == Status.Code.UNAVAILABLE;
    boolean late = status.getCode() == Status.Code.DEADLINE_EXCEEDED;
    if (unavailable && channel.isShutdown()) {
      fault = Fault.of(Status.CANCELLED.withDescription("the client was closed"));
    } else if (late && fault.requestId().isEmpty() && channel.getState(false) != ConnectivityState.READY) {
      String text = "no connection to " + target + " in time: " + status.getDescription();
      fault = Fault.of(Status.UNAVAILABLE.withDescription(text));
    }
    return TraceCompletionException.of(fault, error);
  }

  private static StreamCompleteTraceRequest question(CompleteTraceRequest request) {
    return StreamCompleteTraceRequest.newBuilder().setRequest(request).build();
  }

  private static BatchCompleteTraceRequest question(String id, CompleteTraceRequest request) {
    return BatchCompleteTraceRequest.newBuilder().setCorrelationId(id).setRequest(request).build();
  }
}
