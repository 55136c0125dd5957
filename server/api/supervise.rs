//! What surrounds every completion, whichever door it came through: a request id, the deadline, an
//! answer for panics, and one log line.

use std::{
    any::Any,
    future::Future,
    hash::{BuildHasher, RandomState},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};
use tokio::time::Instant;
use tonic::{Code, Status};
use tracing::{info, warn};

use super::{error::ApiError, validate::Violations};
use crate::{config::Limits, telemetry::panic_text};

/// Header of every answer to a completion, in both doors.
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
}

/// Names requests: a random start, so that two servers or two runs do not share names, and a counter.
#[derive(Debug)]
pub(super) struct RequestIds {
    start: u64,
    next: AtomicU64,
}

impl RequestIds {
    pub(super) fn new() -> Self {
        RequestIds { start: RandomState::new().hash_one(std::process::id()), next: AtomicU64::new(1) }
    }

    fn next(&self) -> String {
        format!("{:016x}-{}", self.start, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// What is known of one request. Shared by the supervision around it and the door that serves it.
#[derive(Debug)]
pub(super) struct Scope {
    /// Its name.
    pub(super) request_id: String,
    /// When the store must have answered, so that what it found can still be sent.
    pub(super) store_deadline: Instant,
    started: Instant,
    door: Door,
    /// Spans of the request and of the answer.
    pub(super) spans: AtomicUsize,
    pub(super) answer_spans: AtomicUsize,
    /// Whether the door got to see the request. Where it did not, tonic has answered by itself.
    pub(super) reached: AtomicBool,
    /// `OPT_STATUS` of the outcome.
    outcome: OnceLock<&'static str>,
    /// What the caller is not told.
    detail: OnceLock<String>,
}

impl Scope {
    pub(super) fn succeeded(&self, opt_status: &'static str) {
        self.outcome.set(opt_status).ok();
    }

    /// Notes a failure for the log. The first one is the cause.
    pub(super) fn failed(&self, error: &ApiError, detail: Option<String>) {
        self.outcome.set(error.http().1).ok();
        if let Some(detail) = detail {
            self.detail.set(detail).ok();
        }
    }
}

impl Drop for Scope {
    /// The last owner is gone, however the request ended: one line for each request.
    fn drop(&mut self) {
        let status = self.outcome.get().copied().unwrap_or("CANCELLED");
        let door = self.door.name();
        let request_id = self.request_id.as_str();
        let spans = self.spans.load(Ordering::Relaxed);
        let answer_spans = self.answer_spans.load(Ordering::Relaxed);
        let duration_ms = self.started.elapsed().as_secs_f64() * 1e3;
        match self.detail.get() {
            None => {
                info!(
                    method = "CompleteTrace",
                    door, status, spans, answer_spans, duration_ms, request_id, "completed"
                );
            }
            Some(detail) => {
                warn!(
                    method = "CompleteTrace",
                    door, status, spans, answer_spans, duration_ms, request_id, detail, "not completed"
                );
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

/// The middleware.
pub(super) async fn supervise(
    State(supervision): State<Supervision>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let time = supervision.time(request.headers());
    let reserve = (time / 10).min(Duration::from_secs(1));
    let door = supervision.door;
    let scope = Arc::new(Scope {
        request_id: supervision.ids.next(),
        store_deadline: started + time - reserve,
        started,
        door,
        spans: AtomicUsize::new(0),
        answer_spans: AtomicUsize::new(0),
        reached: AtomicBool::new(false),
        outcome: OnceLock::new(),
        detail: OnceLock::new(),
    });
    request.extensions_mut().insert(Arc::clone(&scope));

    let work = CatchPanic(Box::pin(next.run(request)));
    let mut response = match tokio::time::timeout_at(started + time, work).await {
        Ok(Ok(response)) if door == Door::Grpc && !scope.reached.load(Ordering::Relaxed) => {
            own_rejection(response, &scope, &supervision.limits)
        }
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => {
            scope.failed(&ApiError::Internal, Some(format!("panic: {}", panic_text(&*panic))));
            door.error(&ApiError::Internal, &scope.request_id)
        }
        Err(_) => {
            let ms = time.as_millis();
            let error =
                ApiError::Deadline(format!("the request took more than {ms} ms (limits.max_request_ms)"));
            scope.failed(&error, None);
            door.error(&error, &scope.request_id)
        }
    };
    if let Ok(id) = HeaderValue::from_str(&scope.request_id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// Tonic refuses some messages before our code sees them, with codes that are not those of the contract:
/// OUT_OF_RANGE for one that is too large, INTERNAL for one that is no valid protobuf.
fn own_rejection(response: Response, scope: &Scope, limits: &Limits) -> Response {
    let Some(status) = Status::from_header_map(response.headers()) else { return response };
    let error = match status.code() {
        Code::OutOfRange => {
            let max = limits.max_request_bytes;
            ApiError::TooLarge(format!("the message is over {max} bytes (limits.max_request_bytes)"))
        }
        Code::Internal => ApiError::Invalid(Violations::one("", status.message())),
        Code::Unimplemented => {
            scope.succeeded("NOT_FOUND");
            return response;
        }
        _ => return response,
    };
    scope.failed(&error, None);
    Door::Grpc.error(&error, &scope.request_id)
}

/// Runs a future, and gives a panic in it as a value: one bad request must not take its connection, and
/// the other requests on it, down.
pub(super) struct CatchPanic<F>(pub(super) Pin<Box<F>>);

impl<F: Future> Future for CatchPanic<F> {
    type Output = Result<F::Output, Box<dyn Any + Send>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // After a panic the future is not polled again, so that no broken state is seen.
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

/// An empty answer, for the doors.
pub(super) fn empty(status: axum::http::StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
