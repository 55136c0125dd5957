//! One answer in pieces: progress while the search goes on, the spans in chunks, a summary. Spans become messages
//! chunk by chunk, so that an answer of any size needs little more memory than its rows.

use std::sync::Arc;

use prost::Message;

use super::pieces::{self, Pieces, Sink};
use crate::{
    api::{
        completer::{Completer, is_small_answer},
        error::ApiError,
        scope::Scope,
    },
    completion::{Completion, Progress},
    contract::{
        Violations, answer,
        proto::{
            CompletionProgress, CompletionSummary, Span, SpanChunk, SpanReason, StreamCompleteTraceRequest,
            StreamCompleteTraceResponse, stream_complete_trace_response::Part,
        },
        validate,
    },
    offload,
    store::FlowStore,
};

/// Bytes that a chunk or a summary has beside its content: its tag and length in a piece.
const PIECE_BYTES: usize = 16;

/// Starts answering one question.
pub(super) fn answer<S: FlowStore>(
    completer: Arc<Completer<S>>,
    scope: Arc<Scope>,
    question: StreamCompleteTraceRequest,
) -> Pieces<StreamCompleteTraceResponse> {
    let stall_ms = completer.limits().stream_stall_ms;
    pieces::start(scope, stall_ms, |scope, sink| run(completer, scope, question, sink))
}

async fn run<S: FlowStore>(
    completer: Arc<Completer<S>>,
    scope: Arc<Scope>,
    question: StreamCompleteTraceRequest,
    sink: Sink<StreamCompleteTraceResponse>,
) -> Result<(), ApiError> {
    let message = question.request.ok_or_else(|| ApiError::Invalid(no_request()))?;
    let size = message.encoded_len();
    let completion = scope
        .bounded(async {
            let _place = completer.enter().await?;
            let mut tell = |progress| sink.offer(piece(Part::Progress(told(progress, &scope))));
            completer.find(&scope, size, |rules| validate::message(message, rules), &mut tell).await
        })
        .await?;
    // The place is free again: from here on the work waits for the caller to read.

    let limits = completer.limits();
    let max_bytes = limits.stream_chunk_bytes.min(limits.max_answer_bytes) as usize;
    let opt_status = answer::opt_status(&completion);
    let small = is_small_answer(&completion);
    let region = completer.region().to_owned();
    let mut chunks = offload::unless_small(small, move || Chunks::new(completion, region, max_bytes)).await;
    loop {
        let (chunk, rest) = offload::unless_small(small, move || {
            let chunk = chunks.next();
            (chunk, chunks)
        })
        .await;
        chunks = rest;
        let Some(chunk) = chunk else { break };
        send(&sink, Part::Chunk(chunk), limits.max_answer_bytes).await?;
    }
    send(&sink, Part::Summary(chunks.summary()), limits.max_answer_bytes).await?;
    scope.succeeded(opt_status);
    Ok(())
}

/// The fault of a message that holds no request.
pub(super) fn no_request() -> Violations {
    Violations::one("request", "required")
}

fn piece(part: Part) -> StreamCompleteTraceResponse {
    StreamCompleteTraceResponse { part: Some(part) }
}

async fn send(sink: &Sink<StreamCompleteTraceResponse>, part: Part, max: u32) -> Result<(), ApiError> {
    let piece = piece(part);
    let size = piece.encoded_len();
    if size > max as usize + PIECE_BYTES {
        let message = format!(
            "a message of the answer has {size} bytes, at most {max} are sent (limits.max_answer_bytes)"
        );
        return Err(ApiError::AnswerTooLarge(message));
    }
    sink.send(piece).await
}

fn told(progress: Progress, scope: &Scope) -> CompletionProgress {
    CompletionProgress {
        iteration: i32::try_from(progress.iteration).unwrap_or(i32::MAX),
        rows_found: i64::try_from(progress.rows_found).unwrap_or(i64::MAX),
        rows_read: i64::try_from(progress.rows_read).unwrap_or(i64::MAX),
        elapsed_us: i64::try_from(scope.elapsed().as_micros()).unwrap_or(i64::MAX),
    }
}

/// Makes chunks of the spans of a completion, one after the other.
struct Chunks {
    completion: Completion,
    region: String,
    /// Most bytes of a chunk.
    max_bytes: usize,
    /// Index of the next span to be dressed.
    next: usize,
    /// A span that is dressed already, but had no room in the chunk before.
    left_over: Option<(Span, Option<SpanReason>, usize)>,
    /// Reasons of the spans to come.
    reasons: std::vec::IntoIter<SpanReason>,
    /// The summary, whose counts grow with each chunk.
    summary: CompletionSummary,
}

impl Chunks {
    fn new(completion: Completion, region: String, max_bytes: usize) -> Self {
        let frame = answer::without_spans(&completion);
        let data = frame.data.unwrap_or_default();
        let mut explanation = data.explanation;
        let reasons = explanation.as_mut().map(|explanation| std::mem::take(&mut explanation.spans));
        let summary = CompletionSummary {
            opt_status: frame.opt_status,
            description: frame.description,
            host_clock_correction: data.host_clock_correction,
            explanation,
            span_count: 0,
            chunk_count: 0,
        };
        Chunks {
            completion,
            region,
            max_bytes,
            next: 0,
            left_over: None,
            reasons: reasons.unwrap_or_default().into_iter(),
            summary,
        }
    }

    /// The next chunk, as full as the bound allows; `None` after the last.
    fn next(&mut self) -> Option<SpanChunk> {
        let mut chunk = SpanChunk::default();
        let mut bytes = 0;
        while let Some((span, reason, size)) = self.left_over.take().or_else(|| self.dress()) {
            if bytes > 0 && bytes + size > self.max_bytes {
                self.left_over = Some((span, reason, size));
                break;
            }
            bytes += size;
            chunk.spans.push(span);
            chunk.reasons.extend(reason);
        }
        if chunk.spans.is_empty() {
            return None;
        }
        self.summary.chunk_count += 1;
        self.summary.span_count += chunk.spans.len() as i64;
        Some(chunk)
    }

    /// The next span with its reason, and the bytes that they take in a chunk.
    fn dress(&mut self) -> Option<(Span, Option<SpanReason>, usize)> {
        if self.next >= self.completion.completed.spans.len() {
            return None;
        }
        let span = answer::span(&self.completion, self.next, &self.region);
        let reason = self.reasons.next();
        self.next += 1;
        let size = in_chunk(&span) + reason.as_ref().map_or(0, in_chunk);
        Some((span, reason, size))
    }

    fn summary(self) -> CompletionSummary {
        self.summary
    }
}

/// Bytes of a message as an element of a chunk: a tag of one byte, the length, itself.
fn in_chunk(message: &impl Message) -> usize {
    let size = message.encoded_len();
    1 + prost::length_delimiter_len(size) + size
}
