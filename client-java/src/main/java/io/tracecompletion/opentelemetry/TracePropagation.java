package io.tracecompletion.opentelemetry;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.propagation.TextMapPropagator;

/**
 * Sends the current trace context with each call, for example in the header {@code traceparent}. It
 * does not create spans. If you want a span for each call, use the interceptor of OpenTelemetry's
 * gRPC instrumentation instead.
 */
public final class TracePropagation implements ClientInterceptor {
  private final TextMapPropagator propagator;

  /**
   * Makes an interceptor that sends the headers of a propagator.
   *
   * @param propagator for example {@code openTelemetry.getPropagators().getTextMapPropagator()}
   */
  public TracePropagation(TextMapPropagator propagator) {
    this.propagator = propagator;
  }

  @Override
  public <Q, A> ClientCall<Q, A> interceptCall(
      MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
    Context context = Context.current();
    return new SimpleForwardingClientCall<>(next.newCall(method, options)) {
      @Override
      public void start(Listener<A> listener, Metadata headers) {
        propagator.inject(context, headers, TracePropagation::set);
        super.start(listener, headers);
      }
    };
  }

  private static void set(Metadata headers, String name, String value) {
    Metadata.Key<String> key = Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER);
    headers.discardAll(key);
    headers.put(key, value);
  }
}
