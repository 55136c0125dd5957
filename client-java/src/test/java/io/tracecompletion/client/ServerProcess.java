package io.tracecompletion.client;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Runs the real program in a process of its own. */
final class ServerProcess implements AutoCloseable {
  /** Names the program to test against. Without it, the debug build of the repository is used. */
  private static final String VARIABLE = "TRACE_COMPLETION_PROGRAM";

  private static final Path REPOSITORY = Path.of("..").toAbsolutePath().normalize();
  private static final long PATIENCE_SECONDS = 60;

  private static final Pattern SERVES = Pattern.compile("listening.* address=(\\S+)");
  private static final Pattern STORES = Pattern.compile("(?s)reader (\\S+)\\n.*ready ");

  private static final Set<Process> RUNNING = ConcurrentHashMap.newKeySet();

  static {
    // If the tests are interrupted, they cannot close their servers.
    Runtime.getRuntime()
        .addShutdownHook(new Thread(() -> RUNNING.forEach(Process::destroyForcibly)));
  }

  /** The address that the program printed: host and port of a server, or the URL of a store. */
  final String address;

  private final Process process;
  private final Path log;

  private ServerProcess(List<String> arguments, Pattern started) {
    Path program = program();
    List<String> command = new ArrayList<>(List.of(program.toString()));
    command.addAll(arguments);
    try {
      log = Files.createTempFile(
          Files.createDirectories(Path.of("target", "servers")), arguments.get(0), ".log");
      // The program looks for the embedded ClickHouse in .cache of its working directory.
      process = new ProcessBuilder(command)
          .directory(REPOSITORY.toFile())
          .redirectErrorStream(true)
          .redirectOutput(log.toFile())
          .start();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    RUNNING.add(process);
    address = await(started);
  }

  /** A server with these options, at a free port. */
  static ServerProcess serve(String... options) {
    return serveAt(0, options);
  }

  static ServerProcess serveAt(int port, String... options) {
    List<String> arguments = new ArrayList<>(List.of("serve", "--listen", "127.0.0.1:" + port));
    arguments.addAll(List.of(options));
    return new ServerProcess(arguments, SERVES);
  }

  /**
   * A ClickHouse with the rows of the demo. Its address is the configuration file of a server that
   * reads it.
   */
  static ServerProcess demoStore(Path data) {
    try (ServerProcess demo = new ServerProcess(
        List.of("demo", "--data-dir", data.toString()),
        Pattern.compile("\\d+ (spans): .* network"))) {
      demo.end();
      return new ServerProcess(List.of("clickhouse", "--data-dir", data.toString()), STORES);
    }
  }

  /** What the program prints with these arguments. */
  static String output(String... arguments) {
    try (ServerProcess process =
        new ServerProcess(List.of(arguments), Pattern.compile("(?s)(.*)"))) {
      process.end();
      return process.log();
    }
  }

  /** The path of the program. If it is not there, the test fails. */
  private static Path program() {
    String variable = System.getenv(VARIABLE);
    Path program = variable == null || variable.isEmpty()
        ? REPOSITORY.resolve("target/debug/trace-completion")
        : Path.of(variable).toAbsolutePath();
    if (!Files.isExecutable(program)) {
      throw new AssertionError("no server to test against: " + program + " (make build makes it; "
          + VARIABLE + " names another)");
    }
    return program;
  }

  private String await(Pattern started) {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
    while (System.nanoTime() < end) {
      boolean alive = process.isAlive();
      Matcher line = started.matcher(log());
      if (line.find()) {
        return line.group(1);
      }
      if (!alive) {
        break;
      }
      Wait.pause(10);
    }
    kill();
    throw new AssertionError("the program does not run:\n" + log());
  }

  private String log() {
    try {
      return Files.readString(log);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Ends the program at once, like a crash. */
  void kill() {
    process.destroyForcibly();
    gone(PATIENCE_SECONDS);
  }

  /** Waits for a program that ends by itself. */
  private void end() {
    if (!gone(PATIENCE_SECONDS) || process.exitValue() != 0) {
      kill();
      throw new AssertionError("the program failed:\n" + log());
    }
  }

  @Override
  public void close() {
    process.destroy();
    if (!gone(20)) {
      kill();
    }
  }

  private boolean gone(long seconds) {
    try {
      boolean gone = process.waitFor(seconds, TimeUnit.SECONDS);
      if (gone) {
        RUNNING.remove(process);
      }
      return gone;
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }
}
