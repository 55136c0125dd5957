//! What surrounds every request of both doors: a scope with its id and deadline, an answer for panics, and
//! the contract's own errors where tonic refuses a message before our code sees it.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::Next,
    response::Response,
};
use tonic::Status;

use super::{
    door::Door,
    error::{self, ApiError},
    http::{is_grpc, shown},
    refusal::Refusal,
    scope::{RequestIds, Scope},
};
use crate::config::Limits;

/// Header of every answer, in both doors.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the supervision of a door needs.
#[derive(Clone)]
pub(super) struct Supervision {
    pub(super) door: Door,
    pub(super) ids: Arc<RequestIds>,
    pub(super) limits: Arc<Limits>,
}

impl Supervision {
    /// How long this request may take.
    fn time(&self, _headers: &HeaderMap) -> Duration {
        Duration::from_millis(self.limits.max_request_ms.into())
    }
}

/// The middleware. It bounds the time up to the head of the answer; streams bound themselves from there.
pub(super) async fn supervise(
    State(supervision): State<Supervision>,
    mut request: Request,
    next: Next,
) -> Response {
    let door = supervision.door;
    let method = door.method(request.uri().path());
    let time = supervision.time(request.headers());
    let scope = Scope::new(supervision.ids.next(), door.name(), method.unwrap_or("unknown"), time);
    let wrong_type = if door == Door::Grpc { other_than_grpc(request.headers()) } else { None };
    // A caller that does not speak gRPC could not read a gRPC error.
    let speaks = if wrong_type.is_some() { Door::Rest } else { door };
    let answer = match (wrong_type, method) {
        (Some(error), _) => Err(error),
        (None, None) => Err(ApiError::UnknownPath(shown(request.uri().path()))),
        (None, Some(_)) => {
            request.extensions_mut().insert(Arc::clone(&scope));
            scope.bounded(async { Ok(next.run(request).await) }).await
        }
    };
    let mut response = match answer {
        Ok(response) if door == Door::Grpc && !scope.reached.load(Ordering::Relaxed) => {
            own_rejection(response, &scope, &supervision.limits)
        }
        Ok(response) => response,
        Err(error) => speaks.refuse(&Refusal::of(&scope, &error)),
    };
    if let Ok(id) = HeaderValue::from_str(&scope.request_id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// The middleware of gRPC services that are not supervised: refuses requests that are not gRPC.
pub(super) async fn only_grpc(request: Request, next: Next) -> Response {
    match other_than_grpc(request.headers()) {
        Some(error) => Door::Rest.refuse(&Refusal::unsupervised(&error)),
        None => next.run(request).await,
    }
}

/// The error for a content type other than gRPC's. tonic would read such a request as if it were gRPC.
fn other_than_grpc(headers: &HeaderMap) -> Option<ApiError> {
    if is_grpc(headers) {
        return None;
    }
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.map_or("(none)".into(), |kind| String::from_utf8_lossy(kind.as_bytes()));
    Some(ApiError::UnsupportedType(shown(&kind)))
}

/// The contract's error in the place of tonic's.
fn own_rejection(response: Response, scope: &Scope, limits: &Limits) -> Response {
    let status = Status::from_header_map(response.headers());
    let Some(error) = status.and_then(|status| error::from_refused_message(&status, limits)) else {
        return response;
    };
    let mut own = Door::Grpc.refuse(&Refusal::of(scope, &error));
    // Names the compressions that the server reads. It comes with a refused compression.
    const ACCEPTED: HeaderName = HeaderName::from_static("grpc-accept-encoding");
    if let Some(accepted) = response.headers().get(&ACCEPTED) {
        own.headers_mut().insert(ACCEPTED, accepted.clone());
    }
    own
}
