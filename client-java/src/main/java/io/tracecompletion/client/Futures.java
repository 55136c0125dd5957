package io.tracecompletion.client;

import io.grpc.Status;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;

/** Waits for futures. */
final class Futures {
  private Futures() {}

  /**
   * Waits for a future that can only fail with a {@link RuntimeException}, and throws that. If the
   * thread is interrupted, the future is cancelled.
   */
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
