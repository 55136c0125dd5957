package io.tracecompletion.client;

import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicReference;

/**
 * The pauses of one client between two tries. Closing the client ends them. Otherwise a call that
 * waits for its next try would live longer than the client.
 */
final class Pauses implements AutoCloseable {
  /**
   * One reference for each pause. Running the task empties the reference, so that the JDK's timer
   * does not keep a call in memory after its pause has ended.
   */
  private final Set<AtomicReference<Runnable>> waiting = ConcurrentHashMap.newKeySet();

  private volatile boolean closed;

  /** Runs the task once: after the pause, or when the client is closed. The task must not block. */
  void then(Duration pause, Runnable task) {
    AtomicReference<Runnable> waiter = new AtomicReference<>(task);
    waiting.add(waiter);
    Pause.then(pause, () -> run(waiter));
    if (closed) {
      close();
    }
  }

  /** Number of calls that wait for their next try now. */
  int count() {
    return waiting.size();
  }

  /**
   * Runs all tasks that wait now. The channel has been shut down before, so each call ends with
   * that error.
   */
  @Override
  public void close() {
    closed = true;
    waiting.forEach(this::run);
  }

  private void run(AtomicReference<Runnable> waiter) {
    waiting.remove(waiter);
    Runnable task = waiter.getAndSet(null);
    if (task != null) {
      task.run();
    }
  }
}
