//! The gRPC door.

use std::sync::{Arc, atomic::Ordering};

use prost::Message;
use tonic::{Request, Response, Status};

use super::{
    core::Core,
    error::ApiError,
    proto::{
        CompleteTraceRequest, CompleteTraceResponse, trace_completion_service_server::TraceCompletionService,
    },
    supervise::Scope,
    validate,
};
use crate::store::FlowStore;

/// Serves `tracecompletion.v1.TraceCompletionService`.
pub(super) struct GrpcDoor<S>(pub(super) Arc<Core<S>>);

#[tonic::async_trait]
impl<S: FlowStore> TraceCompletionService for GrpcDoor<S> {
    async fn complete_trace(
        &self,
        mut request: Request<CompleteTraceRequest>,
    ) -> Result<Response<CompleteTraceResponse>, Status> {
        // The supervision has put it there.
        let Some(scope) = request.extensions_mut().remove::<Arc<Scope>>() else {
            return Err(ApiError::Internal.status(""));
        };
        scope.reached.store(true, Ordering::Relaxed);
        let message = request.into_inner();
        let size = message.encoded_len();
        let answer =
            self.0.complete(&scope, size, |rules| validate::message(message, rules), |answer| answer).await;
        answer.map(Response::new).map_err(|error| {
            scope.failed(&error, None);
            error.status(&scope.request_id)
        })
    }
}
