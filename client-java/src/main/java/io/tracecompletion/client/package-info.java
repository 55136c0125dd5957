/**
 * A client of Trace Completion: it sends a few application spans of one trace, and gets them back together with the
 * system and network spans that DeepFlow recorded around them, as one call tree.
 *
 * <p>Start at {@link io.tracecompletion.client.TraceCompletionClient}. Messages are those of {@code io.tracecompletion.v1}.
 */
package io.tracecompletion.client;
