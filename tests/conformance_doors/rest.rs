//! The REST door.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use serde_json::Value;
use trace_completion::contract::{REST_PATH, proto::PACKAGE};

use super::case::{Case, ExpectedError, Given, Violation, check_message, code_name};

pub(crate) fn ask(case: &Case, address: &str) -> Result<(), String> {
    let (status, body) = post(address, &case.request.to_string())?;
    case.compare(if body.get("code").is_some() {
        Given::Error(error(status, &body)?)
    } else {
        // 206 says the same as OPT_STATUS, for callers that look at the status only.
        let expected = if body["OPT_STATUS"] == "PARTIAL_RESULT" { 206 } else { 200 };
        if status != expected {
            return Err(format!("HTTP status {status}, not {expected}"));
        }
        Given::Answer(body)
    })
}

/// What a REST error says.
pub(crate) fn error(status: u16, body: &Value) -> Result<ExpectedError, String> {
    let detail = |kind: &str| {
        let details = body["details"].as_array().into_iter().flatten();
        let kind = format!("type.googleapis.com/google.rpc.{kind}");
        details.clone().find(|detail| detail["@type"] == kind.as_str())
    };
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(|| format!("no text in {body}"));
    let info = detail("ErrorInfo").ok_or_else(|| format!("no reason: {body}"))?;
    if info["domain"] != PACKAGE {
        return Err(format!("the domain is {}", info["domain"]));
    }
    let faults = detail("BadRequest").map(|faults| &faults["fieldViolations"]);
    let violations = faults
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|fault| {
            // No fault of ours sets these fields of the message. A gateway prints them like this.
            if fault["reason"] != "" || !fault["localizedMessage"].is_null() {
                return Err(format!("a fault in another shape: {fault}"));
            }
            Ok(Violation { field: text(&fault["field"])?, description: text(&fault["description"])? })
        })
        .collect::<Result<Vec<_>, _>>()?;
    check_message(&text(&body["message"])?, &violations)?;
    if body["message"] != body["DESCRIPTION"] {
        return Err(format!("DESCRIPTION is {}, not the message", body["DESCRIPTION"]));
    }
    let code = body["code"].as_i64().and_then(|code| i32::try_from(code).ok());
    let code = code_name(tonic::Code::from_i32(code.ok_or_else(|| format!("no code in {body}"))?));
    let (reason, opt_status) = (text(&info["reason"])?, text(&body["OPT_STATUS"])?);
    Ok(ExpectedError { code, reason, http: status, opt_status, violations })
}

/// Posts a completion. Returns the HTTP status and the body.
pub(crate) fn post(address: &str, body: &str) -> Result<(u16, Value), String> {
    let mut stream = TcpStream::connect(address).map_err(|e| format!("{address}: {e}"))?;
    let length = body.len();
    let head = format!(
        "POST {REST_PATH} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n"
    );
    let mut answer = String::new();
    let whole = stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(body.as_bytes()))
        .and_then(|()| stream.read_to_string(&mut answer));
    whole.map_err(|e| e.to_string())?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| format!("no HTTP answer: {answer:?}"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| format!("no HTTP status: {head:?}"))?;
    Ok((status, serde_json::from_str(body).map_err(|e| format!("{e}: {body:?}"))?))
}
