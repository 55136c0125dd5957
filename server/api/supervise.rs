//! What surrounds every request of both doors: a scope with its id and deadline, an answer for panics, and
//! the contract's own errors where tonic refuses a message before our code sees it.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::Next,
    response::Response,
};
use tonic::Status;

use super::{
    error::{self, ApiError},
    scope::{RequestIds, Scope},
};
use crate::config::Limits;

/// Header of every answer, in both doors.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A door.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Door {
    Grpc,
    Rest,
}

impl Door {
    /// The error as this door says it.
    pub(super) fn error(self, error: &ApiError, request_id: &str) -> Response {
        match self {
            Door::Grpc => error.status(request_id).into_http(),
            Door::Rest => error.response(request_id),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Door::Grpc => "grpc",
            Door::Rest => "rest",
        }
    }

    /// The method behind a path of this door; `None` where there is none.
    fn method(self, path: &str) -> Option<&'static str> {
        const METHODS: [&str; 3] = ["CompleteTrace", "StreamCompleteTrace", "BatchCompleteTrace"];
        match self {
            Door::Rest => Some("CompleteTrace"),
            Door::Grpc => {
                let called = path.rsplit('/').next()?;
                METHODS.into_iter().find(|method| *method == called)
            }
        }
    }
}

/// What the supervision of a door needs.
#[derive(Clone)]
pub(super) struct Supervision {
    pub(super) door: Door,
    pub(super) ids: Arc<RequestIds>,
    pub(super) limits: Arc<Limits>,
}

impl Supervision {
    /// How long this request may take. The seam for deadlines that callers bring with them.
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
    // Who does not speak gRPC could not read its errors.
    let speaks = if wrong_type.is_some() { Door::Rest } else { door };
    let answer = match (wrong_type, method) {
        (Some(error), _) => {
            scope.failed(&error, None);
            Err(error)
        }
        (None, None) => {
            let error = ApiError::UnknownPath(shown(request.uri().path()));
            scope.failed(&error, None);
            Err(error)
        }
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
        Err(error) => speaks.error(&error, &scope.request_id),
    };
    if let Ok(id) = HeaderValue::from_str(&scope.request_id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// The middleware of gRPC services that are not supervised: refuses who speaks anything else.
pub(super) async fn only_grpc(request: Request, next: Next) -> Response {
    match other_than_grpc(request.headers()) {
        Some(error) => Door::Rest.error(&error, ""),
        None => next.run(request).await,
    }
}

/// The error for a content type that is not gRPC's, which tonic would read as if it were.
fn other_than_grpc(headers: &HeaderMap) -> Option<ApiError> {
    if is_grpc(headers) {
        return None;
    }
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.map_or("(none)".into(), |kind| String::from_utf8_lossy(kind.as_bytes()));
    Some(ApiError::UnsupportedType(shown(&kind)))
}

/// Whether a request says that it is gRPC.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.as_bytes().get(..GRPC.len()));
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case(GRPC))
}

/// A path or the value of a header, as messages show it.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(200).collect()
}

/// The contract's error in place of tonic's.
fn own_rejection(response: Response, scope: &Scope, limits: &Limits) -> Response {
    let status = Status::from_header_map(response.headers());
    let Some(error) = status.and_then(|status| error::from_refused_message(&status, limits)) else {
        return response;
    };
    scope.failed(&error, None);
    let mut own = Door::Grpc.error(&error, &scope.request_id);
    // Tells what the server reads; goes with a refused compression.
    const ACCEPTED: HeaderName = HeaderName::from_static("grpc-accept-encoding");
    if let Some(accepted) = response.headers().get(&ACCEPTED) {
        own.headers_mut().insert(ACCEPTED, accepted.clone());
    }
    own
}

/// An empty answer, for the doors.
pub(super) fn empty(status: axum::http::StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
