//! The error table of the contract, each row through both doors.

use serde_json::{Value, json};
use tonic::{Code, Status};
use tonic_types::StatusExt;
use trace_completion::{api::REST_PATH, store::StoreError};

use crate::harness::{Does, QUESTION, Reply, Server, question, start};

async fn ask(server: &Server) -> (Reply, Status) {
    let reply = server.post(QUESTION).await;
    let status = server.grpc().await.complete_trace(question()).await.unwrap_err();
    (reply, status)
}

/// Checks a REST error: both shapes, and the same text in both.
fn check_rest(reply: &Reply, http: u16, opt_status: &str, code: Code, message: &str) {
    let body = reply.json();
    assert_eq!(reply.status, http, "{body}");
    assert_eq!(reply.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(body["OPT_STATUS"], opt_status);
    assert_eq!(body["code"], code as i32);
    assert_eq!(body["message"], body["DESCRIPTION"]);
    assert_eq!(body["message"], message);
    assert!(body["details"].is_array());
}

#[tokio::test]
async fn an_answer() {
    let server = start(Does::Nothing, |_| {}).await;
    for path in [REST_PATH.to_owned(), format!("{REST_PATH}/"), format!("{REST_PATH}?x=1")] {
        let reply = server.http("POST", &path, "content-type: text/plain\r\n", QUESTION).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        assert_eq!(reply.header("content-type"), Some("application/json; charset=utf-8"));
        assert!(reply.header("x-request-id").is_some());
        let body = reply.json();
        assert_eq!(body["OPT_STATUS"], "SUCCESS");
        assert_eq!(body["DESCRIPTION"], "");
        assert_eq!(body["DATA"]["tracing"].as_array().unwrap().len(), 1, "the caller's own span");
        assert_eq!(body["DATA"]["host_clock_correction"], json!({}));
    }
    let answer = server.grpc().await.complete_trace(question()).await.unwrap();
    assert!(answer.metadata().contains_key("x-request-id"));
    assert_eq!(answer.get_ref().opt_status, "SUCCESS");
    assert_eq!(answer.get_ref().data.as_ref().unwrap().tracing.len(), 1);
}

#[tokio::test]
async fn a_partial_answer() {
    let server = start(Does::Truncate, |_| {}).await;
    let reply = server.post(QUESTION).await;
    assert_eq!(reply.status, 206, "{}", reply.body);
    let body = reply.json();
    assert_eq!(body["OPT_STATUS"], "PARTIAL_RESULT");
    assert!(body["DESCRIPTION"].as_str().unwrap().contains("l7_tracing_limit"), "{body}");
    assert_eq!(body["DATA"]["tracing"].as_array().unwrap().len(), 1, "the caller's own span");
    let answer = server.grpc().await.complete_trace(question()).await.unwrap().into_inner();
    assert_eq!(
        (answer.opt_status.as_str(), &answer.description),
        ("PARTIAL_RESULT", &body["DESCRIPTION"].as_str().unwrap().to_owned())
    );
}

#[tokio::test]
async fn invalid_requests() {
    let server = start(Does::Nothing, |_| {}).await;
    let message =
        "app_spans[0].end_time_us: 4 is less than start_time_us, 5; max_iteration: 0 is less than 1";

    let body = QUESTION.replace('9', "4").replace("{\"app", "{\"max_iteration\": 0, \"app");
    let reply = server.post(body).await;
    check_rest(&reply, 400, "INVALID_POST_DATA", Code::InvalidArgument, message);
    let details = json!([{
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [
            {"field": "app_spans[0].end_time_us", "description": "4 is less than start_time_us, 5"},
            {"field": "max_iteration", "description": "0 is less than 1"},
        ],
    }]);
    assert_eq!(reply.json()["details"], details);
    assert_eq!(server.post("").await.json()["message"], "the body is empty, a JSON object is expected");

    let mut request = question();
    request.app_spans[0].end_time_us = 4;
    request.max_iteration = Some(0);
    let status = server.grpc().await.complete_trace(request).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, message));
    let violations = status.get_details_bad_request().unwrap().field_violations;
    let violations: Vec<_> = violations.iter().map(|v| (v.field.as_str(), v.description.as_str())).collect();
    assert_eq!(
        violations,
        [
            ("app_spans[0].end_time_us", "4 is less than start_time_us, 5"),
            ("max_iteration", "0 is less than 1")
        ]
    );
}

