//! What the server knows of one request while it works on it, whichever door it came through: its id, its deadline,
//! its outcome, and its one log line.

use std::{
    future::Future,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;
use tracing::{info, warn};

use super::{error::ApiError, panics::CatchPanic};
use crate::telemetry::panic_text;

/// Makes request ids: a random start, so that two servers or two runs have different ids, and a counter.
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
    /// Its id, which the caller gets in the answer.
    pub(super) request_id: String,
    /// The time until which the store must have answered, so that what it found can still be sent.
    pub(super) store_deadline: Instant,
    /// Spans of the request and of the answer.
    pub(super) spans: AtomicUsize,
    pub(super) answer_spans: AtomicUsize,
    /// Whether our code has seen the request. Where it has not, tonic has answered by itself.
    pub(super) reached: AtomicBool,
    started: Instant,
    /// Time from the start to the answer.
    time: Duration,
    /// For the log: which door, which method.
    door: &'static str,
    method: &'static str,
    /// `OPT_STATUS` of the outcome.
    outcome: OnceLock<&'static str>,
    /// What the log says of a failure and the caller is not told.
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

    /// The scope of the `number`th question of a batch, which arrives now. It has a deadline of its own.
    pub(super) fn question(&self, number: u64) -> Arc<Self> {
        Scope::new(format!("{}.{number}", self.request_id), self.door, self.method, self.time)
    }

    /// Time since the request arrived.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Runs work for the request, until its deadline at most. See [`Scope::caught`].
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

    /// Runs work for the request. A panic in it becomes an error, and its message goes to the log.
    pub(super) async fn caught<T>(
        &self,
        work: impl Future<Output = Result<T, ApiError>> + Send,
    ) -> Result<T, ApiError> {
        match CatchPanic(Box::pin(work)).await {
            Ok(result) => result,
            Err(panic) => {
                self.note_detail(format!("panic: {}", panic_text(&*panic)));
                Err(ApiError::Internal)
            }
        }
    }

    /// Notes that there is an answer.
    pub(super) fn succeeded(&self, opt_status: &'static str) {
        self.outcome.set(opt_status).ok();
    }

    /// Notes that there is none. The first failure is the cause. Only a `Refusal` calls this.
    pub(super) fn failed(&self, opt_status: &'static str) {
        self.outcome.set(opt_status).ok();
    }

    /// `OPT_STATUS` of the outcome, once it is known.
    #[cfg(test)]
    pub(super) fn outcome(&self) -> Option<&'static str> {
        self.outcome.get().copied()
    }

    /// Notes for the log what is behind a failure. The first detail is the cause.
    pub(super) fn note_detail(&self, detail: String) {
        self.detail.set(detail).ok();
    }
}

impl Drop for Scope {
    /// Writes the log line. This runs when the last owner is gone, however the request ended.
    fn drop(&mut self) {
        let status = self.outcome.get().copied().unwrap_or("CANCELLED");
        let Scope { method, door, .. } = *self;
        let request_id = self.request_id.as_str();
        let spans = self.spans.load(Ordering::Relaxed);
        let answer_spans = self.answer_spans.load(Ordering::Relaxed);
        // In whole µs: more digits of the float would be noise in the log.
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
