//! The routes: which path is which door, and what every other path and method gets.

use std::sync::Arc;

use axum::{
    Extension, Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header},
    middleware::{from_fn, from_fn_with_state},
    response::IntoResponse,
    routing::{any_service, get, post},
};
use tokio::sync::watch;
use tonic::server::NamedService;
use tower::Service;

use super::{
    completer::Completer,
    door::Door,
    error::ApiError,
    grpc::GrpcDoor,
    http::{empty, is_grpc, shown},
    refusal::Refusal,
    rest,
    scope::{RequestIds, Scope},
    supervise::{Supervision, only_grpc, supervise},
    unread::{Bounds, read_rest},
};
use crate::{
    contract::{
        REST_PATH,
        proto::{DESCRIPTOR_SET, OPENAPI, trace_completion_service_server::TraceCompletionServiceServer},
    },
    store::FlowStore,
};

/// Bytes around an answer: tags and lengths of the message that holds it.
const ENVELOPE_BYTES: usize = 64;

/// All routes of the port. `ready` is whether the store answers, `stopping` whether the server ends.
pub(super) fn routes<S: FlowStore, H>(
    completer: Completer<S>,
    health: H,
    ready: watch::Receiver<bool>,
    stopping: watch::Receiver<bool>,
) -> Result<Router, tonic_reflection::server::Error>
where
    H: Service<Request, Error = std::convert::Infallible> + NamedService + Clone + Send + Sync + 'static,
    H::Response: IntoResponse,
    H::Future: Send + 'static,
{
    let limits = completer.limits().clone();
    let completer = Arc::new(completer);
    let ids = Arc::new(RequestIds::new());
    let supervision = |door| Supervision { door, ids: Arc::clone(&ids), limits: Arc::new(limits.clone()) };

    // The size of an answer is checked before it is encoded. An answer in a batch carries one string more.
    let max_encoded = limits.max_answer_bytes as usize + limits.max_string_bytes as usize + ENVELOPE_BYTES;
    let service = TraceCompletionServiceServer::new(GrpcDoor { completer: Arc::clone(&completer), stopping })
        .max_decoding_message_size(limits.max_request_bytes as usize)
        .max_encoding_message_size(max_encoded);
    let grpc = grpc_route(service).layer(from_fn_with_state(supervision(Door::Grpc), supervise));

    let complete = || post(rest::complete::<S>).fallback(|method, scope| wrong_method("POST", method, scope));
    let rest = Router::new()
        .route(REST_PATH, complete())
        .route(&format!("{}/", REST_PATH), complete())
        .with_state(completer)
        .layer(from_fn_with_state(supervision(Door::Rest), supervise));

    let look = |method| wrong_method("GET, HEAD", method, None);
    let probes = Router::new()
        .route("/healthz", get(async || StatusCode::OK).fallback(look))
        .route("/readyz", get(readyz).fallback(look))
        .route("/openapi.json", get(openapi).fallback(look))
        .with_state(ready);

    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let others = grpc_route(health)
        .merge(grpc_route(reflection().build_v1()?))
        .merge(grpc_route(reflection().build_v1alpha()?))
        .layer(from_fn(only_grpc));
    Ok(grpc
        .merge(others)
        .merge(rest)
        .merge(probes)
        .fallback(unknown_path)
        .layer(from_fn_with_state(Bounds::new(&limits), read_rest)))
}

fn grpc_route<T>(service: T) -> Router
where
    T: Service<Request, Error = std::convert::Infallible> + NamedService + Clone + Send + Sync + 'static,
    T::Response: IntoResponse,
    T::Future: Send + 'static,
{
    Router::new().route(&format!("/{}/{{*method}}", T::NAME), any_service(service))
}

/// Whether the store answers.
async fn readyz(State(ready): State<watch::Receiver<bool>>) -> Response<Body> {
    empty(if *ready.borrow() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE })
}

/// The OpenAPI document of the REST door.
async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json; charset=utf-8")], OPENAPI)
}

async fn unknown_path(uri: Uri, headers: HeaderMap) -> Response<Body> {
    let door = if is_grpc(&headers) { Door::Grpc } else { Door::Rest };
    door.refuse(&Refusal::unsupervised(&ApiError::UnknownPath(shown(uri.path()))))
}

/// Refuses a method. A supervised path has a scope.
async fn wrong_method(
    allowed: &'static str,
    method: Method,
    scope: Option<Extension<Arc<Scope>>>,
) -> Response<Body> {
    let error = ApiError::WrongMethod(method.to_string());
    let refusal = match &scope {
        Some(scope) => Refusal::of(scope, &error),
        None => Refusal::unsupervised(&error),
    };
    let mut response = refusal.response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}
