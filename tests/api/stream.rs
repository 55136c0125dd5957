//! One answer that is sent in pieces.

use std::time::Duration;

use prost::Message;
use tonic::{Code, Status, Streaming};
use trace_completion::{
    contract::proto::{
        CompleteTraceRequest, CompletionProgress, CompletionSummary, SpanChunk, StreamCompleteTraceRequest,
        StreamCompleteTraceResponse, stream_complete_trace_response::Part,
    },
    store::StoreError,
};

use crate::{
    errors::check_reason,
    harness::{Does, QUESTION, Server, large_question, pass, question, start},
};

fn message(request: CompleteTraceRequest) -> StreamCompleteTraceRequest {
    StreamCompleteTraceRequest { request: Some(request) }
}

async fn ask(
    server: &Server,
    request: CompleteTraceRequest,
) -> Result<Streaming<StreamCompleteTraceResponse>, Status> {
    Ok(server.grpc().await.stream_complete_trace(message(request)).await?.into_inner())
}

#[derive(Default)]
struct Pieces {
    progress: Vec<CompletionProgress>,
    chunks: Vec<SpanChunk>,
    summary: CompletionSummary,
}

/// Reads a stream to its end, and checks the order of its pieces.
async fn read(mut stream: Streaming<StreamCompleteTraceResponse>) -> Result<Pieces, Status> {
    let mut pieces = Pieces::default();
    let mut order = String::new();
    while let Some(piece) = stream.message().await? {
        match piece.part.unwrap() {
            Part::Progress(progress) => {
                order.push('p');
                pieces.progress.push(progress);
            }
            Part::Chunk(chunk) => {
                order.push('c');
                pieces.chunks.push(chunk);
            }
            Part::Summary(summary) => {
                order.push('s');
                pieces.summary = summary;
            }
        }
    }
    assert_eq!(order.trim_start_matches('p').trim_start_matches('c'), "s", "{order}");
    Ok(pieces)
}

#[tokio::test]
async fn the_answer_of_the_plain_call_in_pieces() {
    const BOUND: u32 = 4096;
    let server = start(Does::Nothing, |config| config.limits.stream_chunk_bytes = BOUND).await;
    let whole = server.grpc().await.complete_trace(large_question(300)).await.unwrap().into_inner();
    let pieces = read(ask(&server, large_question(300)).await.unwrap()).await.unwrap();

    assert!(!pieces.progress.is_empty());
    assert!(pieces.chunks.len() > 20, "{}", pieces.chunks.len());
    for (i, chunk) in pieces.chunks.iter().enumerate() {
        let size = chunk.encoded_len();
        assert!(size <= BOUND as usize, "{size}");
        assert!(size > BOUND as usize / 2 || i + 1 == pieces.chunks.len(), "chunk {i} is not full: {size}");
        assert!(chunk.reasons.is_empty());
    }
    assert_eq!(pieces.summary.opt_status, whole.opt_status);
    assert_eq!(pieces.summary.description, whole.description);
    assert_eq!((pieces.summary.span_count, pieces.summary.chunk_count), (300, pieces.chunks.len() as i64));
    let data = whole.data.unwrap();
    assert_eq!(pieces.summary.host_clock_correction, data.host_clock_correction);
    let spans: Vec<_> = pieces.chunks.into_iter().flat_map(|chunk| chunk.spans).collect();
    assert_eq!(spans, data.tracing);
}

#[tokio::test]
async fn reasons_come_with_their_spans() {
    let server = start(Does::Nothing, |config| config.limits.stream_chunk_bytes = 4096).await;
    let request = CompleteTraceRequest { explain: true, ..large_question(100) };
    let whole = server.grpc().await.complete_trace(request.clone()).await.unwrap().into_inner();
    let pieces = read(ask(&server, request).await.unwrap()).await.unwrap();
    for chunk in &pieces.chunks {
        assert!(chunk.encoded_len() <= 4096);
        let ids = |ids: Vec<&String>| ids.into_iter().cloned().collect::<Vec<_>>();
        assert_eq!(
            ids(chunk.spans.iter().map(|span| &span.deepflow_span_id).collect()),
            ids(chunk.reasons.iter().map(|reason| &reason.deepflow_span_id).collect())
        );
    }
    let explanation = whole.data.unwrap().explanation.unwrap();
    let reasons: Vec<_> = pieces.chunks.into_iter().flat_map(|chunk| chunk.reasons).collect();
    assert_eq!(reasons, explanation.spans);
    let rest = pieces.summary.explanation.unwrap();
    assert!(rest.spans.is_empty());
    assert_eq!(rest.search.len(), explanation.search.len());
}

