package io.tracecompletion.client;

import io.grpc.ChannelCredentials;
import io.grpc.ClientInterceptor;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannelBuilder;
import io.grpc.TlsChannelCredentials;
import io.tracecompletion.v1.TraceCompletionServiceGrpc;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/** Builds a {@link TraceCompletionClient}. */
public final class TraceCompletionClientBuilder {
  /** The timeout of a call whose context has no deadline. */
  public static final Duration DEFAULT_TIMEOUT = Duration.ofSeconds(30);

  /**
   * The largest answer that a client accepts, in bytes. A server sends no larger one unless
   * configured otherwise.
   */
  public static final int DEFAULT_MAX_ANSWER_BYTES = 64 << 20;

  /**
   * A connection with running calls is checked after this time of silence. Servers and load
   * balancers close connections that are checked more often.
   */
  private static final Duration KEEPALIVE_TIME = Duration.ofSeconds(30);

  private static final Duration KEEPALIVE_TIMEOUT = Duration.ofSeconds(10);
  /** Largest headers and trailers of an answer, in bytes. */
  private static final int MAX_METADATA_BYTES = 32 << 10;
  /**
   * Largest request that is kept for a retry, in bytes. A server accepts 4 MiB unless configured
   * otherwise.
   */
  private static final long RETRY_BYTES = 8 << 20;
  /** All requests together that are kept for retries, in bytes. */
  private static final long ALL_RETRY_BYTES = 64 << 20;

  private static final Map<String, ?> RETRY_POLICY = Map.of(
      "maxAttempts",
      5.0,
      "initialBackoff",
      "0.1s",
      "maxBackoff",
      "2s",
      "backoffMultiplier",
      2.0,
      "retryableStatusCodes",
      List.of("UNAVAILABLE"));

  /**
   * gRPC makes each pause a little longer or shorter at random. With {@code waitForReady}, a call
   * waits for a connection until its deadline. There is no retry policy for batches: a batch
   * repeats its questions itself, because it knows which of them have an answer.
   */
  private static final Map<String, ?> SERVICE_CONFIG = Map.of(
      "methodConfig",
      List.of(
          Map.of(
              "name",
              List.of(Map.of("service", TraceCompletionServiceGrpc.SERVICE_NAME)),
              "waitForReady",
              true,
              "retryPolicy",
              RETRY_POLICY),
          Map.of(
              "name",
              List.of(Map.of(
                  "service",
                  TraceCompletionServiceGrpc.SERVICE_NAME,
                  "method",
                  "BatchCompleteTrace")),
              "waitForReady",
              true)));

  private final String target;
  private final List<ClientInterceptor> interceptors = new ArrayList<>();
  private Duration timeout = DEFAULT_TIMEOUT;
  private int maxAnswerBytes = DEFAULT_MAX_ANSWER_BYTES;
  private boolean retry = true;
  private boolean tls;
  private Path trusted;
  private Path certificate;
  private Path key;
  private ChannelCredentials credentials;
  private String authority;
  private Supplier<String> token;
  private boolean plainToken;
  private String organisation;
  private Executor executor;

  TraceCompletionClientBuilder(String target) {
    this.target = Objects.requireNonNull(target, "target");
  }

  /**
   * Sets the timeout of calls whose context has no deadline. The default is
   * {@link #DEFAULT_TIMEOUT}.
   *
   * @param timeout more than zero
   * @return this builder
   */
  public TraceCompletionClientBuilder timeout(Duration timeout) {
    this.timeout = positive(timeout);
    return this;
  }

  /**
   * Sets the largest answer that the client accepts. The default is
   * {@link #DEFAULT_MAX_ANSWER_BYTES}.
   *
   * @param bytes at least 1
   * @return this builder
   */
  public TraceCompletionClientBuilder maxAnswerBytes(int bytes) {
    if (bytes < 1) {
      throw new IllegalArgumentException("maxAnswerBytes: " + bytes + " is less than 1");
    }
    this.maxAnswerBytes = bytes;
    return this;
  }

  /**
   * Switches retries off: a call fails at once if the server cannot be reached or is busy. Use it
   * if you have retries of your own.
   *
   * @return this builder
   */
  public TraceCompletionClientBuilder withoutRetry() {
    this.retry = false;
    return this;
  }

  /**
   * Encrypts connections with TLS, and trusts the certificate authorities that the JDK trusts.
   * Without TLS, connections are not encrypted: that is for a trusted network, or for a service
   * mesh that encrypts them.
   *
   * @return this builder
   */
  public TraceCompletionClientBuilder tls() {
    this.tls = true;
    return this;
  }

  /**
   * Encrypts connections with TLS, and trusts only these certificate authorities.
   *
   * @param certificates a file with X.509 certificates, in PEM format
   * @return this builder
   */
  public TraceCompletionClientBuilder trustedCertificates(Path certificates) {
    this.trusted = Objects.requireNonNull(certificates, "certificates");
    return tls();
  }

  /**
   * Encrypts connections with TLS, and proves the identity of the client to the server (mutual
   * TLS).
   *
   * @param certificate a file with the certificate of the client and its chain, in PEM format
   * @param key a file with the private key of the certificate, PKCS #8 in PEM format
   * @return this builder
   */
  public TraceCompletionClientBuilder clientCertificate(Path certificate, Path key) {
    this.certificate = Objects.requireNonNull(certificate, "certificate");
    this.key = Objects.requireNonNull(key, "key");
    return tls();
  }

