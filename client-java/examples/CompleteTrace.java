import io.tracecompletion.client.TraceCompletionClient;
import io.tracecompletion.v1.AppSpan;
import io.tracecompletion.v1.CompleteTraceRequest;
import io.tracecompletion.v1.SpanKind;

/** Completes a trace of one span, and prints the tree: {@code CompleteTrace 127.0.0.1:20418}. */
public final class CompleteTrace {
  private CompleteTrace() {}

  /**
   * Asks the server at the first argument about a span of the demo.
   *
   * @param args the target
   */
  public static void main(String[] args) {
    var span = AppSpan.newBuilder()
        .setTraceId("f7a463809bc1b6447b28dcfd957dbc70").setSpanId("302642fce338b0ae")
        .setSpanKind(SpanKind.SPAN_KIND_SERVER).setAppService("service-a").setName("GET /orders")
        .setStartTimeUs(1_767_262_830_400_935L).setEndTimeUs(1_767_262_830_423_432L);
    try (var client = TraceCompletionClient.builder(args[0]).build()) {
      var answer = client.complete(CompleteTraceRequest.newBuilder().addAppSpans(span).build());
      answer.getData().getTracingList().forEach(found -> System.out.printf("%s <- %s  %s %s%n",
          found.getDeepflowSpanId(), found.getDeepflowParentSpanId(), found.getTapSide(), found.getName()));
    }
  }
}
