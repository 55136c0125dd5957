//! From a request to a completion and its answer, the same for every call of both doors.

use std::sync::{Arc, atomic::Ordering};

use prost::Message;

use super::{
    answer,
    error::{self, ApiError},
    limits::{Gate, Place},
    proto::CompleteTraceResponse,
    scope::Scope,
    validate::{Rules, Violations},
};
use crate::{
    completion::{self, Completion, Progress},
    config::{Config, Limits, Tracing},
    flow::CompletionRequest,
    store::{FlowStore, ReadContext},
};

/// Requests of more bytes are read off the async workers: parsing takes about 5 ms a megabyte.
const LARGE_REQUEST_BYTES: usize = 64 << 10;
/// Answers of more spans are dressed off the async workers: a span takes about 3 µs.
pub(super) const LARGE_ANSWER_SPANS: usize = 100;

/// What both doors share.
pub(super) struct Core<S> {
    store: Arc<S>,
    settings: Arc<Settings>,
    gate: Gate,
}

struct Settings {
    limits: Limits,
    tracing: Tracing,
    region: String,
}

impl<S: FlowStore> Core<S> {
    pub(super) fn new(store: Arc<S>, config: &Config) -> Self {
        let settings = Settings {
            limits: config.limits.clone(),
            tracing: config.tracing.clone(),
            region: config.server.region_name.clone(),
        };
        Core { store, settings: Arc::new(settings), gate: Gate::new(&config.limits) }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.settings.limits
    }

    /// Name of the region whose flow log is asked.
    pub(super) fn region(&self) -> &str {
        &self.settings.region
    }

    /// A place for a completion, to be held as long as it computes.
    pub(super) async fn enter(&self) -> Result<Place, ApiError> {
        self.gate.enter().await
    }

    /// Completes one trace: `read` validates the request, which has about `size` bytes, and `dress` gives
    /// the answer the form of the door. Both are plain computation.
    pub(super) async fn complete<R, D, T>(
        &self,
        scope: &Scope,
        size: usize,
        read: R,
        dress: D,
    ) -> Result<T, ApiError>
    where
        R: FnOnce(Rules<'_>) -> Result<CompletionRequest, Violations> + Send + 'static,
        D: FnOnce(CompleteTraceResponse) -> T + Send + 'static,
        T: Send + 'static,
    {
        let _place = self.enter().await?;
        let completion = self.find(scope, size, read, &mut |_| {}).await?;

        let opt_status = answer::opt_status(&completion);
        let settings = Arc::clone(&self.settings);
        let large = completion.completed.spans.len() > LARGE_ANSWER_SPANS;
        let answer = off_worker_if(large, move || {
            let response = answer::response(&completion, &settings.region);
            check_size(&response, &settings.limits)?;
            Ok(dress(response))
        })
        .await??;
        scope.succeeded(opt_status);
        Ok(answer)
    }

    /// Validates a request and completes its trace, without giving it a form. Needs a place.
    pub(super) async fn find<R>(
        &self,
        scope: &Scope,
        size: usize,
        read: R,
        progress: &mut (impl FnMut(Progress) + Send),
    ) -> Result<Completion, ApiError>
    where
        R: FnOnce(Rules<'_>) -> Result<CompletionRequest, Violations> + Send + 'static,
    {
        let settings = Arc::clone(&self.settings);
        let read = move || read(Rules { limits: &settings.limits, tracing: &settings.tracing });
        let request = off_worker_if(size > LARGE_REQUEST_BYTES, read).await?.map_err(ApiError::Invalid)?;
        scope.spans.store(request.app_spans.len(), Ordering::Relaxed);

        let tracing = &self.settings.tracing;
        let context = ReadContext {
            request_id: scope.request_id.clone(),
            limit_rows: tracing.l7_tracing_limit,
            deadline: Some(scope.store_deadline),
        };
        let found = completion::complete_with(&*self.store, tracing, &request, &context, progress).await;
        let completion = found.map_err(|e| {
            let (error, detail) = error::from_store(&e);
            scope.failed(&error, Some(detail));
            error
        })?;
        scope.answer_spans.store(completion.completed.spans.len(), Ordering::Relaxed);
        Ok(completion)
    }
}

fn check_size(response: &CompleteTraceResponse, limits: &Limits) -> Result<(), ApiError> {
    let (size, max) = (response.encoded_len(), limits.max_answer_bytes);
    if size > max as usize {
        let message =
            format!("the answer has {size} bytes, at most {max} are sent (limits.max_answer_bytes)");
        return Err(ApiError::AnswerTooLarge(message));
    }
    Ok(())
}

/// Runs a computation here, or where it cannot hold up other requests. A panic in it goes on here.
pub(super) async fn off_worker_if<T: Send + 'static>(
    large: bool,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    if !large {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(|e| match e.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        // Only at the end of the runtime.
        Err(_) => ApiError::Internal,
    })
}
