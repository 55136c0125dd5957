package io.tracecompletion.opentelemetry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.Scope;
import io.tracecompletion.v1.TraceCompletionServiceGrpc;
import org.junit.jupiter.api.Test;

class TracePropagationTest {
  private static final Metadata.Key<String> TRACEPARENT =
      Metadata.Key.of("traceparent", Metadata.ASCII_STRING_MARSHALLER);

  private static Metadata call(Metadata headers) {
    TracePropagation propagation = new TracePropagation(W3CTraceContextPropagator.getInstance());
    propagation
        .interceptCall(
            TraceCompletionServiceGrpc.getCompleteTraceMethod(), CallOptions.DEFAULT, new Nowhere())
        .start(new ClientCall.Listener<>() {}, headers);
    return headers;
  }

  @Test
  void theCurrentContextIsSent() {
    Metadata headers = new Metadata();
    headers.put(TRACEPARENT, "stale");
    try (Scope scope = Span.wrap(Spans.span("1", "2", "", "").getSpanContext()).makeCurrent()) {
      call(headers);
    }
    assertEquals("00-" + "1".repeat(32) + "-0000000000000002-01", headers.get(TRACEPARENT));
    assertEquals(1, headers.keys().size());
  }

  @Test
  void withoutOneNothingIs() {
    assertNull(call(new Metadata()).get(TRACEPARENT));
  }

  /** A channel whose calls do nothing. */
  private static final class Nowhere extends Channel {
    @Override
    public <Q, A> ClientCall<Q, A> newCall(MethodDescriptor<Q, A> method, CallOptions options) {
      return new ClientCall<>() {
        @Override
        public void start(Listener<A> listener, Metadata headers) {}

        @Override
        public void request(int count) {}

        @Override
        public void cancel(String message, Throwable cause) {}

        @Override
        public void halfClose() {}

        @Override
        public void sendMessage(Q message) {}
      };
    }

    @Override
    public String authority() {
      return "nowhere";
    }
  }
}
