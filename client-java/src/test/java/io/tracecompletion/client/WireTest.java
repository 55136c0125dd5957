package io.tracecompletion.client;

import static io.tracecompletion.client.Questions.ANSWER;
import static io.tracecompletion.client.Questions.QUESTION;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.EquivalentAddressGroup;
import io.grpc.ForwardingChannelBuilder2;
import io.grpc.Grpc;
import io.grpc.InsecureServerCredentials;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
import io.grpc.NameResolver;
import io.grpc.NameResolverProvider;
import io.grpc.NameResolverRegistry;
import io.grpc.Server;
import io.grpc.ServerCredentials;
import io.grpc.ServerInterceptors;
import io.grpc.Status;
import io.grpc.StatusOr;
import io.grpc.TlsServerCredentials;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.tracecompletion.v1.CompleteTraceRequest;
import io.tracecompletion.v1.CompleteTraceResponse;
import io.tracecompletion.v1.CompletedTrace;
import io.tracecompletion.v1.Span;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests what can be seen only on a real connection. */
class WireTest {
  private static Certificates ours;
  private static Certificates theirs;

  private final FakeService service = new FakeService();
  private Server server;
  private TraceCompletionClient client;

  @BeforeAll
  static void certificates(@TempDir Path directory) throws IOException {
    ours = Certificates.make(directory, "ours");
    theirs = Certificates.make(directory, "theirs");
  }

  @AfterEach
  void end() throws InterruptedException {
    if (client != null) {
      client.close();
    }
    if (server != null) {
      server.shutdownNow().awaitTermination();
    }
  }

  private void begin(ServerCredentials credentials) throws IOException {
    server = Grpc.newServerBuilderForPort(0, credentials)
        .addService(ServerInterceptors.intercept(service, service))
        .build()
        .start();
  }

  private TraceCompletionClient client(UnaryOperator<TraceCompletionClientBuilder> options) {
    if (client != null) {
      client.close();
    }
    client = options
        .apply(TraceCompletionClient.builder("localhost:" + server.getPort()))
        .build();
    return client;
  }

  private static CompleteTraceResponse large(int bytes) {
    Span span = Span.newBuilder().setEndpoint("x".repeat(bytes)).build();
    return ANSWER.toBuilder()
        .setData(CompletedTrace.newBuilder().addTracing(span))
        .build();
  }

  @Test
  void answersUpToTheLimitAreTaken() throws IOException {
    begin(InsecureServerCredentials.create());
    service.unary = (call, answer) -> {
      answer.onNext(large(call == 1 ? 20 << 20 : 65 << 20));
      answer.onCompleted();
    };
    client(options -> options);
    assertEquals(
        20 << 20,
        client.complete(QUESTION).getData().getTracing(0).getEndpoint().length());
    assertThrows(TooLargeException.class, () -> client.complete(QUESTION));
    assertEquals(2, service.calls.get());
  }

  @Test
  void aLargeRequestIsRetriedToo() throws IOException {
    begin(InsecureServerCredentials.create());
    service.unary = (call, answer) -> {
      if (call < 3) {
        answer.onError(
            call == 1 ? Questions.failure(Status.Code.UNAVAILABLE, "gone") : Questions.busy(10));
        return;
      }
      answer.onNext(ANSWER);
      answer.onCompleted();
    };
    client(options -> options);
    CompleteTraceRequest.Builder request = QUESTION.toBuilder();
    for (int i = 0; i < 3500; i++) {
      request.addAppSpans(QUESTION.getAppSpans(0).toBuilder().setName("x".repeat(1000)));
    }
    assertEquals(ANSWER, client.complete(request.build()));
    assertEquals(3, service.calls.get());
  }

  @Test
  void theClientSaysWhoItIs() throws IOException {
    begin(InsecureServerCredentials.create());
    client(options -> options).complete(QUESTION);
    String agent =
        service.headers.get(0).get(Metadata.Key.of("user-agent", Metadata.ASCII_STRING_MARSHALLER));
    assertTrue(agent.startsWith("trace-completion-java/"), agent);
  }

  @Test
  void aServerIsKnownByItsAuthority() throws IOException {
    begin(TlsServerCredentials.create(ours.certificate().toFile(), ours.key().toFile()));

    client(options -> options.trustedCertificates(ours.certificate()).bearerToken("secret"));
    assertEquals(ANSWER, client.complete(QUESTION));
    assertEquals("Bearer secret", service.headers.get(0).get(BearerToken.HEADER));

    for (UnaryOperator<TraceCompletionClientBuilder> wrong :
        List.<UnaryOperator<TraceCompletionClientBuilder>>of(
            options -> options.trustedCertificates(theirs.certificate()),
            TraceCompletionClientBuilder::tls,
            options -> options.trustedCertificates(ours.certificate()).authority("elsewhere"),
            options -> options)) {
      client(options -> wrong.apply(options.withoutRetry()));
      assertThrows(UnavailableException.class, () -> client.complete(QUESTION));
    }
    assertEquals(1, service.calls.get());
  }

