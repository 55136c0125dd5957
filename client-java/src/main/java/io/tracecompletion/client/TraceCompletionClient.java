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
 * A client of a Trace Completion server. Many threads can use one client at the same time, and one
 * client per process is enough. The defaults are made for an APM in the same cluster:
 *
 * <ul>
 *   <li>A call whose {@link Context} has no deadline gets a deadline of 30 seconds.
 *   <li>If the server cannot be reached, the call waits for it until the deadline. A call that
 *       fails with UNAVAILABLE is tried again after a short random pause. If the server is busy,
 *       the call is tried again when the server says.
 *   <li>Calls are spread over all addresses of the target.
 *   <li>An answer may have up to 64 MiB.
 *   <li>Every error is a {@link TraceCompletionException} with a reason, the faults of the request
 *       and the request id.
 * </ul>
 *
 * <p>An answer with the OPT_STATUS {@code PARTIAL_RESULT} is not an error. It holds the spans that
 * were found, and its description says what is missing.
 */
public final class TraceCompletionClient implements AutoCloseable {
  /** {@link #close()} takes no longer than this. */
  private static final Duration CLOSE_TIMEOUT = Duration.ofSeconds(5);
  /** {@link #isHealthy()} takes no longer than this, because probes call it. */
  private static final Duration HEALTH_TIMEOUT = Duration.ofSeconds(5);
  /**
   * A batch fails after this many timeouts without an answer. The server itself limits the time of
   * each question, so a server that is silent for longer is gone.
   */
  private static final int BATCH_PATIENCE = 2;

  private final String target;
  private final ManagedChannel channel;
  /** Not private, so that tests can see that a call waits for its next try. */
  final Pauses pauses;

  private final Duration timeout;
  /**
   * Whether the timeout also applies when the context has a deadline. Then the sooner of both
   * counts.
   */
  private final boolean timeoutAlways;

  private final boolean retry;

  TraceCompletionClient(
      String target,
      ManagedChannel channel,
      Pauses pauses,
      Duration timeout,
      boolean timeoutAlways,
      boolean retry) {
    this.target = target;
    this.channel = channel;
    this.pauses = pauses;
    this.timeout = timeout;
    this.timeoutAlways = timeoutAlways;
    this.retry = retry;
  }

  /**
   * Begins to build a client.
   *
   * @param target the server in gRPC's syntax, such as {@code host:port}. If the host name has
   *     several addresses, as that of a headless service has, all of them are used
   * @return a builder with safe defaults
   */
  public static TraceCompletionClientBuilder builder(String target) {
    return new TraceCompletionClientBuilder(target);
  }

  /**
   * Returns a client with another timeout that shares the connections of this one:
   * {@code client.withTimeout(Duration.ofSeconds(3)).complete(request)}. If the {@link Context} has
   * an earlier deadline, that one counts. Closing one of the two clients closes both.
   *
   * @param timeout the time for each call, more than zero
   * @return a client that differs only in the timeout
   */
  public TraceCompletionClient withTimeout(Duration timeout) {
    return new TraceCompletionClient(
        target, channel, pauses, TraceCompletionClientBuilder.positive(timeout), true, retry);
  }

  /**
   * Completes one trace, and waits for the answer. If the thread is interrupted, the call is
   * cancelled.
   *
   * @param request the spans of the trace, and how far to search
   * @return the answer, complete or partial
   * @throws TraceCompletionException if the call failed
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
   * Completes one trace without waiting.
   *
   * @param request the spans of the trace, and how far to search
   * @return a future of the answer. It fails with a {@link TraceCompletionException}. Cancelling it
   *     cancels the call
   */
  public CompletableFuture<CompleteTraceResponse> completeAsync(CompleteTraceRequest request) {
    Objects.requireNonNull(request, "request");
    UnaryObserver observer = new UnaryObserver(this::fault);
    timed(TraceCompletionServiceGrpc.newStub(open())).completeTrace(request, observer);
    return observer.future;
  }

  /**
   * Completes one trace piece by piece. Use it for answers that may be too large for one message.
   * The call is retried only before its first piece, because later the caller has already seen a
   * part of the answer.
   *
   * @param request the spans of the trace, and how far to search
   * @return the pieces. Read them to the end, or close the stream
   */
  public CompletionStream completeStream(CompleteTraceRequest request) {
    Context.CancellableContext context = Context.current().withCancellation();
    Context previous = context.attach();
    try {
      Iterator<StreamCompleteTraceResponse> pieces = timed(
              TraceCompletionServiceGrpc.newBlockingStub(open()))
          .streamCompleteTrace(question(request));
      return new CompletionStream(context, pieces, this::fault);
    } catch (RuntimeException e) {
      context.cancel(e);
      throw e;
    } finally {
      context.detach(previous);
    }
  }

  /**
   * Completes one trace piece by piece, without waiting. The call is retried only before its first
   * piece.
   *
   * @param request the spans of the trace, and how far to search
   * @param listener receives the pieces, on a thread of the client
   * @return a future of the summary, which is done when the listener has received all pieces. It
   *     fails with a {@link TraceCompletionException}, or with the exception that the listener has
   *     thrown. Cancelling it cancels the call
   */
  public CompletableFuture<CompletionSummary> completeStream(
      CompleteTraceRequest request, CompletionListener listener) {
    Objects.requireNonNull(listener, "listener");
    PiecesObserver observer = new PiecesObserver(listener, this::fault);
    timed(TraceCompletionServiceGrpc.newStub(open()))
        .streamCompleteTrace(question(request), observer);
    return observer.future;
  }

