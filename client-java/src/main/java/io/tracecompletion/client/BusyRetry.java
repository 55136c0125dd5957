package io.tracecompletion.client;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.MethodDescriptor;

/**
 * Asks again where the server shed a call before any work and says when to come back. The retries of gRPC itself go by
 * the code alone, and RESOURCE_EXHAUSTED also stands for an answer that will be too large the next time as well.
 *
 * <p>Only calls with one message from the client: a batch asks again by itself.
 */
final class BusyRetry implements ClientInterceptor {
  private final Pauses pauses;

  BusyRetry(Pauses pauses) {
    this.pauses = pauses;
  }

  @Override
  public <Q, A> ClientCall<Q, A> interceptCall(MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
    return method.getType().clientSendsOneMessage()
        ? new BusyRetryCall<>(method, options, next, pauses)
        : next.newCall(method, options);
  }
}