  @Test
  void aServerThatIsNotTrustedIsNotWaitedForBeyondTheDeadline() throws IOException {
    begin(TlsServerCredentials.create(ours.certificate().toFile(), ours.key().toFile()));
    client(options ->
        options.trustedCertificates(theirs.certificate()).timeout(Duration.ofSeconds(1)));
    UnavailableException error =
        assertThrows(UnavailableException.class, () -> client.complete(QUESTION));
    assertTrue(error.getMessage().contains("no connection"), error.getMessage());
  }

  @Test
  void aClientIsKnownByItsCertificate() throws IOException {
    begin(TlsServerCredentials.newBuilder()
        .keyManager(ours.certificate().toFile(), ours.key().toFile())
        .trustManager(theirs.certificate().toFile())
        .clientAuth(TlsServerCredentials.ClientAuth.REQUIRE)
        .build());
    client(options -> options
        .trustedCertificates(ours.certificate())
        .clientCertificate(theirs.certificate(), theirs.key()));
    assertEquals(ANSWER, client.complete(QUESTION));

    client(options -> options.trustedCertificates(ours.certificate()).withoutRetry());
    assertThrows(UnavailableException.class, () -> client.complete(QUESTION));
    assertEquals(1, service.calls.get());
  }

  @Test
  void aFileThatIsNotThereIsSaidAtOnce() throws IOException {
    begin(InsecureServerCredentials.create());
    client(options -> options);
    assertThrows(
        UncheckedIOException.class,
        () -> TraceCompletionClient.builder("x")
            .trustedCertificates(Path.of("none"))
            .build());
  }

  @Test
  void callsGoRoundAllAddresses() throws Exception {
    begin(InsecureServerCredentials.create());
    FakeService other = new FakeService();
    Server second = Grpc.newServerBuilderForPort(0, InsecureServerCredentials.create())
        .addService(ServerInterceptors.intercept(other, other))
        .build()
        .start();
    NameResolverProvider both = new Addresses(List.of(server.getPort(), second.getPort()));
    NameResolverRegistry.getDefaultRegistry().register(both);
    try {
      client = TraceCompletionClient.builder("both:///service").build();
      // The second connection may take longer than the first.
      Wait.until(() -> {
        assertEquals(ANSWER, client.complete(QUESTION));
        return service.calls.get() > 0 && other.calls.get() > 0;
      });
      int one = service.calls.get();
      int two = other.calls.get();
      for (int i = 0; i < 10; i++) {
        client.complete(QUESTION);
      }
      assertEquals(List.of(one + 5, two + 5), List.of(service.calls.get(), other.calls.get()));
    } finally {
      NameResolverRegistry.getDefaultRegistry().deregister(both);
      second.shutdownNow().awaitTermination();
    }
  }

  /** Resolves the scheme {@code both} to these ports of the loopback. */
  private static final class Addresses extends NameResolverProvider {
    private final List<EquivalentAddressGroup> groups;

    Addresses(List<Integer> ports) {
      groups = ports.stream()
          .map(port -> new EquivalentAddressGroup(
              new InetSocketAddress(InetAddress.getLoopbackAddress(), port)))
          .toList();
    }

    @Override
    protected boolean isAvailable() {
      return true;
    }

    @Override
    protected int priority() {
      return 5;
    }

    @Override
    public String getDefaultScheme() {
      return "both";
    }

    @Override
    public NameResolver newNameResolver(URI target, NameResolver.Args args) {
      return new NameResolver() {
        @Override
        public String getServiceAuthority() {
          return "localhost";
        }

        @Override
        public void start(Listener2 listener) {
          listener.onResult(ResolutionResult.newBuilder()
              .setAddressesOrError(StatusOr.fromValue(groups))
              .build());
        }

        @Override
        public void shutdown() {}
      };
    }
  }

  @Test
  void aSilentConnectionIsTriedNoMoreOftenThanServersAllow() {
    Recorder channel = new Recorder();
    TraceCompletionClient.builder("nobody").build(channel).close();
    assertEquals(Map.of("time", 30L, "timeout", 10L, "without calls", false), channel.keepAlive);
  }

  /** Records the keepalive settings. Waiting for a real ping would take half a minute. */
  private static final class Recorder extends ForwardingChannelBuilder2<Recorder> {
    final Map<String, Object> keepAlive = new HashMap<>();
    private final ManagedChannelBuilder<?> delegate = InProcessChannelBuilder.forName("nobody");

    @Override
    protected ManagedChannelBuilder<?> delegate() {
      return delegate;
    }

    @Override
    public Recorder keepAliveTime(long time, TimeUnit unit) {
      keepAlive.put("time", unit.toSeconds(time));
      return this;
    }

    @Override
    public Recorder keepAliveTimeout(long time, TimeUnit unit) {
      keepAlive.put("timeout", unit.toSeconds(time));
      return this;
    }

    @Override
    public Recorder keepAliveWithoutCalls(boolean enable) {
      keepAlive.put("without calls", enable);
      return this;
    }
  }
}
