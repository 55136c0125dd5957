/**
 * A client of Trace Completion. It sends a few application spans of one trace, and gets back one
 * call tree: these spans together with the system and network spans that DeepFlow recorded around
 * them.
 *
 * <p>Start at {@link io.tracecompletion.client.TraceCompletionClient}. The messages are in the
 * package {@code io.tracecompletion.v1}.
 */
package io.tracecompletion.client;
