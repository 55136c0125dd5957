//! The methods of the gRPC door.

use std::sync::{Arc, atomic::Ordering};

use prost::Message;
use tokio::sync::watch;
use tonic::{Request, Response, Status, Streaming};

use super::{batch, pieces::Pieces, stream};
use crate::{
    api::{completer::Completer, error::ApiError, refusal::Refusal, scope::Scope},
    contract::{
        proto::{
            BatchCompleteTraceRequest, BatchCompleteTraceResponse, CompleteTraceRequest,
            CompleteTraceResponse, StreamCompleteTraceRequest, StreamCompleteTraceResponse,
            trace_completion_service_server::TraceCompletionService,
        },
        validate,
    },
    store::FlowStore,
};

/// Serves `tracecompletion.v1.TraceCompletionService`.
pub(in crate::api) struct GrpcDoor<S> {
    pub(in crate::api) completer: Arc<Completer<S>>,
    /// Whether the server ends.
    pub(in crate::api) stopping: watch::Receiver<bool>,
}

#[tonic::async_trait]
impl<S: FlowStore> TraceCompletionService for GrpcDoor<S> {
    type StreamCompleteTraceStream = Pieces<StreamCompleteTraceResponse>;
    type BatchCompleteTraceStream = Pieces<BatchCompleteTraceResponse>;

    async fn complete_trace(
        &self,
        mut request: Request<CompleteTraceRequest>,
    ) -> Result<Response<CompleteTraceResponse>, Status> {
        let scope = reached(&mut request)?;
        let message = request.into_inner();
        let size = message.encoded_len();
        let answer =
            self.completer.complete(&scope, size, |rules| validate::message(message, rules), |answer| answer);
        answer.await.map(Response::new).map_err(|error| Refusal::of(&scope, &error).status())
    }

    async fn stream_complete_trace(
        &self,
        mut request: Request<StreamCompleteTraceRequest>,
    ) -> Result<Response<Self::StreamCompleteTraceStream>, Status> {
        let scope = reached(&mut request)?;
        let pieces = stream::answer(Arc::clone(&self.completer), scope, request.into_inner());
        Ok(Response::new(pieces.begun().await?))
    }

    async fn batch_complete_trace(
        &self,
        mut request: Request<Streaming<BatchCompleteTraceRequest>>,
    ) -> Result<Response<Self::BatchCompleteTraceStream>, Status> {
        let scope = reached(&mut request)?;
        let questions = request.into_inner();
        Ok(Response::new(batch::answers(
            Arc::clone(&self.completer),
            scope,
            questions,
            self.stopping.clone(),
        )))
    }
}

/// The scope that the supervision has put into the request. It notes that our code has seen the request.
fn reached<T>(request: &mut Request<T>) -> Result<Arc<Scope>, Status> {
    let scope = request.extensions_mut().remove::<Arc<Scope>>();
    let scope = scope.ok_or_else(|| Refusal::unsupervised(&ApiError::Internal).status())?;
    scope.reached.store(true, Ordering::Relaxed);
    Ok(scope)
}
