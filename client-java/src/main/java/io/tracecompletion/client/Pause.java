package io.tracecompletion.client;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;

/**
 * Waits without a thread of our own, on the timer and the pool of the JDK, which the whole process
 * shares.
 */
final class Pause {
  private Pause() {}

  /** Runs the task after the pause. The task must not block. */
  static void then(Duration pause, Runnable task) {
    CompletableFuture.delayedExecutor(nanos(pause), TimeUnit.NANOSECONDS).execute(task);
  }

  /**
   * Makes the delay up to half as long again, at random, so that rejected callers do not all come
   * back at once.
   */
  static Duration spread(Duration delay) {
    long nanos = nanos(delay);
    long more = ThreadLocalRandom.current().nextLong(nanos / 2 + 1);
    return Duration.ofNanos(nanos > Long.MAX_VALUE - more ? Long.MAX_VALUE : nanos + more);
  }

  /** The duration in nanoseconds, at most {@link Long#MAX_VALUE}. */
  static long nanos(Duration duration) {
    try {
      return duration.toNanos();
    } catch (ArithmeticException e) {
      return Long.MAX_VALUE;
    }
  }
}
