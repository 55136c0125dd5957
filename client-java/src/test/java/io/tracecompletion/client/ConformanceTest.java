package io.tracecompletion.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.util.JsonFormat;
import io.tracecompletion.v1.CompleteTraceRequest;
import io.tracecompletion.v1.CompleteTraceResponse;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionException;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable;

/**
 * Asks a running server all cases of {@code tests/conformance}, with each kind of call, and writes
 * a report into a file. {@code tests/conformance/README.md} describes its form.
 */
@EnabledIfEnvironmentVariable(named = "CONFORMANCE_TARGET", matches = ".+")
class ConformanceTest {

  private static final Map<String, Ask> WAYS = new LinkedHashMap<>();

  static {
    WAYS.put("complete", TraceCompletionClient::complete);
    WAYS.put("completeAsync", (client, request) -> client.completeAsync(request).join());
    WAYS.put(
        "completeStream", (client, request) -> client.completeStream(request).collect());
    WAYS.put(
        "completeBatch",
        (client, request) -> client.completeBatch(List.of(request)).get(0).get());
  }

  private interface Ask {
    CompleteTraceResponse ask(TraceCompletionClient client, CompleteTraceRequest request);
  }

  @Test
  @Timeout(240)
  void everyCaseIsAnsweredAsWritten() throws IOException {
    Path directory = Path.of(System.getenv("CONFORMANCE_CASES"));
    List<Path> cases;
    try (Stream<Path> files = Files.list(directory)) {
      cases = files.filter(file -> file.toString().endsWith(".json")).sorted().toList();
    }
    assertFalse(cases.isEmpty(), () -> "no cases in " + directory);
    List<String> report = new ArrayList<>();
    try (TraceCompletionClient client = TraceCompletionClient.builder(
            System.getenv("CONFORMANCE_TARGET"))
        .timeout(Duration.ofSeconds(20))
        .build()) {
      for (Path file : cases) {
        String name = file.getFileName().toString().replaceFirst("\\.json$", "");
        String difference = difference(client, file);
        report.add(
            difference.isEmpty()
                ? "ok " + name
                : "fail " + name + ": " + difference.replaceAll("\\s+", " "));
      }
    }
    Files.write(Path.of(System.getenv("CONFORMANCE_REPORT")), report);
    assertEquals(
        List.of(), report.stream().filter(line -> !line.startsWith("ok ")).toList());
  }

  /** The difference from the case, for the first kind of call that has one; else empty. */
  private static String difference(TraceCompletionClient client, Path file) {
    try {
      JsonObject example = JsonParser.parseString(Files.readString(file)).getAsJsonObject();
      CompleteTraceRequest request = parse(
              example.get("request").toString(), CompleteTraceRequest.newBuilder())
          .build();
      if (example.has("answer") == example.has("error")) {
        return "the file has not one of answer and error";
      }
      Function<Ask, String> compare;
      if (example.has("answer")) {
        CompleteTraceResponse answer = parse(
                example.get("answer").toString(), CompleteTraceResponse.newBuilder())
            .build();
        compare = way -> answered(answer, () -> way.ask(client, request));
      } else {
        JsonObject error = example.getAsJsonObject("error");
        compare = way -> failed(error, () -> way.ask(client, request));
      }
      for (Map.Entry<String, Ask> way : WAYS.entrySet()) {
        String difference = compare.apply(way.getValue());
        if (!difference.isEmpty()) {
          return way.getKey() + ": " + difference;
        }
      }
      return "";
    } catch (IOException | RuntimeException e) {
      return e.toString();
    }
  }

  /** Parses JSON, and fails if it has a key that is not in the contract. */
  private static <B extends Message.Builder> B parse(String json, B builder)
      throws InvalidProtocolBufferException {
    JsonFormat.parser().merge(json, builder);
    return builder;
  }

  private interface Call {
    CompleteTraceResponse get();
  }

  private static String answered(CompleteTraceResponse expected, Call call) {
    try {
      return MessageDifference.of(withoutMeasures(expected), withoutMeasures(call.get()));
    } catch (TraceCompletionException | CompletionException e) {
      return "an answer was expected, and not " + e;
    }
  }

  /** Removes the times and the numbers of rows read, which differ each time. */
  private static CompleteTraceResponse withoutMeasures(CompleteTraceResponse answer) {
    CompleteTraceResponse.Builder builder = answer.toBuilder();
    if (answer.getData().hasExplanation()) {
      builder
          .getDataBuilder()
          .getExplanationBuilder()
          .getSearchBuilderList()
          .forEach(round -> round.clearElapsedUs().clearReadRows());
    }
    return builder.build();
  }

  private static String failed(JsonObject expected, Call call) {
    TraceCompletionException error;
    try {
      call.get();
      return "an answer came, and not " + expected.get("code");
    } catch (TraceCompletionException e) {
      error = e;
    } catch (CompletionException e) {
      if (!(e.getCause() instanceof TraceCompletionException cause)) {
        throw e;
      }
      error = cause;
    }
    List<Violation> violations = new ArrayList<>();
    JsonArray array =
        expected.has("violations") ? expected.getAsJsonArray("violations") : new JsonArray();
    array.forEach(one -> violations.add(new Violation(
        one.getAsJsonObject().get("field").getAsString(),
        one.getAsJsonObject().get("description").getAsString())));
    List<?> wanted = List.of(
        expected.get("code").getAsString(), expected.get("reason").getAsString(), violations);
    List<?> came = List.of(error.getCode().name(), error.getReason().name(), error.getViolations());
    return wanted.equals(came) ? "" : wanted + " was expected, " + came + " came";
  }
}
