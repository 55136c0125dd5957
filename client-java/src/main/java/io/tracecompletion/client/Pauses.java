package io.tracecompletion.client;

import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicReference;

/**
 * The pauses of one client before it asks again. They end with the client: a call that waits for its next try would
 * outlive it otherwise.
 */
final class Pauses implements AutoCloseable {
  /** Emptied by whoever runs the task, so that the JDK's timer does not keep the call of a pause that has ended. */
  private final Set<AtomicReference<Runnable>> waiting = ConcurrentHashMap.newKeySet();
  private volatile boolean closed;

  /** Runs the task once: when the pause is over, or when the client is closed. The task must not wait. */
  void then(Duration pause, Runnable task) {
    AtomicReference<Runnable> waiter = new AtomicReference<>(task);
    waiting.add(waiter);
    Pause.then(pause, () -> run(waiter));
    if (closed) {
      close();
    }
  }

  /** How many calls wait for their next try now. */
  int count() {
    return waiting.size();
  }

  /** Runs what waits now. The channel is shut down by then, and tells each call so. */
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
