import io.tracecompletion.client.TraceCompletionClient;
import io.tracecompletion.v1.AppSpan;
import io.tracecompletion.v1.CompleteTraceRequest;
import io.tracecompletion.v1.SpanKind;

/**
 * Completes the trace around one span, and prints the tree: {@code CompleteTrace 127.0.0.1:20418}.
 */
public final class CompleteTrace {
  private CompleteTrace() {}

  /**
   * Asks a server about a span of the demo.
   *
   * @param args the address of the server
   */
  public static void main(String[] args) {
    var span = AppSpan.newBuilder()
        .setTraceId("f7a463809bc1b6447b28dcfd957dbc70")
        .setSpanId("302642fce338b0ae")
        .setSpanKind(SpanKind.SPAN_KIND_SERVER)
        .setAppService("service-a")
        .setName("GET /orders")
        .setStartTimeUs(1_767_262_830_400_935L)
        .setEndTimeUs(1_767_262_830_423_432L);
    var request = CompleteTraceRequest.newBuilder().addAppSpans(span);
    try (var client = TraceCompletionClient.builder(args[0]).build()) {
      var answer = client.complete(request.build());
      for (var found : answer.getData().getTracingList()) {
        var id = found.getDeepflowSpanId();
        var parent = found.getDeepflowParentSpanId();
        System.out.printf("%s <- %s  %s %s%n", id, parent, found.getTapSide(), found.getName());
      }
    }
  }
}
