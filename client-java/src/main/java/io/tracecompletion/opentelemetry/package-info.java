/**
 * For users of OpenTelemetry: makes requests from the spans of an SDK, and sends the trace context
 * with each call. It needs {@code io.opentelemetry:opentelemetry-sdk-trace} on the class path. The
 * client does not depend on it.
 */
package io.tracecompletion.opentelemetry;
