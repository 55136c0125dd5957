//! What happens at each limit.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::{Code, Status};
use tonic_types::StatusExt;
use trace_completion::contract::REST_PATH;

use crate::errors::check_reason;
use crate::harness::{Does, QUESTION, Server, pass, question, read_all, start};

async fn refused(server: &Server) -> Status {
    server.grpc().await.complete_trace(question()).await.unwrap_err()
}

#[tokio::test]
async fn max_request_bytes() {
    let server = start(Does::Nothing, |config| config.limits.max_request_bytes = 2000).await;
    let body = QUESTION.replace("\"t\"", &format!("\"{}\"", "t".repeat(2000)));
    let announced = server.post(body.clone()).await;
    let chunked = format!(
        "POST {REST_PATH} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n\
         {:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    for reply in [announced, server.raw(chunked.as_bytes()).await] {
        assert_eq!((reply.status, &reply.json()["OPT_STATUS"]), (413, &"INVALID_POST_DATA".into()));
        assert_eq!(reply.json()["DESCRIPTION"], "the body is over 2000 bytes (limits.max_request_bytes)");
        assert_eq!(reply.json()["details"][0]["reason"], "ERROR_REASON_REQUEST_TOO_LARGE");
    }
    let mut large = question();
    large.app_spans[0].trace_id = "t".repeat(2000);
    let status = server.grpc().await.complete_trace(large).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(status.message(), "the message is over 2000 bytes (limits.max_request_bytes)");
    check_reason(&status, "REQUEST_TOO_LARGE");
}

#[tokio::test]
async fn max_answer_bytes() {
    let server = start(Does::Nothing, |config| config.limits.max_answer_bytes = 2).await;
    let reply = server.post(QUESTION).await;
    assert_eq!(reply.status, 413);
    assert!(reply.body.contains("at most 2 are sent (limits.max_answer_bytes)"), "{}", reply.body);
    assert_eq!(reply.json()["details"][0]["reason"], "ERROR_REASON_ANSWER_TOO_LARGE");
    let status = refused(&server).await;
    assert_eq!(status.code(), Code::ResourceExhausted);
    check_reason(&status, "ANSWER_TOO_LARGE");
}

#[tokio::test]
async fn max_app_spans_and_max_string_bytes() {
    let change = |config: &mut trace_completion::config::Config| {
        config.limits.max_app_spans = 1;
        config.limits.max_string_bytes = 3;
    };
    let server = start(Does::Nothing, change).await;
    let mut large = question();
    large.app_spans[0].name = "name".into();
    large.app_spans.push(large.app_spans[0].clone());
    let status = server.grpc().await.complete_trace(large).await.unwrap_err();
    assert_eq!(
        status.message(),
        "app_spans: 2 spans, at most 1 are allowed (limits.max_app_spans); \
         app_spans[0].name: 4 bytes, at most 3 are allowed (limits.max_string_bytes)"
    );
}

#[tokio::test]
async fn max_concurrent_and_max_waiting() {
    let change = |config: &mut trace_completion::config::Config| {
        config.limits.max_concurrent = 1;
        config.limits.max_waiting = 0;
    };
    let server = start(Does::Hang, change).await;
    let mut client = server.grpc().await;
    let first = tokio::spawn(async move { client.complete_trace(question()).await });
    server.hanging().await;

    let reply = server.post(QUESTION).await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, Some("1")));
    assert_eq!(reply.json()["OPT_STATUS"], "SERVER_BUSY");
    let message = "the server is busy: no request may wait for a place (limits.max_waiting)";
    assert_eq!(reply.json()["message"], message);
    assert_eq!(reply.json()["details"][0]["retryDelay"], "1s");
    assert_eq!(reply.json()["details"][1]["reason"], "ERROR_REASON_SERVER_BUSY");
    let status = refused(&server).await;
    assert_eq!(status.code(), Code::ResourceExhausted);
    check_reason(&status, "SERVER_BUSY");
    assert_eq!(status.get_details_retry_info().unwrap().retry_delay, Some(Duration::from_secs(1)));
    assert_eq!(server.get("/healthz").await.status, 200, "health is exempt");

    server.store.release();
    assert!(first.await.unwrap().is_ok());
    assert_eq!(server.post(QUESTION).await.status, 200, "the place is free again");
}

