package io.tracecompletion.client;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/**
 * A ClickHouse that never answers, so that the calls of a server do not end before the server is
 * killed.
 */
final class MuteStore implements AutoCloseable {
  private final HttpServer http;
  private final Semaphore questions = new Semaphore(0);

  MuteStore() {
    try {
      http = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    http.createContext("/", exchange -> {
      // Health checks of the server do not count, because no call causes them.
      if (!exchange.getRequestURI().getQuery().contains("query_id=ping-")) {
        questions.release();
      }
    });
    http.start();
  }

  String url() {
    return "http://127.0.0.1:" + http.getAddress().getPort();
  }

  /** Waits until a server asks on behalf of a call. */
  void awaitQuestion() throws InterruptedException {
    if (!questions.tryAcquire(30, TimeUnit.SECONDS)) {
      throw new AssertionError("no call came as far as the store in 30 s");
    }
  }

  @Override
  public void close() {
    http.stop(0);
  }
}
