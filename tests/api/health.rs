//! Health, readiness and reflection.

use std::sync::atomic::Ordering;

use tokio_stream::iter;
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use trace_completion::contract::proto::SERVICE_NAME;

use crate::harness::{Does, FakeStore, start, start_over};

fn about(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

#[tokio::test]
async fn readiness_follows_the_store() {
    let server = start(Does::Nothing, |config| config.server.ready_failures = 2).await;
    server.until("/readyz", 200).await;
    let mut health = HealthClient::new(server.channel().await);
    let mut watch = health.watch(about(SERVICE_NAME)).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);

    server.store.answers.store(false, Ordering::Relaxed);
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    server.until("/readyz", 503).await;
    assert_eq!(server.get("/healthz").await.status, 200, "alive, though not ready");
    assert_eq!(health.check(about("")).await.unwrap().into_inner().status(), ServingStatus::NotServing);

    server.store.answers.store(true, Ordering::Relaxed);
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    server.until("/readyz", 200).await;
    for service in ["", SERVICE_NAME] {
        assert_eq!(health.check(about(service)).await.unwrap().into_inner().status(), ServingStatus::Serving);
    }
    assert_eq!(health.check(about("nope")).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_server_without_a_store_is_alive_and_not_ready() {
    let store = FakeStore::new(Does::Nothing);
    store.answers.store(false, Ordering::Relaxed);
    let server = start_over(store, |_| {}).await;
    assert_eq!(server.get("/healthz").await.status, 200);
    assert_eq!(server.get("/readyz").await.status, 503);
    let mut health = HealthClient::new(server.channel().await);
    assert_eq!(health.check(about("")).await.unwrap().into_inner().status(), ServingStatus::NotServing);

    server.store.answers.store(true, Ordering::Relaxed);
    server.until("/readyz", 200).await;
}

macro_rules! reflection_lists_services {
    ($test:ident, $version:ident) => {
        #[tokio::test]
        async fn $test() {
            use tonic_reflection::pb::$version::{
                ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
                server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
            };
            let server = start(Does::Nothing, |_| {}).await;
            let mut client = ServerReflectionClient::new(server.channel().await);
            let ask =
                |request| ServerReflectionRequest { host: String::new(), message_request: Some(request) };
            let requests = [
                ask(MessageRequest::ListServices(String::new())),
                ask(MessageRequest::FileContainingSymbol(SERVICE_NAME.to_owned())),
            ];
            let mut answers = client.server_reflection_info(iter(requests)).await.unwrap().into_inner();

            let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
            let MessageResponse::ListServicesResponse(list) = answer else { panic!("{answer:?}") };
            let names: Vec<&str> = list.service.iter().map(|service| service.name.as_str()).collect();
            assert!(names.contains(&SERVICE_NAME), "{names:?}");
            assert!(names.contains(&"grpc.health.v1.Health"), "{names:?}");

            let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
            let MessageResponse::FileDescriptorResponse(files) = answer else { panic!("{answer:?}") };
            assert_eq!(files.file_descriptor_proto.len(), 1);
        }
    };
}

reflection_lists_services!(reflection_v1, v1);
reflection_lists_services!(reflection_v1alpha, v1alpha);

/// Transcoders read the REST mapping out of reflection.
#[test]
fn the_descriptors_keep_the_rest_mapping() {
    let set = trace_completion::contract::proto::DESCRIPTOR_SET;
    let path = trace_completion::contract::REST_PATH.as_bytes();
    assert!(set.windows(path.len()).any(|window| window == path));
}
