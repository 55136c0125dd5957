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
 * Many questions, on one stream while it holds. Questions are taken as the stream has room, at most {@link #IN_FLIGHT}
 * without an answer, and one answer is asked for at a time: what is in memory does not grow with the batch. When the
 * stream breaks, the questions without an answer are asked again on another.
 *
 * <p>All fields but the future belong to whoever runs a callback of the current stream; gRPC runs them one after the
 * other, and the next stream begins after the end of the last.
 */
final class Batch {
  /** Questions without an answer. A server takes 16 unless configured otherwise; the others are on their way. */
  static final int IN_FLIGHT = 32;
  /** Streams that end without any answer, one after the other, before the batch gives up. */
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
  /** Between two streams nothing else hears of the end of the context. */
  private final Context.CancellationListener contextEnd = this::contextEnded;

  /** Sent on the current stream, without an answer. */
  private final List<BatchCompleteTraceRequest> inFlight = new ArrayList<>();
  /** Sent on a stream that broke, and not yet on the current one. */
  private final Deque<BatchCompleteTraceRequest> again = new ArrayDeque<>();
  /** Streams since the last answer. */
  private int attempts;
  private volatile ClientCallStreamObserver<BatchCompleteTraceRequest> call;
  private volatile long progress = System.nanoTime();

  /**
   * A batch that does not run yet.
   *
   * @param open begins a stream whose answers go to the observer
   * @param patience time without an answer after which the batch fails; zero for no bound
   * @param deadline of the whole batch; null for none
   * @param pauses those of the client
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
    // It may have ended while there was no stream yet to cancel.
    if (future.isCompletedExceptionally()) {
      cancel(null);
    }
  }

  /** Ends a batch of which nothing is heard: gRPC itself would wait for ever where no deadline is set. */
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
    future.completeExceptionally(faults.apply(Contexts.statusFromCancelled(ended).asRuntimeException()));
  }

  private void cancel(Throwable cause) {
    ClientCallStreamObserver<BatchCompleteTraceRequest> call = this.call;
    if (call != null) {
      call.cancel("the batch has ended", cause);
    }
  }

  /** One stream. */
  private final class Answers
      implements ClientResponseObserver<BatchCompleteTraceRequest, BatchCompleteTraceResponse> {
    private boolean closed;

    @Override
    public void beforeStart(ClientCallStreamObserver<BatchCompleteTraceRequest> stream) {
      call = stream;
      stream.disableAutoRequestWithInitial(1);
      stream.setOnReadyHandler(this::send);
    }

    /** Sends what there is room for. */
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
        Status status = Status.INTERNAL.withDescription("an answer to no question: " + message.getCorrelationId());
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

    /** Callers choose the ids, and need not make them unique: any question of that id will do. */
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
      boolean late = deadline != null && deadline.timeRemaining(TimeUnit.NANOSECONDS) <= Pause.nanos(pause);
      if (!retry || !transientFault || attempts >= MAX_ATTEMPTS || late || context.isCancelled()) {
        future.completeExceptionally(typed);
        return;
      }
      // In the order in which they were asked, before all others.
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
        Status status = Status.INTERNAL.withDescription("the stream ended with questions unanswered");
        future.completeExceptionally(faults.apply(new StatusRuntimeException(status)));
      }
    }
  }
}
