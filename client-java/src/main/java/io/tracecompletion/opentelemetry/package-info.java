/**
 * From OpenTelemetry to a question, and its context into calls. Needs {@code io.opentelemetry:opentelemetry-sdk-trace},
 * which the client does not bring along.
 */
package io.tracecompletion.opentelemetry;
