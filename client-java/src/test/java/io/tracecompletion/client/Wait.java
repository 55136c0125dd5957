package io.tracecompletion.client;

import java.util.function.BooleanSupplier;
import java.util.function.Supplier;

/** Waits for something that another thread does. */
final class Wait {
  private Wait() {}

  static void until(BooleanSupplier condition) {
    until(condition, () -> "what was waited for");
  }

  static void until(BooleanSupplier condition, Supplier<String> what) {
    long end = System.nanoTime() + 20_000_000_000L;
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() > end) {
        throw new AssertionError("not in 20 s: " + what.get());
      }
      pause(5);
    }
  }

  static void pause(long millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }
}
