//! What is known of one request while it is worked on, whichever door it came through: its id, its
//! deadline, what becomes of a panic in it, and its one log line.

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

use tokio::time::Instant;
use tracing::{info, warn};

use super::error::ApiError;
use crate::telemetry::panic_text;

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

    pub(super) fn next(&self) -> String {
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
    /// Spans of the request and of the answer.
    pub(super) spans: AtomicUsize,
    pub(super) answer_spans: AtomicUsize,
    /// Whether the door got to see the request. Where it did not, tonic has answered by itself.
    pub(super) reached: AtomicBool,
    started: Instant,
    /// Time from the start to the answer.
    time: Duration,
    /// For the log: which door, which method.
    door: &'static str,
    method: &'static str,
    /// `OPT_STATUS` of the outcome.
    outcome: OnceLock<&'static str>,
    /// What the caller is not told.
    detail: OnceLock<String>,
}

impl Scope {
    /// A request that arrives now.
    pub(super) fn new(
        request_id: String,
        door: &'static str,
        method: &'static str,
        time: Duration,
    ) -> Arc<Self> {
        let started = Instant::now();
        let reserve = (time / 10).min(Duration::from_secs(1));
        Arc::new(Scope {
            request_id,
            store_deadline: started + time - reserve,
            spans: AtomicUsize::new(0),
            answer_spans: AtomicUsize::new(0),
            reached: AtomicBool::new(false),
            started,
            time,
            door,
            method,
            outcome: OnceLock::new(),
            detail: OnceLock::new(),
        })
    }

    /// One of the questions of a batch, the `number`th, that arrives now. Its time is its own.
    pub(super) fn question(&self, number: u64) -> Arc<Self> {
        Scope::new(format!("{}.{number}", self.request_id), self.door, self.method, self.time)
    }

    /// Time since the request arrived.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Runs work for the request, not beyond its deadline. See [`Scope::caught`].
    pub(super) async fn bounded<T>(
        &self,
        work: impl Future<Output = Result<T, ApiError>> + Send,
    ) -> Result<T, ApiError> {
        self.caught(async {
            tokio::time::timeout_at(self.started + self.time, work).await.unwrap_or_else(|_| {
                let ms = self.time.as_millis();
                let message = format!("the request took more than {ms} ms (limits.max_request_ms)");
                Err(ApiError::Deadline(message))
            })
        })
        .await
    }

    /// Runs work for the request. A failure is noted; a panic becomes one.
    pub(super) async fn caught<T>(
        &self,
        work: impl Future<Output = Result<T, ApiError>> + Send,
    ) -> Result<T, ApiError> {
        match CatchPanic(Box::pin(work)).await {
            Ok(result) => result.inspect_err(|error| self.failed(error, None)),
            Err(panic) => {
                let error = ApiError::Internal;
                self.failed(&error, Some(format!("panic: {}", panic_text(&*panic))));
                Err(error)
            }
        }
    }

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
        let Scope { method, door, .. } = *self;
        let request_id = self.request_id.as_str();
        let spans = self.spans.load(Ordering::Relaxed);
        let answer_spans = self.answer_spans.load(Ordering::Relaxed);
        // In whole µs: what a float has beyond that is noise, and is printed.
        let duration_ms = self.started.elapsed().as_micros() as f64 / 1e3;
        match self.detail.get() {
            None => {
                info!(method, door, status, spans, answer_spans, duration_ms, request_id, "completed");
            }
            Some(detail) => {
                warn!(
                    method,
                    door, status, spans, answer_spans, duration_ms, request_id, detail, "not completed"
                );
            }
        }
    }
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
