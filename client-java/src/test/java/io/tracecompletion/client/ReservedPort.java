package io.tracecompletion.client;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;

/**
 * A port of 127.0.0.1 that belongs to the test until it is closed: the system gives it to nobody
 * else, and connections to it are refused. The test may start a server there, end it, and start
 * another.
 *
 * <p>What keeps the port is a socket that is bound and does not listen. It may share its address,
 * as the sockets of servers may, so that these can be bound beside it.
 */
final class ReservedPort implements AutoCloseable {
  private final Socket socket = new Socket();

  ReservedPort() {
    try {
      socket.setReuseAddress(true);
      socket.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  int number() {
    return socket.getLocalPort();
  }

  String address() {
    return "127.0.0.1:" + number();
  }

  @Override
  public void close() {
    try {
      socket.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
