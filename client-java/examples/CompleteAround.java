import io.opentelemetry.sdk.trace.data.SpanData;
import io.tracecompletion.client.TraceCompletionClient;
import io.tracecompletion.opentelemetry.Neighbourhood;
import io.tracecompletion.v1.CompleteTraceResponse;
import java.util.Collection;

/** Completes the trace around one of the spans that an OpenTelemetry SDK has exported. */
public final class CompleteAround {
  private CompleteAround() {}

  /**
   * Asks about one span.
   *
   * @param client a client of the server
   * @param spansOfTheTrace the spans of the trace, as an exporter receives them
   * @param spanId the id of the span of interest
   * @return the completed trace
   */
  public static CompleteTraceResponse complete(
      TraceCompletionClient client, Collection<SpanData> spansOfTheTrace, String spanId) {
    var request = Neighbourhood.request(spansOfTheTrace, spanId);
    return client.complete(request);
  }
}
