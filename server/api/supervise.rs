//! What surrounds every request of both doors: a scope with its id and deadline, an answer for panics, and
//! the contract's own errors where tonic refuses a message before our code sees it.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue},
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
    let answer = match method {
        None => {
            let error = ApiError::UnknownPath(shown_path(request.uri().path()));
            scope.failed(&error, None);
            Err(error)
        }
        Some(_) => {
            request.extensions_mut().insert(Arc::clone(&scope));
            scope.bounded(async { Ok(next.run(request).await) }).await
        }
    };
    let mut response = match answer {
        Ok(response) if door == Door::Grpc && !scope.reached.load(Ordering::Relaxed) => {
            own_rejection(response, &scope, &supervision.limits)
        }
        Ok(response) => response,
        Err(error) => door.error(&error, &scope.request_id),
    };
    if let Ok(id) = HeaderValue::from_str(&scope.request_id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// A path as messages show it.
pub(super) fn shown_path(path: &str) -> String {
    path.chars().take(200).collect()
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
