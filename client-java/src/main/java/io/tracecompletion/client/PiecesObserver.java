package io.tracecompletion.client;

import io.grpc.stub.ClientCallStreamObserver;
import io.tracecompletion.v1.CompletionSummary;
import io.tracecompletion.v1.StreamCompleteTraceRequest;
import io.tracecompletion.v1.StreamCompleteTraceResponse;
import java.util.function.Function;

/** Passes the pieces of a stream to a listener. It requests one piece at a time. */
final class PiecesObserver
    extends FutureObserver<
        StreamCompleteTraceRequest, StreamCompleteTraceResponse, CompletionSummary> {
  private final CompletionListener listener;
  private final Tally tally = new Tally();
  private ClientCallStreamObserver<StreamCompleteTraceRequest> call;

  PiecesObserver(
      CompletionListener listener, Function<Throwable, TraceCompletionException> faults) {
    super(faults);
    this.listener = listener;
  }

  @Override
  public void beforeStart(ClientCallStreamObserver<StreamCompleteTraceRequest> call) {
    super.beforeStart(call);
    this.call = call;
    call.disableAutoRequestWithInitial(1);
  }

  @Override
  public void onNext(StreamCompleteTraceResponse piece) {
    if (future.isDone()) {
      return;
    }
    tally.add(piece);
    try {
      switch (piece.getPartCase()) {
        case PROGRESS -> listener.onProgress(piece.getProgress());
        case CHUNK -> listener.onChunk(piece.getChunk());
        case SUMMARY, PART_NOT_SET -> {}
      }
    } catch (Throwable e) {
      future.completeExceptionally(e);
      return;
    }
    call.request(1);
  }

  @Override
  CompletionSummary result() {
    return tally.check();
  }
}
