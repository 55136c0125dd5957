package io.tracecompletion.client;

import io.grpc.Status;
import io.tracecompletion.v1.CompleteTraceRequest;
import io.tracecompletion.v1.CompleteTraceResponse;
import java.util.function.Function;

/** Receives the answer of a unary call. */
final class UnaryObserver
    extends FutureObserver<CompleteTraceRequest, CompleteTraceResponse, CompleteTraceResponse> {
  private CompleteTraceResponse response;

  UnaryObserver(Function<Throwable, TraceCompletionException> faults) {
    super(faults);
  }

  @Override
  public void onNext(CompleteTraceResponse response) {
    this.response = response;
  }

  @Override
  CompleteTraceResponse result() {
    if (response == null) {
      Status status = Status.INTERNAL.withDescription("the call ended without an answer");
      throw TraceCompletionException.of(Fault.of(status), null);
    }
    return response;
  }
}
