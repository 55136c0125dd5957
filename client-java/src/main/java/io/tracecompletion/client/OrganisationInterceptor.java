package io.tracecompletion.client;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;

/** Adds the header that names the organisation, unless the call already has it. */
final class OrganisationInterceptor implements ClientInterceptor {
  static final Metadata.Key<String> HEADER =
      Metadata.Key.of("x-org-id", Metadata.ASCII_STRING_MARSHALLER);

  private final String organisation;

  OrganisationInterceptor(String organisation) {
    this.organisation = organisation;
  }

  @Override
  public <Q, A> ClientCall<Q, A> interceptCall(
      MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
    return new SimpleForwardingClientCall<>(next.newCall(method, options)) {
      @Override
      public void start(Listener<A> listener, Metadata headers) {
        if (!headers.containsKey(HEADER)) {
          headers.put(HEADER, organisation);
        }
        super.start(listener, headers);
      }
    };
  }
}
