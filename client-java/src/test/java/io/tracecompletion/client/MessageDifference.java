package io.tracecompletion.client;

import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Message;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** Says where two messages differ. */
final class MessageDifference {
  private MessageDifference() {}

  /**
   * The path of the first difference, by its names in JSON, with both values; empty for equal
   * messages.
   */
  static String of(Message expected, Message actual) {
    if (expected.equals(actual)) {
      return "";
    }
    String difference = at("", expected, actual);
    // The comparison of whole messages decides, because it also compares fields that this client
    // does
    // not know.
    return difference.isEmpty()
        ? "the messages differ in fields unknown to the contract"
        : difference;
  }

  private static String at(String path, Message expected, Message actual) {
    for (FieldDescriptor field : expected.getDescriptorForType().getFields()) {
      String here = path.isEmpty() ? field.getJsonName() : path + "." + field.getJsonName();
      String difference;
      if (field.isMapField()) {
        difference = values(here, map(expected, field), map(actual, field));
      } else if (field.isRepeated()) {
        difference =
            lists(here, (List<?>) expected.getField(field), (List<?>) actual.getField(field));
      } else if (field.hasPresence() && expected.hasField(field) != actual.hasField(field)) {
        difference = here + " is expected to be " + (expected.hasField(field) ? "set" : "absent");
      } else {
        difference = values(here, expected.getField(field), actual.getField(field));
      }
      if (!difference.isEmpty()) {
        return difference;
      }
    }
    return "";
  }

  private static String lists(String path, List<?> expected, List<?> actual) {
    for (int i = 0; i < Math.min(expected.size(), actual.size()); i++) {
      String difference = values(path + "[" + i + "]", expected.get(i), actual.get(i));
      if (!difference.isEmpty()) {
        return difference;
      }
    }
    return values("length of " + path, expected.size(), actual.size());
  }

  private static String values(String path, Object expected, Object actual) {
    if (expected instanceof Message one && actual instanceof Message other) {
      return at(path, one, other);
    }
    return expected.equals(actual)
        ? ""
        : path + ": " + expected + " was expected, " + actual + " came";
  }

  /** Maps have no order. */
  private static Map<String, Object> map(Message message, FieldDescriptor field) {
    FieldDescriptor key = field.getMessageType().findFieldByName("key");
    FieldDescriptor value = field.getMessageType().findFieldByName("value");
    return ((List<?>) message.getField(field))
        .stream()
            .map(Message.class::cast)
            .collect(Collectors.toMap(
                entry -> entry.getField(key).toString(),
                entry -> entry.getField(value),
                (one, other) -> other,
                TreeMap::new));
  }
}