  /**
   * Completes many traces, and waits for all answers. If one question fails, the others are still
   * answered. If the thread is interrupted, the remaining questions are cancelled.
   *
   * @param requests one question for each trace
   * @return one answer for each question, in the same order. The id of an answer is the index of
   *     its question. If the stream fails and cannot be opened again, all remaining answers hold
   *     that error
   */
  public List<Answer> completeBatch(List<CompleteTraceRequest> requests) {
    Answer[] answers = new Answer[requests.size()];
    Iterator<BatchCompleteTraceRequest> questions = IntStream.range(0, answers.length)
        .mapToObj(i -> question(Integer.toString(i), requests.get(i)))
        .iterator();
    try {
      Futures.await(
          completeBatch(questions, answer -> answers[Integer.parseInt(answer.id())] = answer));
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
   * Completes any number of traces on one stream, without waiting. The memory that it needs does
   * not depend on their number: it takes a question when there is room for it, and passes on each
   * answer when it arrives. If the server goes away, the unanswered questions are asked again.
   *
   * <p>There is no deadline for the whole batch, unless {@link #withTimeout} or the {@link Context}
   * sets one. Without a deadline, the batch fails when no answer has arrived for twice the timeout.
   *
   * @param questions the questions, with ids that the caller chooses. The iterator runs on threads
   *     of the client and should not block
   * @param answers receives the answers one at a time, in the order in which they finish
   * @return a future that is done after the last answer. It fails with a
   *     {@link TraceCompletionException} if the stream fails and cannot be opened again, or with
   *     the exception that the iterator or the consumer has thrown. Cancelling it cancels all
   *     questions
   */
  public CompletableFuture<Void> completeBatch(
      Iterator<BatchCompleteTraceRequest> questions, Consumer<Answer> answers) {
    Objects.requireNonNull(questions, "questions");
    Objects.requireNonNull(answers, "answers");
    TraceCompletionServiceGrpc.TraceCompletionServiceStub stub =
        TraceCompletionServiceGrpc.newStub(open());
    // The deadline is set once for the whole batch, not for each stream that it opens.
    TraceCompletionServiceGrpc.TraceCompletionServiceStub timed =
        timeoutAlways ? timed(stub) : stub;
    Deadline deadline =
        sooner(timed.getCallOptions().getDeadline(), Context.current().getDeadline());
    Duration patience = deadline == null ? timeout.multipliedBy(BATCH_PATIENCE) : Duration.ZERO;
    return new Batch(
            timed::batchCompleteTrace,
            this::fault,
            questions,
            answers,
            patience,
            deadline,
            pauses,
            retry)
        .start();
  }

  /**
   * Returns whether the server can answer questions now: the server runs, and its flow log answers.
   * It tries to connect only once, and takes 5 seconds at most.
   *
   * @return false if the server is not ready or cannot be reached
   */
  public boolean isHealthy() {
    HealthCheckRequest request = HealthCheckRequest.newBuilder()
        .setService(TraceCompletionServiceGrpc.SERVICE_NAME)
        .build();
    try {
      HealthGrpc.HealthBlockingStub health =
          withTimeout(HEALTH_TIMEOUT).timed(HealthGrpc.newBlockingStub(open()));
      return health.check(request).getStatus() == ServingStatus.SERVING;
    } catch (StatusRuntimeException e) {
      return false;
    }
  }

  /**
   * Closes the connections and frees the threads. Running calls fail with CANCELLED. It takes 5
   * seconds at most. Closing a client again does nothing.
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

  /** The sooner of two deadlines, each of which may be null. */
  static Deadline sooner(Deadline one, Deadline other) {
    return one == null ? other : other == null ? one : one.minimum(other);
  }

  /** Gives the stub a deadline, unless the context has one that counts. */
  private <S extends AbstractStub<S>> S timed(S stub) {
    if (!timeoutAlways && Context.current().getDeadline() != null) {
      return stub;
    }
    return stub.withDeadlineAfter(Pause.nanos(timeout), TimeUnit.NANOSECONDS);
  }

  /**
   * Turns the error of a call into our own exception. If the call waited for a connection until the
   * deadline, the error is UNAVAILABLE and says why there was no connection. If the client was
   * closed, it is CANCELLED.
   */
  private TraceCompletionException fault(Throwable error) {
    Fault fault = Fault.of(error);
    Status status = fault.status();
    boolean unavailable = status.getCode() == Status.Code.UNAVAILABLE;
    boolean late = status.getCode() == Status.Code.DEADLINE_EXCEEDED;
    if (unavailable && channel.isShutdown()) {
      fault = Fault.of(Status.CANCELLED.withDescription("the client was closed"));
    } else if (late
        && fault.requestId().isEmpty()
        && channel.getState(false) != ConnectivityState.READY) {
      String text = "no connection to " + target + " in time: " + status.getDescription();
      fault = Fault.of(Status.UNAVAILABLE.withDescription(text));
    }
    return TraceCompletionException.of(fault, error);
  }

  private static StreamCompleteTraceRequest question(CompleteTraceRequest request) {
    return StreamCompleteTraceRequest.newBuilder().setRequest(request).build();
  }

  private static BatchCompleteTraceRequest question(String id, CompleteTraceRequest request) {
    return BatchCompleteTraceRequest.newBuilder()
        .setCorrelationId(id)
        .setRequest(request)
        .build();
  }
}
