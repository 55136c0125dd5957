package io.tracecompletion.client;

/**
 * One fault of a request.
 *
 * @param field the path of the value, such as {@code app_spans[3].end_time_us}; empty if the fault
 *     is about the whole request
 * @param description what is wrong, and the limit if there is one
 */
public record Violation(String field, String description) {}
