//! Many questions on one stream. Each is a request like any other, with a deadline, a place at the gate
//! and a log line of its own; the stream around them reads, bounds, and sends what is finished.

use std::sync::Arc;

use prost::Message;
use tokio::{sync::watch, task::JoinSet};
use tonic::Streaming;

use super::{
    answer,
    core::Core,
    error::{ApiError, from_refused_message},
    pieces::{self, Pieces, Sink},
    proto::{
        BatchCompleteTraceRequest, BatchCompleteTraceResponse, CompleteTraceResponse,
        batch_complete_trace_response::Result as Outcome,
    },
    scope::Scope,
    server::stopped,
    stream::no_request,
    validate::{self, Violations},
};
use crate::store::FlowStore;

/// Starts answering the questions as they come. `stopping` is whether the server ends.
pub(super) fn answers<S: FlowStore>(
    core: Arc<Core<S>>,
    scope: Arc<Scope>,
    questions: Streaming<BatchCompleteTraceRequest>,
    stopping: watch::Receiver<bool>,
) -> Pieces<BatchCompleteTraceResponse> {
    let stall_ms = core.limits().stream_stall_ms;
    pieces::start(scope, stall_ms, |scope, sink| run(core, scope, questions, stopping, sink))
}

/// What there is to read.
enum Reading {
    /// More questions.
    Open,
    /// Nothing: the caller has closed its side, or is gone.
    Closed,
    /// Nothing that we want: this ends the stream once the running questions are answered.
    Failed(ApiError),
}

async fn run<S: FlowStore>(
    core: Arc<Core<S>>,
    scope: Arc<Scope>,
    mut questions: Streaming<BatchCompleteTraceRequest>,
    mut stopping: watch::Receiver<bool>,
    sink: Sink<BatchCompleteTraceResponse>,
) -> Result<(), ApiError> {
    let in_flight = core.limits().batch_in_flight as usize;
    // On tasks of their own: they go on while this one waits for the caller to read. Dropping the set
    // ends them.
    let mut running = JoinSet::new();
    let mut reading = Reading::Open;
    let mut count = 0;
    loop {
        let open = matches!(reading, Reading::Open);
        tokio::select! {
            Some(answer) = running.join_next() => {
                // An error is a panic outside the question's own guard.
                sink.send(answer.map_err(|_| ApiError::Internal)?).await?;
            }
            question = questions.message(), if open && running.len() < in_flight => match question {
                Ok(Some(question)) => {
                    count += 1;
                    running.spawn(answer(Arc::clone(&core), scope.question(count), question));
                }
                Ok(None) => reading = Reading::Closed,
                Err(status) => {
                    reading = match from_refused_message(&status, core.limits()) {
                        Some(error) => Reading::Failed(error),
                        None => Reading::Closed,
                    };
                }
            },
            () = stopped(&mut stopping), if open => {
                reading = Reading::Failed(ApiError::ShuttingDown);
            }
            else => break,
        }
    }
    match reading {
        Reading::Failed(error) => Err(error),
        Reading::Open | Reading::Closed => {
            scope.succeeded(answer::SUCCESS);
            Ok(())
        }
    }
}

/// Answers one question, whatever becomes of it.
async fn answer<S: FlowStore>(
    core: Arc<Core<S>>,
    scope: Arc<Scope>,
    question: BatchCompleteTraceRequest,
) -> BatchCompleteTraceResponse {
    let BatchCompleteTraceRequest { correlation_id, request } = question;
    let id_bytes = correlation_id.len();
    let outcome: Result<CompleteTraceResponse, ApiError> = scope
        .bounded(async {
            let max = core.limits().max_string_bytes as usize;
            if id_bytes > max {
                let message =
                    format!("{id_bytes} bytes, at most {max} are allowed (limits.max_string_bytes)");
                return Err(ApiError::Invalid(Violations::one("correlation_id", message)));
            }
            let message = request.ok_or_else(|| ApiError::Invalid(no_request()))?;
            let size = message.encoded_len();
            core.complete(&scope, size, |rules| validate::message(message, rules), |answer| answer).await
        })
        .await;
    let result = match outcome {
        Ok(response) => Outcome::Response(response),
        Err(error) => Outcome::Error(error.rpc_status(&scope.request_id)),
    };
    BatchCompleteTraceResponse { correlation_id, result: Some(result) }
}
