//! `/openapi.json` describes what the REST door does.

use serde_json::{Value, json};
use trace_completion::{contract::REST_PATH, store::StoreError};

use crate::harness::{Does, QUESTION, Reply, Server, start};

async fn document(server: &Server) -> Value {
    let reply = server.get("/openapi.json").await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("application/json; charset=utf-8"));
    reply.json()
}

/// Checks a value against a schema: the keywords that the document uses. Gives the faults.
fn faults(document: &Value, schema: &Value, value: &Value, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fault = |what: &str| found.push(format!("{path}: {what}: {value}"));
    if let Some(reference) = schema["$ref"].as_str() {
        let schema = document.pointer(reference.strip_prefix('#').unwrap()).unwrap();
        return faults(document, schema, value, path);
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        if !choices.iter().any(|schema| faults(document, schema, value, path).is_empty()) {
            fault("none of the choices");
        }
        return found;
    }
    let is = |kind: &str| match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{path}: unknown type {other}"),
    };
    let fits = match &schema["type"] {
        Value::String(kind) => is(kind),
        Value::Array(kinds) => kinds.iter().any(|kind| is(kind.as_str().unwrap())),
        other => panic!("{path}: no type: {other}"),
    };
    if !fits {
        fault("another type");
    }
    if schema["enum"].as_array().is_some_and(|values| !values.contains(value)) {
        fault("not one of the values");
    }
    if schema["minimum"].as_i64().is_some_and(|least| value.as_i64().is_some_and(|value| value < least)) {
        fault("too small");
    }
    for (i, item) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(faults(document, &schema["items"], item, &format!("{path}[{i}]")));
    }
    let Some(object) = value.as_object() else { return found };
    for key in schema["required"].as_array().into_iter().flatten() {
        if !object.contains_key(key.as_str().unwrap()) {
            found.push(format!("{path}: {key} is missing"));
        }
    }
    for (key, item) in object {
        let path = format!("{path}.{key}");
        match (schema["properties"].get(key), &schema["additionalProperties"]) {
            (Some(schema), _) => found.extend(faults(document, schema, item, &path)),
            (None, schema @ Value::Object(_)) => found.extend(faults(document, schema, item, &path)),
            (None, _) => found.push(format!("{path}: not in the schema")),
        }
    }
    found
}

fn operation(document: &Value) -> &Value {
    &document["paths"][REST_PATH]["post"]
}

/// The schema of an answer with this status.
fn schema_of<'a>(document: &'a Value, reply: &Reply) -> &'a Value {
    let response = &operation(document)["responses"][reply.status.to_string()];
    assert!(response.is_object(), "HTTP {} is not described", reply.status);
    for header in response["headers"].as_object().unwrap().keys() {
        assert!(reply.header(&header.to_ascii_lowercase()).is_some(), "no {header}: {reply:?}");
    }
    &response["content"]["application/json"]["schema"]
}

fn check(document: &Value, reply: &Reply) {
    assert_eq!(
        faults(document, schema_of(document, reply), &reply.json(), ""),
        Vec::<String>::new(),
        "HTTP {}",
        reply.status
    );
}

#[tokio::test]
async fn answers_and_errors_are_as_described() {
    let server = start(Does::Nothing, |config| config.limits.max_request_ms = 300).await;
    let document = document(&server).await;
    check(&document, &server.post(QUESTION).await);
    let explain = QUESTION.replacen('{', "{\"explain\": true, ", 1);
    let explained = server.post(explain).await;
    assert!(explained.json()["DATA"]["explanation"].is_object());
    check(&document, &explained);

    check(&document, &server.post("{}").await);
    check(&document, &server.post("x".repeat(5 << 20)).await);
    check(&document, &server.http("POST", REST_PATH, "content-encoding: gzip\r\n", QUESTION).await);
    for does in [
        Does::Truncate,
        Does::Panic,
        Does::Fail(StoreError::Unreachable(String::new())),
        Does::Fail(StoreError::Timeout),
        Does::Hang,
    ] {
        server.store.now(does);
        check(&document, &server.post(QUESTION).await);
    }

    let full = |config: &mut trace_completion::config::Config| {
        config.limits.max_concurrent = 1;
        config.limits.max_waiting = 0;
    };
    let server = start(Does::Hang, full).await;
    let mut client = server.grpc().await;
    let first = tokio::spawn(async move { client.complete_trace(crate::harness::question()).await });
    server.hanging().await;
    let reply = server.post(QUESTION).await;
    assert_eq!(reply.status, 429);
    check(&document, &reply);
    first.abort();
}

#[tokio::test]
async fn the_check_finds_what_is_wrong() {
    let server = start(Does::Nothing, |_| {}).await;
    let document = document(&server).await;
    let reply = server.post(QUESTION).await;
    let schema = schema_of(&document, &reply);
    for (pointer, wrong) in [
        ("/OPT_STATUS", json!(1)),
        ("/DATA", Value::Null),
        ("/DATA/tracing/0/duration", json!("1")),
        ("/DATA/tracing/0/_ids/0", json!(1)),
        ("/DATA/tracing/0/response_code", json!("x")),
        ("/DATA/host_clock_correction", json!({"1": "2"})),
        ("/DATA/tracing/0", json!({"start_time_us": 1})),
    ] {
        let mut body = reply.json();
        *body.pointer_mut(pointer).unwrap() = wrong;
        assert!(!faults(&document, schema, &body, "").is_empty(), "{pointer}");
    }
}

/// The keys that the document says are required are those, and no others, that the server asks for.
#[tokio::test]
async fn required_keys_are_required() {
    let server = start(Does::Nothing, |_| {}).await;
    let document = document(&server).await;
    let schema = &operation(&document)["requestBody"]["content"]["application/json"]["schema"];
    let whole = json!({
        "max_iteration": 3, "network_delay_us": 5, "host_clock_offset_us": 7, "explain": false,
        "app_spans": [{
            "trace_id": "t", "span_id": "s", "parent_span_id": "", "span_kind": "SPAN_KIND_SERVER",
            "start_time_us": 5, "end_time_us": 9, "name": "n", "app_service": "a", "app_instance": "i",
        }],
    });
    let mut lack: Vec<Value> = vec![whole.clone()];
    for parent in ["", "/app_spans/0"] {
        for key in whole.pointer(parent).unwrap().as_object().unwrap().keys() {
            let mut body = whole.clone();
            body.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key);
            lack.push(body);
        }
        let mut body = whole.clone();
        body.pointer_mut(parent).unwrap()["unknown"] = json!(1);
        lack.push(body);
    }
    for body in lack {
        let said = faults(&document, schema, &body, "");
        let status = server.post(body.to_string()).await.status;
        assert_eq!(status, if said.is_empty() { 200 } else { 400 }, "{body}: {said:?}");
    }
}

#[tokio::test]
async fn everything_is_described_in_words() {
    let server = start(Does::Nothing, |_| {}).await;
    let document = document(&server).await;
    assert!(operation(&document)["summary"].as_str().unwrap().starts_with("Completes one trace"));
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert!(!schema["description"].as_str().unwrap().is_empty(), "{name}");
        for (key, property) in schema["properties"].as_object().into_iter().flatten() {
            let described = property["description"].as_str().is_some_and(|text| !text.is_empty());
            assert!(described || name == "Error", "{name}.{key}");
        }
    }
    for path in ["/healthz", "/readyz", "/openapi.json"] {
        assert!(document["paths"][path]["get"].is_object(), "{path}");
    }
}
