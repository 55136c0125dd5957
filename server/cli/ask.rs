//! Asks a running server over gRPC, and says in words of an operator why there is no answer.

use std::error::Error;

use tonic::{Code, Status, transport::Endpoint};

use super::Failure;
use crate::api::proto::{
    CompleteTraceRequest, CompleteTraceResponse,
    trace_completion_service_client::TraceCompletionServiceClient,
};

/// Largest answer that is taken, in bytes: what a server sends at most unless it is told to send more.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// Asks once.
pub(super) async fn ask(
    endpoint: Endpoint,
    request: CompleteTraceRequest,
) -> Result<CompleteTraceResponse, Failure> {
    let uri = endpoint.uri().to_string();
    let server = uri.trim_end_matches('/');
    let channel =
        endpoint.connect().await.map_err(|e| Failure::Work(format!("{server}: {}", with_causes(&e))))?;
    let mut client = TraceCompletionServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES);
    match client.complete_trace(request).await {
        Ok(answer) => Ok(answer.into_inner()),
        Err(status) => Err(Failure::Work(refusal(server, &status))),
    }
}

/// What a server said, or what became of the connection to something that may be none.
fn refusal(server: &str, status: &Status) -> String {
    match status.source() {
        // made here: no answer has come
        Some(cause) => {
            format!("{server} does not answer as a Trace Completion server: {}", with_causes(cause))
        }
        // what speaks HTTP/2, or gRPC, but does not have this call
        None if status.code() == Code::Unimplemented => {
            format!("{server} is no Trace Completion server: {}", status.message())
        }
        None => format!("{:?}: {}", status.code(), status.message()),
    }
}

/// An error and its causes, each said once: some repeat the text of theirs.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
