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
 * <p>A socket that is bound but does not listen keeps the port. It has SO_REUSEADDR, as the sockets
 * of servers have, so a server can bind the same port.
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
