package io.tracecompletion.client;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** The Java snippets in both READMEs are the examples, which {@link RealServerTest} runs. */
class ReadmeTest {
  private static final Pattern SNIPPET = Pattern.compile("(?s)```java\n(.*?)```");
  private static final Pattern BODY =
      Pattern.compile("(?s) static [^;]*?\\) \\{\n(.*?)\n  }\n}\n$");

  @Test
  void theirSnippetsAreTheExamples() throws IOException {
    String program = body("CompleteTrace");
    assertEquals(List.of(program, body("CompleteAround")), snippets("README.md"));
    assertEquals(List.of(program), snippets("../README.md"));
  }

  private static List<String> snippets(String readme) throws IOException {
    return SNIPPET
        .matcher(Files.readString(Path.of(readme)))
        .results()
        .map(match -> match.group(1))
        .toList();
  }

  private static String body(String example) throws IOException {
    String text = Files.readString(Path.of("examples", example + ".java"));
    return BODY.matcher(text)
            .results()
            .map(match -> match.group(1))
            .findFirst()
            .orElseThrow()
            .replaceAll("(?m)^ {4}", "")
        + "\n";
  }
}
