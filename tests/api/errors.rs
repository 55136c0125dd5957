//! The table of errors of the contract: each row is caused at both doors.

use serde_json::{Value, json};
use tonic::{Code, Status};
use tonic_types::StatusExt;
use trace_completion::{
    contract::{
        REST_PATH,
        proto::{CompleteTraceRequest, CompleteTraceResponse},
    },
    store::StoreError,
};

use crate::harness::{Does, QUESTION, Reply, Server, question, start};

async fn ask(server: &Server) -> (Reply, Status) {
    let reply = server.post(QUESTION).await;
    let status = server.grpc().await.complete_trace(question()).await.unwrap_err();
    (reply, status)
}

/// Checks a REST error: it has both shapes, with the same text and the expected reason.
fn check_rest(reply: &Reply, http: u16, opt_status: &str, code: Code, message: &str, reason: &str) {
    let body = reply.json();
    assert_eq!(reply.status, http, "{body}");
    assert_eq!(reply.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(body["OPT_STATUS"], opt_status);
    assert_eq!(body["code"], code as i32);
    assert_eq!(body["message"], body["DESCRIPTION"]);
    assert_eq!(body["message"], message);
    let details = body["details"].as_array().unwrap();
    let info = details.iter().find(|detail| detail["@type"] == "type.googleapis.com/google.rpc.ErrorInfo");
    assert_eq!(info.unwrap(), &error_info(reply, reason));
}

fn error_info(reply: &Reply, reason: &str) -> Value {
    let metadata = match reply.header("x-request-id") {
        Some(id) => json!({ "request_id": id }),
        None => json!({}),
    };
    json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": format!("ERROR_REASON_{reason}"),
        "domain": "tracecompletion.v1",
        "metadata": metadata,
    })
}

/// Checks the reason of a gRPC error.
pub(crate) fn check_reason(status: &Status, reason: &str) {
    let info = status.get_details_error_info().unwrap_or_else(|| panic!("no reason: {status:?}"));
    assert_eq!(info.reason, format!("ERROR_REASON_{reason}"));
    assert_eq!(info.domain, "tracecompletion.v1");
    let id = status.metadata().get("x-request-id").map(|id| id.to_str().unwrap());
    assert_eq!(info.metadata.get("request_id").map(String::as_str), id);
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

/// A fault, with every field of the message, as a gateway prints it.
fn violation(field: &str, description: &str) -> Value {
    json!({"field": field, "description": description, "reason": "", "localizedMessage": null})
}

#[tokio::test]
async fn invalid_requests() {
    let server = start(Does::Nothing, |_| {}).await;
    let message =
        "app_spans[0].end_time_us: 4 is less than start_time_us, 5; max_iteration: 0 is less than 1";

    let body = QUESTION.replace('9', "4").replace("{\"app", "{\"max_iteration\": 0, \"app");
    let reply = server.post(body).await;
    check_rest(&reply, 400, "INVALID_POST_DATA", Code::InvalidArgument, message, "INVALID_REQUEST");
    let bad_request = json!({
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [
            violation("app_spans[0].end_time_us", "4 is less than start_time_us, 5"),
            violation("max_iteration", "0 is less than 1"),
        ],
    });
    let details = json!([error_info(&reply, "INVALID_REQUEST"), bad_request]);
    assert_eq!(reply.json()["details"], details);
    assert_eq!(server.post("").await.json()["message"], "the body is empty, a JSON object is expected");

    let mut request = question();
    request.app_spans[0].end_time_us = 4;
    request.max_iteration = Some(0);
    let status = server.grpc().await.complete_trace(request).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, message));
    check_reason(&status, "INVALID_REQUEST");
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