#[tokio::test]
async fn a_message_that_is_no_protobuf() {
    let server = start(Does::Nothing, |_| {}).await;
    // Field 3, one byte long, which is no message.
    let frame = [0, 0, 0, 0, 3, 0x1a, 0x01, 0xff];
    let headers = "content-type: application/grpc\r\nte: trailers\r\n";
    let path = "/tracecompletion.v1.TraceCompletionService/CompleteTrace";
    let reply = server.http("POST", path, headers, frame).await;
    assert_eq!(reply.header("grpc-status"), Some("3"), "{reply:?}");
    assert!(
        reply.header("grpc-message").unwrap().starts_with("failed%20to%20decode%20Protobuf"),
        "{reply:?}"
    );
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods() {
    let server = start(Does::Nothing, |_| {}).await;
    let reply = server.get("/nope").await;
    check_rest(&reply, 404, "NOT_FOUND", Code::Unimplemented, "no such path: /nope");
    for (method, path, allow) in
        [("GET", REST_PATH, "POST"), ("POST", "/healthz", "GET, HEAD"), ("DELETE", "/readyz", "GET, HEAD")]
    {
        let reply = server.http(method, path, "", "").await;
        let message = format!("method {method} is not allowed here");
        check_rest(&reply, 405, "NOT_ALLOW_METHOD", Code::Unimplemented, &message);
        assert_eq!(reply.header("allow"), Some(allow));
    }
    for path in ["/tracecompletion.v1.TraceCompletionService/Nope", "/x.Y/Z"] {
        let reply = server.http("POST", path, "content-type: application/grpc\r\n", "").await;
        assert_eq!((reply.status, reply.header("grpc-status")), (200, Some("12")), "{path}");
    }
}

#[tokio::test]
async fn the_flow_log_fails() {
    let server = start(Does::Nothing, |_| {}).await;
    let secret = || "password hunter2".to_owned();
    for (error, code, http, opt_status, message) in [
        (
            StoreError::Unreachable(secret()),
            Code::Unavailable,
            503,
            "SERVER_ERROR",
            "the flow log is unavailable: it cannot be reached",
        ),
        (
            StoreError::Denied(secret()),
            Code::Unavailable,
            503,
            "SERVER_ERROR",
            "the flow log is unavailable: it refuses access to this server",
        ),
        (
            StoreError::Timeout,
            Code::DeadlineExceeded,
            504,
            "SERVER_ERROR",
            "the flow log did not answer in time",
        ),
        (
            StoreError::Schema("column trace_id_2".to_owned()),
            Code::Internal,
            500,
            "INTERNAL_SERVER_ERROR",
            "the flow log lacks column trace_id_2",
        ),
    ] {
        server.store.now(Does::Fail(error));
        let (reply, status) = ask(&server).await;
        check_rest(&reply, http, opt_status, code, message);
        assert_eq!(reply.json()["details"], Value::Array(Vec::new()));
        assert_eq!((status.code(), status.message()), (code, message));
    }
}

#[tokio::test]
async fn faults_of_ours_leak_nothing_but_the_request_id() {
    let server = start(Does::Nothing, |_| {}).await;
    let secret = || "password hunter2".to_owned();
    for does in
        [Does::Fail(StoreError::Nonsense(secret())), Does::Fail(StoreError::Exhausted(secret())), Does::Panic]
    {
        server.store.now(does);
        let (reply, status) = ask(&server).await;
        let message = format!("internal error, request id {}", reply.header("x-request-id").unwrap());
        check_rest(&reply, 500, "INTERNAL_SERVER_ERROR", Code::Internal, &message);
        let id = status.metadata().get("x-request-id").unwrap().to_str().unwrap();
        assert_eq!(
            (status.code(), status.message()),
            (Code::Internal, format!("internal error, request id {id}").as_str())
        );
    }
}

#[tokio::test]
async fn a_panic_takes_no_connection_down() {
    let server = start(Does::Panic, |_| {}).await;
    let mut client = server.grpc().await;
    assert_eq!(client.complete_trace(question()).await.unwrap_err().code(), Code::Internal);
    server.store.now(Does::Nothing);
    assert!(client.complete_trace(question()).await.is_ok());
}
