package io.tracecompletion.client;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;

/** Time that passes without a thread of ours: the JDK's own timer and pool, which the whole process shares. */
final class Pause {
  private Pause() {}

  /** Runs the task when the pause is over. The task must not wait. */
  static void then(Duration pause, Runnable task) {
    CompletableFuture.delayedExecutor(nanos(pause), TimeUnit.NANOSECONDS).execute(task);
  }

  /** Up to half as long again, so that all who were shed at once do not come back at once. */
  static Duration spread(Duration delay) {
    long nanos = nanos(delay);
    long more = ThreadLocalRandom.current().nextLong(nanos / 2 + 1);
    return Duration.ofNanos(nanos > Long.MAX_VALUE - more ? Long.MAX_VALUE : nanos + more);
  }

  /** The duration, or the longest that a {@code long} of nanoseconds holds. */
  static long nanos(Duration duration) {
    try {
      return duration.toNanos();
    } catch (ArithmeticException e) {
      return Long.MAX_VALUE;
    }
  }
}
