package io.tracecompletion.client;

import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;

/**
 * Turns a call into a future. If the caller ends the future, with {@code cancel}, {@code orTimeout}
 * or otherwise, the call is cancelled.
 */
abstract class FutureObserver<Q, A, T> implements ClientResponseObserver<Q, A> {
  final CompletableFuture<T> future = new CompletableFuture<>();
  private final Function<Throwable, TraceCompletionException> faults;
  private volatile boolean ended;

  FutureObserver(Function<Throwable, TraceCompletionException> faults) {
    this.faults = faults;
  }

  @Override
  public void beforeStart(ClientCallStreamObserver<Q> call) {
    future.whenComplete((result, error) -> {
      // A call that has ended by itself is not cancelled: another thread may still be starting it.
      if (error != null && !ended) {
        call.cancel("the future has ended", error);
      }
    });
  }

  @Override
  public void onError(Throwable error) {
    ended = true;
    future.completeExceptionally(faults.apply(error));
  }

  @Override
  public void onCompleted() {
    ended = true;
    try {
      future.complete(result());
    } catch (TraceCompletionException e) {
      future.completeExceptionally(e);
    }
  }

  /** The result of a call that ended without an error. */
  abstract T result();
}
