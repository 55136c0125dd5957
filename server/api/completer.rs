//! From a request to a completion and its answer, the same for every call of both doors.

use std::sync::{Arc, atomic::Ordering};

use prost::Message;

use super::{
    error::{self, ApiError},
    gate::{Gate, Place},
    scope::Scope,
};
use crate::{
    completion::{self, Completion, Progress},
    config::{Config, Limits, Tracing},
    contract::{Rules, Violations, answer, proto::CompleteTraceResponse},
    flow::CompletionRequest,
    offload,
    store::{FlowStore, ReadContext},
};

/// Requests up to this size are read on an async worker: parsing takes about 5 ms a megabyte.
const SMALL_REQUEST_BYTES: usize = 64 << 10;
/// Answers up to this size are dressed on an async worker: a span takes about 3 µs.
const SMALL_ANSWER_SPANS: usize = 100;

/// Whether an answer of so many spans may be dressed on an async worker.
pub(super) fn is_small_answer(completion: &Completion) -> bool {
    completion.completed.spans.len() <= SMALL_ANSWER_SPANS
}

/// Completes traces for all doors: the store, the settings and the gate that they share.
pub(super) struct Completer<S> {
    store: Arc<S>,
    settings: Arc<Settings>,
    gate: Gate,
}

struct Settings {
    limits: Limits,
    tracing: Tracing,
    region: String,
}

impl<S: FlowStore> Completer<S> {
    pub(super) fn new(store: Arc<S>, config: &Config) -> Self {
        let settings = Settings {
            limits: config.limits.clone(),
            tracing: config.tracing.clone(),
            region: config.server.region_name.clone(),
        };
        Completer { store, settings: Arc::new(settings), gate: Gate::new(&config.limits) }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.settings.limits
    }

    /// Name of the region whose flow log is asked.
    pub(super) fn region(&self) -> &str {
        &self.settings.region
    }

    /// Takes a place for a completion. The caller holds it as long as the completion computes.
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
        let answer = offload::unless_small(is_small_answer(&completion), move || {
            let response = answer::response(&completion, &settings.region);
            check_size(&response, &settings.limits)?;
            Ok(dress(response))
        })
        .await?;
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
        let request =
            offload::unless_small(size <= SMALL_REQUEST_BYTES, read).await.map_err(ApiError::Invalid)?;
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
            scope.note_detail(detail);
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