#[tokio::test]
async fn a_caller_that_goes_away_frees_its_place() {
    let change = |config: &mut trace_completion::config::Config| {
        config.limits.max_concurrent = 1;
        config.limits.max_wait_ms = 60_000;
    };
    let server = start(Does::Hang, change).await;
    let mut caller = server.connect().await;
    let length = QUESTION.len();
    let request =
        format!("POST {REST_PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{QUESTION}");
    caller.write_all(request.as_bytes()).await.unwrap();
    server.hanging().await;
    server.store.now(Does::Nothing);
    drop(caller);
    assert_eq!(server.post(QUESTION).await.status, 200);
}

#[tokio::test]
async fn max_request_ms() {
    let server = start(Does::Hang, |config| config.limits.max_request_ms = 5000).await;
    // The time passes when the question hangs in the store.
    let time_passes = async || {
        server.hanging().await;
        pass(Duration::from_millis(5000)).await;
    };
    let (reply, ()) = tokio::join!(server.post(QUESTION), time_passes());
    assert_eq!((reply.status, &reply.json()["OPT_STATUS"]), (504, &"SERVER_ERROR".into()));
    assert_eq!(reply.json()["details"][0]["reason"], "ERROR_REASON_DEADLINE_EXCEEDED");
    let (status, ()) = tokio::join!(refused(&server), time_passes());
    assert_eq!(status.code(), Code::DeadlineExceeded);
    check_reason(&status, "DEADLINE_EXCEEDED");

    // It takes no longer if the body never comes.
    let head =
        format!("POST {REST_PATH} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 9\r\n\r\n");
    let (reply, ()) = tokio::join!(server.raw(head.as_bytes()), pass(Duration::from_millis(5000)));
    assert_eq!(reply.status, 504);
    assert_eq!(reply.json()["message"], "the request took more than 5000 ms (limits.max_request_ms)");
}

#[tokio::test]
async fn header_timeout_ms() {
    let server = start(Does::Nothing, |config| config.limits.header_timeout_ms = 5000).await;
    // Each connection ends: of a caller that sends nothing, half a preface, or half a head.
    for said in ["", "PRI * HTTP/2", "P", "POST /v1/stats/querier HTTP/1.1\r\nhost: x\r\nx: "] {
        let mut stream = server.connect().await;
        stream.write_all(said.as_bytes()).await.unwrap();
        let (answer, ()) = tokio::join!(read_all(&mut stream), pass(Duration::from_millis(5000)));
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{said:?}");
    }
}

#[tokio::test]
async fn max_header_bytes() {
    let server = start(Does::Nothing, |config| config.limits.max_header_bytes = 8192).await;
    let header = format!("x: {}\r\n", "x".repeat(10_000));
    assert_eq!(server.http("GET", "/healthz", &header, "").await.status, 431);
    let mut request = tonic::Request::new(question());
    request.metadata_mut().insert("x", "x".repeat(10_000).parse().unwrap());
    assert!(server.grpc().await.complete_trace(request).await.is_err());
}

#[tokio::test]
async fn max_streams() {
    let server = start(Does::Nothing, |config| config.limits.max_streams = 17).await;
    let mut stream = server.connect().await;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    // The server's first frame is SETTINGS: a head of nine bytes, then pairs of a name and a value.
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(head[3], 4, "SETTINGS");
    let mut settings = vec![0; usize::from(head[2])];
    stream.read_exact(&mut settings).await.unwrap();
    let max_concurrent_streams = [0, 3, 0, 0, 0, 17];
    assert!(settings.chunks(6).any(|setting| setting == max_concurrent_streams), "{settings:?}");
}

#[tokio::test]
async fn max_connections() {
    let server = start(Does::Nothing, |config| config.limits.max_connections = 1).await;
    let mut first = server.connect().await;
    first.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut start = [0; 12];
    first.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");

    // The first connection is kept alive, and the second one waits until it ends.
    let second = server.get("/healthz");
    tokio::pin!(second);
    tokio::select! {
        reply = &mut second => panic!("a second connection is served: {reply:?}"),
        () = pass(Duration::from_millis(100)) => {}
    }
    drop(first);
    assert_eq!(second.await.status, 200);
}
