package io.tracecompletion.client;

import io.grpc.Context;
import io.grpc.Deadline;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import io.tracecompletion.v1.BatchCompleteTraceRequest;
import io.tracecompletion.v1.BatchCompleteTraceResponse;
import io.tracecompletion.v1.CompleteTraceRequest;
import io.tracecompletion.v1.CompleteTraceResponse;
import io.tracecompletion.v1.StreamCompleteTraceRequest;
import io.tracecompletion.v1.StreamCompleteTraceResponse;
import io.tracecompletion.v1.TraceCompletionServiceGrpc;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiConsumer;
import java.util.function.Function;

/** A service whose answers a test chooses. It remembers the calls. */
final class FakeService extends TraceCompletionServiceGrpc.TraceCompletionServiceImplBase
    implements ServerInterceptor {
  final AtomicInteger calls = new AtomicInteger();
  final CountDownLatch cancelled = new CountDownLatch(1);
  final List<Metadata> headers = new CopyOnWriteArrayList<>();
  volatile Deadline deadline;

  /** Answers a call. It gets the number of the call, from 1, and the observer for the answer. */
  volatile BiConsumer<Integer, StreamObserver<CompleteTraceResponse>> unary = (call, answer) -> {
    answer.onNext(Questions.ANSWER);
    answer.onCompleted();
  };

  volatile BiConsumer<Integer, ServerCallStreamObserver<StreamCompleteTraceResponse>> stream;
  volatile Function<
          StreamObserver<BatchCompleteTraceResponse>, StreamObserver<BatchCompleteTraceRequest>>
      batch;

  @Override
  public <Q, A> ServerCall.Listener<Q> interceptCall(
      ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
    calls.incrementAndGet();
    deadline = Context.current().getDeadline();
    this.headers.add(headers);
    return next.startCall(call, headers);
  }

  @Override
  public void completeTrace(
      CompleteTraceRequest request, StreamObserver<CompleteTraceResponse> answer) {
    ((ServerCallStreamObserver<?>) answer).setOnCancelHandler(cancelled::countDown);
    unary.accept(calls.get(), answer);
  }

  @Override
  public void streamCompleteTrace(
      StreamCompleteTraceRequest request, StreamObserver<StreamCompleteTraceResponse> answer) {
    ServerCallStreamObserver<StreamCompleteTraceResponse> call =
        (ServerCallStreamObserver<StreamCompleteTraceResponse>) answer;
    call.setOnCancelHandler(cancelled::countDown);
    stream.accept(calls.get(), call);
  }

  @Override
  public StreamObserver<BatchCompleteTraceRequest> batchCompleteTrace(
      StreamObserver<BatchCompleteTraceResponse> answers) {
    ((ServerCallStreamObserver<?>) answers).setOnCancelHandler(cancelled::countDown);
    return batch.apply(answers);
  }
}
