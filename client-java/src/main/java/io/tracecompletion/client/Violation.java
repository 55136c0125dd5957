package io.tracecompletion.client;

/**
 * One fault of a request.
 *
 * @param field where: {@code app_spans[3].end_time_us}; empty for the request as a whole
 * @param description what is wrong, with the limit
 */
public record Violation(String field, String description) {}
