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

/** Makes a {@link TraceCompletionClient}. */
public final class TraceCompletionClientBuilder {
  /** The deadline of a call whose context has none. */
  public static final Duration DEFAULT_TIMEOUT = Duration.ofSeconds(30);

  /** The largest message that a client takes: the most that a server sends, unless it is configured otherwise. */
  public static final int DEFAULT_MAX_ANSWER_BYTES = 64 << 20;

  /** Silence on a connection with calls after which it is tried. Who tries more often is taken for an attacker. */
  private static final Duration KEEPALIVE_TIME = Duration.ofSeconds(30);
  private static final Duration KEEPALIVE_TIMEOUT = Duration.ofSeconds(10);
  /** Headers and trailers of an answer. */
  private static final int MAX_METADATA_BYTES = 32 << 10;
  /** Of a request, kept for a retry: a server takes 4 MiB unless configured otherwise. */
  private static final long RETRY_BYTES = 8 << 20;
  private static final long ALL_RETRY_BYTES = 64 << 20;

  private static final Map<String, ?> RETRY_POLICY =
      Map.of(
          "maxAttempts", 5.0,
          "initialBackoff", "0.1s",
          "maxBackoff", "2s",
          "backoffMultiplier", 2.0,
          "retryableStatusCodes", List.of("UNAVAILABLE"));

  /**
   * Pauses have a jitter. A call that is not answered at all waits for a connection up to its deadline. A batch asks
   * again by itself, since it knows what has an answer.
   */
  private static final Map<String, ?> SERVICE_CONFIG =
      Map.of("methodConfig", List.of(
          Map.of(
              "name", List.of(Map.of("service", TraceCompletionServiceGrpc.SERVICE_NAME)),
              "waitForReady", true,
              "retryPolicy", RETRY_POLICY),
          Map.of(
              "name", List.of(Map.of(
                  "service", TraceCompletionServiceGrpc.SERVICE_NAME, "method", "BatchCompleteTrace")),
              "waitForReady", true)));

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
   * Sets the deadline of calls whose context has none. The default is {@link #DEFAULT_TIMEOUT}.
   *
   * @param timeout more than zero
   * @return this builder
   */
  public TraceCompletionClientBuilder timeout(Duration timeout) {
    this.timeout = positive(timeout);
    return this;
  }

  /**
   * Sets the largest message that the client takes. The default is {@link #DEFAULT_MAX_ANSWER_BYTES}.
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
   * Makes a call fail at once where the server cannot be reached or is busy. For callers with retries of their own.
   *
   * @return this builder
   */
  public TraceCompletionClientBuilder withoutRetry() {
    this.retry = false;
    return this;
  }

  /**
   * Encrypts connections, and trusts the authorities that the JDK trusts. Without this connections are plain, for a
   * mesh that encrypts them, or a trusted network.
   *
   * @return this builder
   */
  public TraceCompletionClientBuilder tls() {
    this.tls = true;
    return this;
  }

  /**
   * Encrypts connections, and trusts only these authorities.
   *
   * @param certificates a file of X.509 certificates in PEM
   * @return this builder
   */
  public TraceCompletionClientBuilder trustedCertificates(Path certificates) {
    this.trusted = Objects.requireNonNull(certificates, "certificates");
    return tls();
  }

  /**
   * Encrypts connections, and identifies the client too (mutual TLS).
   *
   * @param certificate a file with the certificate and its chain in PEM
   * @param key a file with its private key, PKCS #8 in PEM
   * @return this builder
   */
  public TraceCompletionClientBuilder clientCertificate(Path certificate, Path key) {
    this.certificate = Objects.requireNonNull(certificate, "certificate");
    this.key = Objects.requireNonNull(key, "key");
    return tls();
  }

  /**
   * Uses these credentials of a connection, instead of those of the other methods.
   *
   * @param credentials such as a {@link TlsChannelCredentials} that reloads its certificates
   * @return this builder
   */
  public TraceCompletionClientBuilder credentials(ChannelCredentials credentials) {
    this.credentials = Objects.requireNonNull(credentials, "credentials");
    return this;
  }

  /**
   * Expects another name in the server's certificate than that of the target.
   *
   * @param authority the name, with the port where it is not the usual one
   * @return this builder
   */
  public TraceCompletionClientBuilder authority(String authority) {
    this.authority = Objects.requireNonNull(authority, "authority");
    return this;
  }

  /**
   * Sends a token with every call. It needs TLS, or {@link #allowPlainToken()}.
   *
   * @param source asked before every call, by many threads at once: cache what is slow to get. A call for which it
   *     throws fails with UNAUTHENTICATED
   * @return this builder
   */
  public TraceCompletionClientBuilder bearerToken(Supplier<String> source) {
    this.token = Objects.requireNonNull(source, "source");
    return this;
  }

  /**
   * Sends a token that never changes with every call. It needs TLS, or {@link #allowPlainToken()}.
   *
   * @param token without the word Bearer
   * @return this builder
   */
  public TraceCompletionClientBuilder bearerToken(String token) {
    Objects.requireNonNull(token, "token");
    return bearerToken(() -> token);
  }

  /**
   * Allows a token on a connection without TLS, for a mesh that encrypts below the client.
   *
   * @return this builder
   */
  public TraceCompletionClientBuilder allowPlainToken() {
    this.plainToken = true;
    return this;
  }

  /**
   * Names the organisation whose flow log is asked, in the header x-org-id. A call that has this header already keeps
   * it.
   *
   * @param id of the organisation
   * @return this builder
   */
  public TraceCompletionClientBuilder organisation(String id) {
    this.organisation = Objects.requireNonNull(id, "id");
    return this;
  }

  /**
   * Adds interceptors, such as that of a tracer. They see a call once, however often it is tried, and the first of them
   * sees it first.
   *
   * @param interceptors in the order in which they see a call
   * @return this builder
   */
  public TraceCompletionClientBuilder interceptors(ClientInterceptor... interceptors) {
    this.interceptors.addAll(List.of(interceptors));
    return this;
  }

  /**
   * Runs what the caller hands in, such as listeners, on this executor. The default is a pool of gRPC's.
   *
   * @param executor with more than one thread if callbacks wait
   * @return this builder
   */
  public TraceCompletionClientBuilder executor(Executor executor) {
    this.executor = Objects.requireNonNull(executor, "executor");
    return this;
  }

  /**
   * Makes the client. It does not connect: a wrong address shows with the first call.
   *
   * @return a client, to be closed
   * @throws IllegalStateException if a token would travel in the clear
   * @throws UncheckedIOException if a certificate or key cannot be read
   */
  public TraceCompletionClient build() {
    return build(Grpc.newChannelBuilder(target, transport()).defaultLoadBalancingPolicy("round_robin"));
  }

  TraceCompletionClient build(ManagedChannelBuilder<?> channel) {
    Pauses pauses = new Pauses();
    // gRPC calls the last interceptor first.
    if (retry) {
      channel.enableRetry()
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
    channel.keepAliveTime(KEEPALIVE_TIME.toSeconds(), TimeUnit.SECONDS)
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
