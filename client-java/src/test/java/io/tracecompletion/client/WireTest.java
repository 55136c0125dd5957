package io.tracecompletion.client;

import static io.tracecompletion.client.Questions.ANSWER;
import static io.tracecompletion.client.Questions.QUESTION;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Grpc;
import io.grpc.InsecureServerCredentials;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCredentials;
import io.grpc.ServerInterceptors;
import io.grpc.Status;
import io.grpc.TlsServerCredentials;
import io.tracecompletion.v1.CompleteTraceRequest;
import io.tracecompletion.v1.CompleteTraceResponse;
import io.tracecompletion.v1.CompletedTrace;
import io.tracecompletion.v1.Span;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What only shows on a real connection. */
class WireTest {
  private final FakeService service = new FakeService();
  private Server server;
  private TraceCompletionClient client;

  @AfterEach
  void end() throws InterruptedException {
    client.close();
    server.shutdownNow().awaitTermination();
  }

  private void begin(ServerCredentials credentials) throws IOException {
    server =
        Grpc.newServerBuilderForPort(0, credentials)
            .addService(ServerInterceptors.intercept(service, service))
            .build()
            .start();
  }

  private TraceCompletionClient client(UnaryOperator<TraceCompletionClientBuilder> options) {
    if (client != null) {
      client.close();
    }
    client = options.apply(TraceCompletionClient.builder("localhost:" + server.getPort())).build();
    return client;
  }

  private static CompleteTraceResponse large(int bytes) {
    Span span = Span.newBuilder().setEndpoint("x".repeat(bytes)).build();
    return ANSWER.toBuilder().setData(CompletedTrace.newBuilder().addTracing(span)).build();
  }

  @Test
  void answersUpToTheLimitAreTaken() throws IOException {
    begin(InsecureServerCredentials.create());
    service.unary = (call, answer) -> {
      answer.onNext(large(call == 1 ? 20 << 20 : 65 << 20));
      answer.onCompleted();
    };
    client(options -> options);
    assertEquals(20 << 20, client.complete(QUESTION).getData().getTracing(0).getEndpoint().length());
    assertThrows(TooLargeException.class, () -> client.complete(QUESTION));
    assertEquals(2, service.calls.get());
  }

  @Test
  void aLargeRequestIsRetriedToo() throws IOException {
    begin(InsecureServerCredentials.create());
    service.unary = (call, answer) -> {
      if (call < 3) {
        answer.onError(call == 1 ? Questions.failure(Status.Code.UNAVAILABLE, "gone") : Questions.busy(10));
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
    String agent = service.headers.get(0).get(Metadata.Key.of("user-agent", Metadata.ASCII_STRING_MARSHALLER));
    assertTrue(agent.startsWith("trace-completion-java/"), agent);
  }

  @Test
  void aServerIsKnownByItsAuthority(@TempDir Path directory) throws IOException {
    Certificates ours = Certificates.make(directory, "ours");
    Certificates theirs = Certificates.make(directory, "theirs");
    begin(TlsServerCredentials.create(ours.certificate().toFile(), ours.key().toFile()));

    client(options -> options.trustedCertificates(ours.certificate()).bearerToken("secret"));
    assertEquals(ANSWER, client.complete(QUESTION));
    assertEquals("Bearer secret", service.headers.get(0).get(BearerToken.HEADER));

    UnaryOperator<TraceCompletionClientBuilder> hasty = options -> options.timeout(Duration.ofSeconds(1));
    for (UnaryOperator<TraceCompletionClientBuilder> wrong : List.<UnaryOperator<TraceCompletionClientBuilder>>of(
        options -> options.trustedCertificates(theirs.certificate()),
        TraceCompletionClientBuilder::tls,
        options -> options.trustedCertificates(ours.certificate()).authority("elsewhere"),
        options -> options)) {
      client(options -> wrong.apply(hasty.apply(options)));
      UnavailableException error = assertThrows(UnavailableException.class, () -> client.complete(QUESTION));
      assertTrue(error.getMessage().contains("no connection"), error.getMessage());
    }
    assertEquals(1, service.calls.get());
  }

  @Test
  void aClientIsKnownByItsCertificate(@TempDir Path directory) throws IOException {
    Certificates ours = Certificates.make(directory, "ours");
    Certificates caller = Certificates.make(directory, "caller");
    begin(
        TlsServerCredentials.newBuilder()
            .keyManager(ours.certificate().toFile(), ours.key().toFile())
            .trustManager(caller.certificate().toFile())
            .clientAuth(TlsServerCredentials.ClientAuth.REQUIRE)
            .build());
    client(options -> options.trustedCertificates(ours.certificate())
        .clientCertificate(caller.certificate(), caller.key()));
    assertEquals(ANSWER, client.complete(QUESTION));

    client(options -> options.trustedCertificates(ours.certificate()).timeout(Duration.ofSeconds(1)));
    assertThrows(UnavailableException.class, () -> client.complete(QUESTION));

    assertThrows(UncheckedIOException.class,
        () -> TraceCompletionClient.builder("x").trustedCertificates(directory.resolve("none")).build());
  }
}
