package io.tracecompletion.client;

import io.grpc.Status;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;

/** Waiting for futures. */
final class Futures {
  private Futures() {}

  /** Waits for a future that fails with nothing but a {@link RuntimeException}. An interrupt cancels it. */
  static <T> T await(CompletableFuture<T> future) {
    try {
      return future.get();
    } catch (InterruptedException e) {
      future.cancel(true);
      Thread.currentThread().interrupt();
      Status status = Status.CANCELLED.withDescription("the waiting thread was interrupted");
      throw TraceCompletionException.of(Fault.of(status), e);
    } catch (ExecutionException e) {
      if (e.getCause() instanceof RuntimeException cause) {
        throw cause;
      }
      throw new IllegalStateException(e.getCause());
    }
  }
}
