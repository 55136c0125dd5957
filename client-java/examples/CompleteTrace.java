import io.tracecompletion.client.TraceCompletionClient;
import io.tracecompletion.v1.AppSpan;
import io.tracecompletion.v1.CompleteTraceRequest;
import io.tracecompletion.v1.SpanKind;

/** Completes a trace of one span, and prints the tree: {@code CompleteTrace localhost:20418}. */
public final class CompleteTrace {
  private CompleteTrace() {}

  /**
   * Asks the server at the first argument.
   *
   * @param args the target
   */
  public static void main(String[] args) {
    var span = AppSpan.newBuilder()
        .setTraceId("b7c1f0f4e2c84f0a8d5c3b2a19081706").setSpanId("53995c3f42cd8ad8")
        .setSpanKind(SpanKind.SPAN_KIND_SERVER).setAppService("checkout").setName("POST /orders")
        .setStartTimeUs(1_781_000_000_000_000L).setEndTimeUs(1_781_000_000_120_000L);
    try (var client = TraceCompletionClient.builder(args[0]).build()) {
      var answer = client.complete(CompleteTraceRequest.newBuilder().addAppSpans(span).build());
      answer.getData().getTracingList().forEach(found -> System.out.printf("%s <- %s  %s %s%n",
          found.getDeepflowSpanId(), found.getDeepflowParentSpanId(), found.getTapSide(), found.getName()));
    }
  }
}