/// A value that the JSON form cannot hold is refused with its path, and hides no other fault.
#[tokio::test]
async fn bodies_that_json_cannot_say() {
    let server = start(Does::Nothing, |_| {}).await;
    let begin = QUESTION.trim_end_matches('}').trim_end_matches(']').replace("\"t\"", "1");
    let first = violation("app_spans[0].trace_id", "a number, a string is expected");
    for (value, fault) in [
        ("NaN", "\"NaN\" is not JSON: expected value at line 3 column 20"),
        ("1e999", "1e999 is more than 9223372036854775807"),
        ("18446744073709551616", "18446744073709551616 is more than 9223372036854775807"),
    ] {
        let reply = server.post(format!("{begin}],\n\"network_delay_us\":{value}}}")).await;
        assert_eq!(reply.status, 400);
        let violations = reply.json()["details"][1]["fieldViolations"].clone();
        assert_eq!(violations, json!([first, violation("network_delay_us", fault)]), "{value}");
    }
    let reply = server.post(format!("{begin}, {{\"name\": \"\\ud800\", \"x\": 1}}]}}")).await;
    let message = reply.json()["message"].as_str().unwrap().to_owned();
    for fault in [
        "app_spans[0].trace_id: a number, a string is expected; \
         app_spans[1].name: a surrogate (\\ud800 to \\udfff) without its other half; app_spans[1].x: unknown field",
        "app_spans[1].end_time_us: required",
    ] {
        assert!(message.contains(fault), "{message}");
    }
}

#[tokio::test]
async fn a_message_that_is_no_protobuf() {
    let server = start(Does::Nothing, |_| {}).await;
    // Field 3 with one byte, which is no message.
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
    let message = "no such path: /nope";
    check_rest(&reply, 404, "NOT_FOUND", Code::Unimplemented, message, "UNKNOWN_METHOD");
    for (method, path, allow) in
        [("GET", REST_PATH, "POST"), ("POST", "/healthz", "GET, HEAD"), ("DELETE", "/readyz", "GET, HEAD")]
    {
        let reply = server.http(method, path, "", "").await;
        let message = format!("method {method} is not allowed here");
        check_rest(&reply, 405, "NOT_ALLOW_METHOD", Code::Unimplemented, &message, "UNKNOWN_METHOD");
        assert_eq!(reply.header("allow"), Some(allow));
    }
    for path in ["/tracecompletion.v1.TraceCompletionService/Nope", "/x.Y/Z"] {
        let reply = server.http("POST", path, "content-type: application/grpc\r\n", "").await;
        assert_eq!((reply.status, reply.header("grpc-status")), (200, Some("12")), "{path}");
    }

    let mut client = tonic::client::Grpc::new(server.channel().await);
    client.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static("/tracecompletion.v1.TraceCompletionService/Nope");
    let codec = tonic_prost::ProstCodec::<CompleteTraceRequest, CompleteTraceResponse>::default();
    let status = client.unary(tonic::Request::new(question()), path, codec).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unimplemented, "no such path: /tracecompletion.v1.TraceCompletionService/Nope")
    );
    check_reason(&status, "UNKNOWN_METHOD");
}

#[tokio::test]
async fn compressed_messages() {
    let server = start(Does::Nothing, |_| {}).await;
    // A frame that says it is compressed.
    let frame = [1, 0, 0, 0, 1, 0];
    let headers = "content-type: application/grpc\r\nte: trailers\r\ngrpc-encoding: gzip\r\n";
    for method in ["CompleteTrace", "StreamCompleteTrace"] {
        let path = format!("/tracecompletion.v1.TraceCompletionService/{method}");
        let reply = server.http("POST", &path, headers, frame).await;
        assert_eq!(reply.header("grpc-status"), Some("12"), "{reply:?}");
        let message = "messages%20compressed%20with%20gzip%20are%20not%20read";
        assert_eq!(reply.header("grpc-message"), Some(message));
        assert!(reply.header("grpc-accept-encoding").is_some(), "{reply:?}");
        let map = reply.headers.iter().map(|(name, value)| {
            (http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap())
        });
        check_reason(&Status::from_header_map(&map.collect()).unwrap(), "UNSUPPORTED_ENCODING");
    }
}

