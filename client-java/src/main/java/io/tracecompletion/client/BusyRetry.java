package io.tracecompletion.client;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.MethodDescriptor;

/**
 * Repeats a call that the server rejected because it is busy. Such a rejection has the code
 * RESOURCE_EXHAUSTED and says when to try again. gRPC's own retries look only at the code, and
 * RESOURCE_EXHAUSTED also means that an answer is too large, which would be the same at the next
 * try.
 *
 * <p>This is for calls with one message from the client. A batch repeats its questions itself.
 */
final class BusyRetry implements ClientInterceptor {
  private final Pauses pauses;

  BusyRetry(Pauses pauses) {
    this.pauses = pauses;
  }

  @Override
  public <Q, A> ClientCall<Q, A> interceptCall(
      MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
    return method.getType().clientSendsOneMessage()
        ? new BusyRetryCall<>(method, options, next, pauses)
        : next.newCall(method, options);
  }
}
