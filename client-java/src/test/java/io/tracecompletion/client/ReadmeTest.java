package io.tracecompletion.client;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** The snippet of the README is the example that is compiled. */
class ReadmeTest {

  @Test
  void theSnippetIsTheExample() throws IOException {
    String readme = Files.readString(Path.of("README.md"));
    String example = Files.readString(Path.of("examples/CompleteTrace.java"));
    String snippet = between(readme, "```java\n", "```");
    String body = between(example, "String[] args) {\n", "  }\n}\n").replaceAll("(?m)^ {4}", "");
    assertEquals(body, snippet);
  }

  private static String between(String text, String before, String after) {
    int start = text.indexOf(before) + before.length();
    return text.substring(start, text.indexOf(after, start));
  }
}
