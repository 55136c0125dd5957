package io.tracecompletion.client;

import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.Deadline;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import io.grpc.stub.StreamObserver;
import io.tracecompletion.v1.BatchCompleteTraceRequest;
import io.tracecompletion.v1.BatchCompleteTraceResponse;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * Asks many questions on one stream. It takes a question when the stream has room and fewer than
 * {@link #IN_FLIGHT} questions wait for an answer, and it requests one answer at a time. So the
 * memory that it needs does not depend on the number of questions. When the stream breaks, it opens
 * another and sends the unanswered questions again.
 *
 * <p>All fields except the future are used only in callbacks of the current stream. gRPC runs these
 * callbacks one after the other, and a new stream begins only after the previous one has ended.
 */
final class Batch {
  /**
   * Most questions that wait for an answer. A server works on 16 of them unless it is configured
   * otherwise; the others are on their way, so that the server never has to wait for the next.
   */
  static final int IN_FLIGHT = 32;
  /** The batch fails when this many streams in a row have ended without any answer. */
  static final int MAX_ATTEMPTS = 5;

  private static final Duration FIRST_PAUSE = Duration.ofMillis(100);

  final CompletableFuture<Void> future = new CompletableFuture<>();
  private final Function<StreamObserver<BatchCompleteTraceResponse>, ?> open;
  private final Function<Throwable, TraceCompletionException> faults;
  private final Iterator<BatchCompleteTraceRequest> questions;
  private final Consumer<Answer> answers;
  private final Duration patience;
  private final Deadline deadline;
  private final Pauses pauses;
  private final boolean retry;
  private final Context context = Context.current();
  /** Between two streams no call exists that would notice the end of the context. */
  private final Context.CancellationListener contextEnd = this::contextEnded;

  /** Questions that were sent on the current stream and have no answer yet. */
  private final List<BatchCompleteTraceRequest> inFlight = new ArrayList<>();
  /** Questions that were sent on a stream that broke, and have not been sent on the current one. */
  private final Deque<BatchCompleteTraceRequest> again = new ArrayDeque<>();
  /** Number of streams that were opened since the last answer. */
  private int attempts;

  private volatile ClientCallStreamObserver<BatchCompleteTraceRequest> call;
  private volatile long progress = System.nanoTime();

  /**
   * Makes a batch. {@link #start} runs it.
   *
   * @param open opens a stream whose answers go to the observer
   * @param patience the batch fails if no answer comes for this long; zero for no limit
   * @param deadline the deadline of the whole batch; null for none
   * @param pauses the pauses of the client
   */
  Batch(
      Function<StreamObserver<BatchCompleteTraceResponse>, ?> open,
      Function<Throwable, TraceCompletionException> faults,
      Iterator<BatchCompleteTraceRequest> questions,
      Consumer<Answer> answers,
      Duration patience,
      Deadline deadline,
      Pauses pauses,
      boolean retry) {
    this.open = open;
    this.faults = faults;
    this.questions = questions;
    this.answers = answers;
    this.patience = patience;
    this.deadline = deadline;
    this.pauses = pauses;
    this.retry = retry;
  }

  CompletableFuture<Void> start() {
    future.whenComplete((nothing, error) -> {
      context.removeListener(contextEnd);
      if (error != null) {
        cancel(error);
      }
    });
    context.addListener(contextEnd, Runnable::run);
    if (!patience.isZero()) {
      Pause.then(patience, this::watch);
    }
    connect();
    return future;
  }

  private void connect() {
    attempts++;
    try {
      context.run(() -> open.apply(new Answers()));
    } catch (RuntimeException e) {
      future.completeExceptionally(e);
    }
    // The batch may have ended before there was a stream to cancel.
    if (future.isCompletedExceptionally()) {
      cancel(null);
    }
  }

  /**
   * Fails the batch if no answer came for too long. Without a deadline, gRPC itself would wait for
   * ever.
   */
  private void watch() {
    if (future.isDone()) {
      return;
    }
    long left = Pause.nanos(patience) - (System.nanoTime() - progress);
    if (left > 0) {
      Pause.then(Duration.ofNanos(left), this::watch);
      return;
    }
    Status status = Status.DEADLINE_EXCEEDED.withDescription("no answer in " + patience);
    future.completeExceptionally(faults.apply(status.asRuntimeException()));
  }

  private void contextEnded(Context ended) {
    future.completeExceptionally(
        faults.apply(Contexts.statusFromCancelled(ended).asRuntimeException()));
  }

  private void cancel(Throwable cause) {
    ClientCallStreamObserver<BatchCompleteTraceRequest> call = this.call;
    if (call != null) {
      call.cancel("the batch has ended", cause);
    }
  }

  /** Receives the answers of one stream, and sends its questions. */
  private final class Answers
      implements ClientResponseObserver<BatchCompleteTraceRequest, BatchCompleteTraceResponse> {
    private boolean closed;

    @Override
    public void beforeStart(ClientCallStreamObserver<BatchCompleteTraceRequest> stream) {
      call = stream;
      stream.disableAutoRequestWithInitial(1);
      stream.setOnReadyHandler(this::send);
    }

    /** Sends questions as long as there is room. */
    private void send() {
      try {
        while (!closed && !future.isDone() && inFlight.size() < IN_FLIGHT && call.isReady()) {
          BatchCompleteTraceRequest question = again.poll();
          if (question == null && questions.hasNext()) {
            question = questions.next();
          }
          if (question == null) {
            closed = true;
            call.onCompleted();
            return;
          }
          if (inFlight.isEmpty()) {
            progress = System.nanoTime();
          }
          inFlight.add(question);
          call.onNext(question);
        }
      } catch (Throwable e) {
        future.completeExceptionally(e);
      }
    }

    @Override
    public void onNext(BatchCompleteTraceResponse message) {
      if (future.isDone()) {
        return;
      }
      if (!answered(message.getCorrelationId())) {
        Status status = Status.INTERNAL.withDescription(
            "an answer came for an id that was not asked: " + message.getCorrelationId());
        future.completeExceptionally(faults.apply(status.asRuntimeException()));
        return;
      }
      attempts = 0;
      try {
        answers.accept(Answer.of(message));
      } catch (Throwable e) {
        future.completeExceptionally(e);
        return;
      }
      progress = System.nanoTime();
      send();
      call.request(1);
    }

    /**
     * Removes the question that this answer belongs to, and returns whether there was one. Callers
     * choose the ids and may use one twice. Then any of these questions is removed.
     */
    private boolean answered(String id) {
      for (int i = 0; i < inFlight.size(); i++) {
        if (inFlight.get(i).getCorrelationId().equals(id)) {
          inFlight.remove(i);
          return true;
        }
      }
      return false;
    }

    @Override
    public void onError(Throwable error) {
      if (future.isDone()) {
        return;
      }
      TraceCompletionException typed = faults.apply(error);
      boolean busy = typed instanceof ServerBusyException;
      boolean transientFault = busy || typed instanceof UnavailableException;
      Duration pause = Pause.spread(
          busy ? typed.getRetryDelay().orElseThrow() : FIRST_PAUSE.multipliedBy(1L << attempts));
      boolean late =
          deadline != null && deadline.timeRemaining(TimeUnit.NANOSECONDS) <= Pause.nanos(pause);
      if (!retry || !transientFault || attempts >= MAX_ATTEMPTS || late || context.isCancelled()) {
        future.completeExceptionally(typed);
        return;
      }
      // They go first, in the order in which they were asked.
      for (int i = inFlight.size(); i-- > 0; ) {
        again.push(inFlight.get(i));
      }
      inFlight.clear();
      pauses.then(pause, this::reconnect);
    }

    private void reconnect() {
      if (!future.isDone()) {
        connect();
      }
    }

    @Override
    public void onCompleted() {
      if (inFlight.isEmpty() && closed) {
        future.complete(null);
      } else {
        Status status =
            Status.INTERNAL.withDescription("the stream ended before all questions were answered");
        future.completeExceptionally(faults.apply(new StatusRuntimeException(status)));
      }
    }
  }
}
