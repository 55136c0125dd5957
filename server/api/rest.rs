//! The REST door.

use std::{error::Error, sync::Arc};

use axum::{
    Extension,
    body::{Body, Bytes, to_bytes},
    extract::State,
    http::{HeaderMap, Response, StatusCode, header},
};
use http_body_util::LengthLimitError;

use super::{
    completer::Completer,
    error::ApiError,
    http::{json, shown},
    refusal::Refusal,
    scope::Scope,
};
use crate::{
    contract::{Rules, Violations, answer, json as request_json, proto::CompleteTraceResponse},
    store::FlowStore,
};

/// Answers a completion.
pub(super) async fn complete<S: FlowStore>(
    State(completer): State<Arc<Completer<S>>>,
    Extension(scope): Extension<Arc<Scope>>,
    headers: HeaderMap,
    body: Body,
) -> Response<Body> {
    let answer = async {
        plain(&headers)?;
        let bytes = read(&headers, body, completer.limits().max_request_bytes).await?;
        let read = move |rules: Rules<'_>| request_json::body(&bytes, rules);
        completer.complete(&scope, content_length(&headers), read, |answer| print(&answer)).await
    };
    answer.await.unwrap_or_else(|error| Refusal::of(&scope, &error).response())
}

/// Refuses a body that is compressed.
fn plain(headers: &HeaderMap) -> Result<(), ApiError> {
    for value in headers.get_all(header::CONTENT_ENCODING) {
        let codings = String::from_utf8_lossy(value.as_bytes());
        let mut codings = codings.split(',').map(str::trim);
        if let Some(coding) =
            codings.find(|coding| !matches!(coding.to_ascii_lowercase().as_str(), "" | "identity"))
        {
            return Err(ApiError::UnsupportedEncoding(shown(coding)));
        }
    }
    Ok(())
}

fn content_length(headers: &HeaderMap) -> usize {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    // A chunked body may have any length.
    length.unwrap_or(usize::MAX)
}

async fn read(headers: &HeaderMap, body: Body, max: u32) -> Result<Bytes, ApiError> {
    let too_large =
        || ApiError::RequestTooLarge(format!("the body is over {max} bytes (limits.max_request_bytes)"));
    let announced = content_length(headers);
    if announced != usize::MAX && announced > max as usize {
        return Err(too_large());
    }
    to_bytes(body, max as usize).await.map_err(|e| {
        let over = e.source().is_some_and(|source| source.is::<LengthLimitError>());
        if over { too_large() } else { ApiError::Invalid(Violations::one("", "the body ended early")) }
    })
}

fn print(answer: &CompleteTraceResponse) -> Response<Body> {
    let whole = answer.opt_status == answer::SUCCESS;
    json(if whole { StatusCode::OK } else { StatusCode::PARTIAL_CONTENT }, answer)
}