#[tokio::test]
async fn compressed_bodies() {
    let server = start(Does::Nothing, |_| {}).await;
    for (headers, encoding) in [
        ("content-encoding: gzip\r\n", "gzip"),
        ("content-encoding: identity, GZip\r\n", "GZip"),
        ("content-encoding: identity\r\ncontent-encoding: br\r\n", "br"),
    ] {
        let reply = server.http("POST", REST_PATH, headers, [0x1f, 0x8b, 8, 0]).await;
        let message = format!("messages compressed with {encoding} are not read");
        check_rest(&reply, 415, "INVALID_POST_DATA", Code::Unimplemented, &message, "UNSUPPORTED_ENCODING");
        assert_eq!(reply.header("accept-encoding"), Some("identity"));
    }
    let reply = server.http("POST", REST_PATH, "content-encoding: Identity\r\n", QUESTION).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
}

#[tokio::test]
async fn anything_but_grpc_at_the_path_of_a_grpc_service() {
    let server = start(Does::Nothing, |_| {}).await;
    for path in [
        "/tracecompletion.v1.TraceCompletionService/CompleteTrace",
        "/tracecompletion.v1.TraceCompletionService/StreamCompleteTrace",
        "/tracecompletion.v1.TraceCompletionService/BatchCompleteTrace",
        "/tracecompletion.v1.TraceCompletionService/Nope",
        "/grpc.health.v1.Health/Check",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    ] {
        for (headers, kind) in [
            ("content-type: application/json\r\n", "application/json"),
            ("content-type: application/x-www-form-urlencoded\r\n", "application/x-www-form-urlencoded"),
            ("content-type: text\r\n", "text"),
            ("", "(none)"),
        ] {
            let reply = server.http("POST", path, headers, "{}").await;
            let message = format!(
                "content type {kind} is not read at the path of a gRPC service; over REST, POST JSON to {REST_PATH}"
            );
            let reason = "UNSUPPORTED_ENCODING";
            check_rest(&reply, 415, "INVALID_POST_DATA", Code::Unimplemented, &message, reason);
            assert_eq!(reply.header("x-request-id").is_some(), path.starts_with("/tracecompletion"));
        }
        for kind in ["application/grpc", "Application/gRPC+proto", "application/grpc;x=y"] {
            let reply = server.http("POST", path, &format!("content-type: {kind}\r\n"), "").await;
            assert_eq!(
                (reply.status, reply.header("content-type")),
                (200, Some("application/grpc")),
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn the_flow_log_fails() {
    let server = start(Does::Nothing, |_| {}).await;
    let secret = || "password hunter2".to_owned();
    for (error, code, http, opt_status, message, reason) in [
        (
            StoreError::Unreachable(secret()),
            Code::Unavailable,
            503,
            "SERVER_ERROR",
            "the flow log is unavailable: it cannot be reached",
            "STORE_UNREACHABLE",
        ),
        (
            StoreError::Denied(secret()),
            Code::Unavailable,
            503,
            "SERVER_ERROR",
            "the flow log is unavailable: it refuses access to this server",
            "STORE_DENIED",
        ),
        (
            StoreError::Timeout,
            Code::DeadlineExceeded,
            504,
            "SERVER_ERROR",
            "the flow log did not answer in time",
            "DEADLINE_EXCEEDED",
        ),
        (
            StoreError::Schema("column trace_id_2".to_owned()),
            Code::Internal,
            500,
            "INTERNAL_SERVER_ERROR",
            "the flow log lacks column trace_id_2",
            "STORE_SCHEMA",
        ),
    ] {
        server.store.now(Does::Fail(error));
        let (reply, status) = ask(&server).await;
        check_rest(&reply, http, opt_status, code, message, reason);
        assert_eq!((status.code(), status.message()), (code, message));
        check_reason(&status, reason);
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
        check_rest(&reply, 500, "INTERNAL_SERVER_ERROR", Code::Internal, &message, "INTERNAL");
        check_reason(&status, "INTERNAL");
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
