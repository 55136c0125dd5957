//! Many questions on one stream. Each question is a request like any other: it has its own deadline, place at the
//! gate and log line. The stream around them reads the questions, bounds how many are at work, and sends each answer
//! when it is finished.

use std::sync::Arc;

use prost::Message;
use tokio::{sync::watch, task::JoinSet};
use tonic::Streaming;

use super::{
    pieces::{self, Pieces, Sink},
    stream::no_request,
};
use crate::{
    api::{
        completer::Completer,
        error::{ApiError, from_refused_message},
        refusal::Refusal,
        scope::Scope,
        shutdown::stopped,
    },
    contract::{
        Violations, answer,
        proto::{
            BatchCompleteTraceRequest, BatchCompleteTraceResponse, CompleteTraceResponse,
            batch_complete_trace_response::Result as Outcome,
        },
        validate,
    },
    store::FlowStore,
};

/// Starts answering the questions as they come. `stopping` is whether the server ends.
pub(super) fn answers<S: FlowStore>(
    completer: Arc<Completer<S>>,
    scope: Arc<Scope>,
    questions: Streaming<BatchCompleteTraceRequest>,
    stopping: watch::Receiver<bool>,
) -> Pieces<BatchCompleteTraceResponse> {
    let stall_ms = completer.limits().stream_stall_ms;
    pieces::start(scope, stall_ms, |scope, sink| run(completer, scope, questions, stopping, sink))
}

/// What the stream of questions still brings.
enum Reading {
    /// More questions.
    Open,
    /// Nothing: the caller has closed its side, or is gone.
    Closed,
    /// Nothing more that the server takes: this error ends the stream once the running questions are answered.
    Failed(ApiError),
}

async fn run<S: FlowStore>(
    completer: Arc<Completer<S>>,
    scope: Arc<Scope>,
    mut questions: Streaming<BatchCompleteTraceRequest>,
    mut stopping: watch::Receiver<bool>,
    sink: Sink<BatchCompleteTraceResponse>,
) -> Result<(), ApiError> {
    let in_flight = completer.limits().batch_in_flight as usize;
    // Questions run on tasks of their own, so that they go on while this task waits for the caller to read.
    // Dropping the set ends them.
    let mut running = JoinSet::new();
    let mut reading = Reading::Open;
    let mut count = 0;
    loop {
        let open = matches!(reading, Reading::Open);
        tokio::select! {
            Some(answer) = running.join_next() => {
                // An error means a panic that the question's own guard did not catch.
                sink.send(answer.map_err(|_| ApiError::Internal)?).await?;
            }
            question = questions.message(), if open && running.len() < in_flight => match question {
                Ok(Some(question)) => {
                    count += 1;
                    running.spawn(answer(Arc::clone(&completer), scope.question(count), question));
                }
                Ok(None) => reading = Reading::Closed,
                Err(status) => {
                    reading = match from_refused_message(&status, completer.limits()) {
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

/// Answers one question. Its failure is an answer too.
async fn answer<S: FlowStore>(
    completer: Arc<Completer<S>>,
    scope: Arc<Scope>,
    question: BatchCompleteTraceRequest,
) -> BatchCompleteTraceResponse {
    let BatchCompleteTraceRequest { correlation_id, request } = question;
    let id_bytes = correlation_id.len();
    let outcome: Result<CompleteTraceResponse, ApiError> = scope
        .bounded(async {
            let max = completer.limits().max_string_bytes as usize;
            if id_bytes > max {
                let message =
                    format!("{id_bytes} bytes, at most {max} are allowed (limits.max_string_bytes)");
                return Err(ApiError::Invalid(Violations::one("correlation_id", message)));
            }
            let message = request.ok_or_else(|| ApiError::Invalid(no_request()))?;
            let size = message.encoded_len();
            completer.complete(&scope, size, |rules| validate::message(message, rules), |answer| answer).await
        })
        .await;
    let result = match outcome {
        Ok(response) => Outcome::Response(response),
        Err(error) => Outcome::Error(Refusal::of(&scope, &error).rpc_status()),
    };
    BatchCompleteTraceResponse { correlation_id, result: Some(result) }
}