#[tokio::test]
async fn a_span_over_the_bound_goes_alone() {
    let server = start(Does::Nothing, |config| config.limits.stream_chunk_bytes = 1024).await;
    let mut request = large_question(7);
    request.app_spans[3].name = "y".repeat(1024);
    let pieces = read(ask(&server, request).await.unwrap()).await.unwrap();
    let alone: Vec<_> = pieces.chunks.iter().filter(|chunk| chunk.encoded_len() > 1024).collect();
    assert_eq!(alone.len(), 1);
    assert_eq!(alone[0].spans.len(), 1);
    assert_eq!(pieces.summary.span_count, 7);
}

#[tokio::test]
async fn no_message_is_over_max_answer_bytes() {
    let change = |config: &mut trace_completion::config::Config| config.limits.max_answer_bytes = 1024;
    let server = start(Does::Nothing, change).await;
    // All spans together are larger than the limit.
    let pieces = read(ask(&server, large_question(20)).await.unwrap()).await.unwrap();
    assert_eq!(pieces.summary.span_count, 20);

    let mut request = large_question(3);
    request.app_spans[1].name = "y".repeat(1024);
    let status = read(ask(&server, request).await.unwrap()).await.err().unwrap();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().ends_with("at most 1024 are sent (limits.max_answer_bytes)"), "{status:?}");
}

#[tokio::test]
async fn failures_come_before_the_head() {
    let server = start(Does::Nothing, |config| config.limits.max_request_ms = 5000).await;
    let mut client = server.grpc().await;
    let status = client.stream_complete_trace(StreamCompleteTraceRequest::default()).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "request: required"));
    check_reason(&status, "INVALID_REQUEST");

    let status = ask(&server, CompleteTraceRequest::default()).await.unwrap_err();
    assert_eq!(status.message(), "app_spans: at least 1 span is required");

    for (does, code, reason) in [
        (Does::Fail(StoreError::Unreachable(String::new())), Code::Unavailable, "STORE_UNREACHABLE"),
        (Does::Panic, Code::Internal, "INTERNAL"),
    ] {
        server.store.now(does);
        let status = ask(&server, question()).await.unwrap_err();
        assert_eq!(status.code(), code, "{status:?}");
        check_reason(&status, reason);
    }

    server.store.now(Does::Hang);
    let time_passes = async {
        server.hanging().await;
        pass(Duration::from_millis(5000)).await;
    };
    let (asked, ()) = tokio::join!(ask(&server, question()), time_passes);
    let status = asked.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    check_reason(&status, "DEADLINE_EXCEEDED");
}

fn one_place(config: &mut trace_completion::config::Config) {
    config.limits.max_concurrent = 1;
    config.limits.max_waiting = 0;
}

#[tokio::test]
async fn a_stream_takes_a_place_while_it_computes() {
    let server = start(Does::Hang, one_place).await;
    let mut client = server.grpc().await;
    let stream = tokio::spawn(async move { client.stream_complete_trace(message(question())).await });
    server.hanging().await;
    assert_eq!(server.post(QUESTION).await.status, 429);
    check_reason(&ask(&server, question()).await.unwrap_err(), "SERVER_BUSY");

    // The caller goes away in the middle of the search, and its place is free again.
    stream.abort();
    server.store.now(Does::Nothing);
    server.until_answered().await;
}

#[tokio::test]
async fn who_does_not_read_takes_no_place_and_is_cut() {
    let change = |config: &mut trace_completion::config::Config| {
        one_place(config);
        config.limits.stream_chunk_bytes = 16 << 10;
        config.limits.stream_stall_ms = 5000;
    };
    let server = start(Does::Nothing, change).await;
    let mut stream = ask(&server, large_question(9000)).await.unwrap();
    while !matches!(stream.message().await.unwrap().unwrap().part, Some(Part::Chunk(_))) {}
    // The rest is more than all buffers on the way hold, and nobody reads it.
    assert_eq!(server.post(QUESTION).await.status, 200);
    // The server fills the buffers before any time passes; from then on it is stalled.
    pass(Duration::from_millis(6000)).await;
    let status = loop {
        match stream.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the stream was not cut"),
            Err(status) => break status,
        }
    };
    assert_eq!(
        (status.code(), status.message()),
        (Code::DeadlineExceeded, "the stream was not read for 5000 ms (limits.stream_stall_ms)")
    );
}
