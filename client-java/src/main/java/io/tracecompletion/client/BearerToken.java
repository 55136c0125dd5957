package io.tracecompletion.client;

import io.grpc.CallCredentials;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.util.concurrent.Executor;
import java.util.function.Supplier;

/** Adds a bearer token to each call. It asks the source for the token again at each try. */
final class BearerToken extends CallCredentials implements ClientInterceptor {
  static final Metadata.Key<String> HEADER =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  private final Supplier<String> source;

  BearerToken(Supplier<String> source) {
    this.source = source;
  }

  @Override
  public <Q, A> ClientCall<Q, A> interceptCall(
      MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
    return next.newCall(
        method, options.getCredentials() == null ? options.withCallCredentials(this) : options);
  }

  @Override
  public void applyRequestMetadata(RequestInfo info, Executor executor, MetadataApplier applier) {
    executor.execute(() -> apply(applier));
  }

  private void apply(MetadataApplier applier) {
    String token;
    try {
      token = source.get();
    } catch (RuntimeException e) {
      applier.fail(Status.UNAUTHENTICATED
          .withDescription("no bearer token: " + e.getMessage())
          .withCause(e));
      return;
    }
    if (token == null || token.isEmpty()) {
      applier.fail(Status.UNAUTHENTICATED.withDescription("no bearer token"));
      return;
    }
    Metadata headers = new Metadata();
    headers.put(HEADER, "Bearer " + token);
    applier.apply(headers);
  }
}