  /**
   * Uses these credentials for connections. The other methods about TLS then have no effect.
   *
   * @param credentials for example a {@link TlsChannelCredentials} that reloads its certificates
   * @return this builder
   */
  public TraceCompletionClientBuilder credentials(ChannelCredentials credentials) {
    this.credentials = Objects.requireNonNull(credentials, "credentials");
    return this;
  }

  /**
   * Expects this name in the certificate of the server, instead of the name in the target.
   *
   * @param authority the name, with the port if it is not the usual one
   * @return this builder
   */
  public TraceCompletionClientBuilder authority(String authority) {
    this.authority = Objects.requireNonNull(authority, "authority");
    return this;
  }

  /**
   * Sends a token with every call. It needs TLS, or {@link #allowPlainToken()}.
   *
   * @param source gives the token. It is asked before every call, and several threads may ask at
   *     the same time, so cache a token that is slow to get. If it throws, the call fails with
   *     UNAUTHENTICATED
   * @return this builder
   */
  public TraceCompletionClientBuilder bearerToken(Supplier<String> source) {
    this.token = Objects.requireNonNull(source, "source");
    return this;
  }

  /**
   * Sends the same token with every call. It needs TLS, or {@link #allowPlainToken()}.
   *
   * @param token the token, without the word "Bearer"
   * @return this builder
   */
  public TraceCompletionClientBuilder bearerToken(String token) {
    Objects.requireNonNull(token, "token");
    return bearerToken(() -> token);
  }

  /**
   * Allows to send a token without TLS. Use it only if a service mesh encrypts the connections.
   *
   * @return this builder
   */
  public TraceCompletionClientBuilder allowPlainToken() {
    this.plainToken = true;
    return this;
  }

  /**
   * Sends the id of an organisation in the header {@code x-org-id}. A call that already has this
   * header keeps its own.
   *
   * @param id the id of the organisation
   * @return this builder
   */
  public TraceCompletionClientBuilder organisation(String id) {
    this.organisation = Objects.requireNonNull(id, "id");
    return this;
  }

  /**
   * Adds interceptors, for example that of a tracer. An interceptor sees a call once, even if the
   * call is tried several times.
   *
   * @param interceptors the interceptors, in the order in which they see a call
   * @return this builder
   */
  public TraceCompletionClientBuilder interceptors(ClientInterceptor... interceptors) {
    this.interceptors.addAll(List.of(interceptors));
    return this;
  }

  /**
   * Runs callbacks, such as listeners, on this executor. The default is a thread pool of gRPC.
   *
   * @param executor an executor, with more than one thread if callbacks block
   * @return this builder
   */
  public TraceCompletionClientBuilder executor(Executor executor) {
    this.executor = Objects.requireNonNull(executor, "executor");
    return this;
  }

  /**
   * Builds the client. It does not connect yet, so a wrong address is reported by the first call.
   *
   * @return a client, which must be closed
   * @throws IllegalStateException if a token would be sent without encryption
   * @throws UncheckedIOException if a certificate or a key cannot be read
   */
  public TraceCompletionClient build() {
    return build(
        Grpc.newChannelBuilder(target, transport()).defaultLoadBalancingPolicy("round_robin"));
  }

  TraceCompletionClient build(ManagedChannelBuilder<?> channel) {
    Pauses pauses = new Pauses();
    // gRPC calls the last interceptor first.
    if (retry) {
      channel
          .enableRetry()
          .defaultServiceConfig(SERVICE_CONFIG)
          .perRpcBufferLimit(RETRY_BYTES)
          .retryBufferSize(ALL_RETRY_BYTES)
          .intercept(new BusyRetry(pauses));
    } else {
      channel.disableRetry();
    }
    if (token != null) {
      channel.intercept(new BearerToken(token));
    }
    if (organisation != null) {
      channel.intercept(new OrganisationInterceptor(organisation));
    }
    for (int i = interceptors.size(); i-- > 0; ) {
      channel.intercept(interceptors.get(i));
    }
    if (executor != null) {
      channel.executor(executor);
    }
    if (authority != null) {
      channel.overrideAuthority(authority);
    }
    channel
        .keepAliveTime(KEEPALIVE_TIME.toSeconds(), TimeUnit.SECONDS)
        .keepAliveTimeout(KEEPALIVE_TIMEOUT.toSeconds(), TimeUnit.SECONDS)
        .keepAliveWithoutCalls(false)
        .maxInboundMessageSize(maxAnswerBytes)
        .maxInboundMetadataSize(MAX_METADATA_BYTES)
        .userAgent(userAgent());
    return new TraceCompletionClient(target, channel.build(), pauses, timeout, false, retry);
  }

  private ChannelCredentials transport() {
    boolean plain = credentials == null ? !tls : credentials instanceof InsecureChannelCredentials;
    if (token != null && plain && !plainToken) {
      throw new IllegalStateException("a bearer token needs TLS, or allowPlainToken()");
    }
    if (credentials != null) {
      return credentials;
    }
    if (!tls) {
      return InsecureChannelCredentials.create();
    }
    TlsChannelCredentials.Builder builder = TlsChannelCredentials.newBuilder();
    try {
      if (trusted != null) {
        builder.trustManager(trusted.toFile());
      }
      if (certificate != null) {
        builder.keyManager(certificate.toFile(), key.toFile());
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return builder.build();
  }

  static Duration positive(Duration timeout) {
    if (timeout.isNegative() || timeout.isZero()) {
      throw new IllegalArgumentException("timeout: " + timeout + " is not more than 0");
    }
    return timeout;
  }

  private static String userAgent() {
    String version = TraceCompletionClient.class.getPackage().getImplementationVersion();
    return "trace-completion-java/" + (version == null ? "dev" : version);
  }
}
