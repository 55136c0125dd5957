package io.tracecompletion.client;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** The real server, as a process of its own. */
final class ServerProcess implements AutoCloseable {
  /** Names the program under test; by default that of the repository's debug build. */
  private static final String VARIABLE = "TRACE_COMPLETION_PROGRAM";
  private static final long START_SECONDS = 60;

  final int port;
  private final Process process;
  private final Path log;

  private ServerProcess(int port, Process process, Path log) {
    this.port = port;
    this.process = process;
    this.log = log;
  }

  /** Starts a server with these options, and waits until it takes connections. */
  static ServerProcess start(int port, String... options) {
    Path program = program();
    List<String> command = new ArrayList<>(List.of(program.toString(), "serve", "--listen", "127.0.0.1:" + port));
    command.addAll(List.of(options));
    try {
      Path log = Files.createTempFile("trace-completion", ".log");
      // The embedded ClickHouse is looked for in .cache of the working directory: that of the repository.
      Process process =
          new ProcessBuilder(command)
              .directory(program.getParent().getParent().getParent().toFile())
              .redirectErrorStream(true)
              .redirectOutput(log.toFile())
              .start();
      ServerProcess server = new ServerProcess(port, process, log);
      server.awaitConnections();
      return server;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Without the program there is nothing to test against: that is a failure. */
  private static Path program() {
    String variable = System.getenv(VARIABLE);
    Path program = Path.of(variable == null || variable.isEmpty() ? "../target/debug/trace-completion" : variable)
        .toAbsolutePath().normalize();
    if (!Files.isExecutable(program)) {
      throw new AssertionError(
          "no server to test against: " + program + " (make build makes it; " + VARIABLE + " names another)");
    }
    return program;
  }

  static int freePort() {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void awaitConnections() {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(START_SECONDS);
    while (System.nanoTime() < end && process.isAlive()) {
      try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
        return;
      } catch (IOException e) {
        Wait.pause(20);
      }
    }
    close();
    throw new AssertionError("the server does not run:\n" + log());
  }

  String log() {
    try {
      return Files.readString(log);
    } catch (IOException e) {
      return e.toString();
    }
  }

  /** Ends the server at once, as a crash would. */
  void kill() {
    process.destroyForcibly();
    await();
  }

  @Override
  public void close() {
    process.destroy();
    await();
  }

  private void await() {
    try {
      if (!process.waitFor(20, TimeUnit.SECONDS)) {
        process.destroyForcibly().waitFor();
      }
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }
}
