//! Asks a running server over gRPC. Where there is no answer, says why in words that an operator understands.

use std::error::Error;

use tonic::{Code, Status, transport::Endpoint};

use super::failure::Failure;
use crate::contract::proto::{
    CompleteTraceRequest, CompleteTraceResponse,
    trace_completion_service_client::TraceCompletionServiceClient,
};

/// Largest answer that this program accepts, in bytes: the server's own default limit.
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

/// The server's refusal, or, where no answer came, what happened to the connection.
fn refusal(server: &str, status: &Status) -> String {
    match status.source() {
        // The status was made in this process: no answer has come.
        Some(cause) => {
            format!("{server} does not answer as a Trace Completion server: {}", with_causes(cause))
        }
        // The peer speaks HTTP/2 or gRPC, but does not know this method.
        None if status.code() == Code::Unimplemented => {
            format!("{server} is no Trace Completion server: {}", status.message())
        }
        None => format!("{:?}: {}", status.code(), status.message()),
    }
}

/// An error and its causes. A cause whose text the error repeats already is left out.
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
