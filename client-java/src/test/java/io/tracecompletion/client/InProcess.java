package io.tracecompletion.client;

import io.grpc.Server;
import io.grpc.ServerInterceptors;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.inprocess.InProcessServerBuilder;
import io.grpc.protobuf.services.HealthStatusManager;
import java.io.IOException;
import java.util.UUID;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/** Tests with a fake service in this process, and a client of it. */
abstract class InProcess {
  final FakeService service = new FakeService();
  final HealthStatusManager health = new HealthStatusManager();
  private final String name = UUID.randomUUID().toString();
  private Server server;
  TraceCompletionClient client;

  @BeforeEach
  void begin() throws IOException {
    server = InProcessServerBuilder.forName(name)
        .addService(ServerInterceptors.intercept(service, service))
        .addService(health.getHealthService())
        .build()
        .start();
    client = client(builder -> builder);
  }

  @AfterEach
  void end() throws InterruptedException {
    client.close();
    server.shutdownNow().awaitTermination();
  }

  /** Waits until a call that has failed waits for its next try. */
  void awaitPause() {
    Wait.until(() -> client.pauses.count() == 1);
  }

  /** Replaces the client. */
  TraceCompletionClient client(UnaryOperator<TraceCompletionClientBuilder> options) {
    if (client != null) {
      client.close();
    }
    client = options
        .apply(TraceCompletionClient.builder("in-process"))
        .build(InProcessChannelBuilder.forName(name));
    return client;
  }
}
