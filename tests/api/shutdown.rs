//! How a server ends.

use std::time::Duration;

use tokio::{io::AsyncWriteExt, net::TcpStream};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use trace_completion::{api::Drained, contract::REST_PATH};

use crate::harness::{Does, QUESTION, pass, question, start};

#[tokio::test]
async fn requests_in_flight_finish() {
    let mut server = start(Does::Hang, |_| {}).await;
    server.store.answers.store(false, std::sync::atomic::Ordering::Relaxed);
    let mut client = server.grpc().await;
    let first = tokio::spawn(async move { client.complete_trace(question()).await });
    server.hanging().await;
    let mut watch = HealthClient::new(server.channel().await)
        .watch(HealthCheckRequest { service: String::new() })
        .await
        .unwrap()
        .into_inner();

    let (address, store) = (server.address, server.store.clone());
    server.stop();
    // The watcher is told, and then its stream is ended, so that it does not delay the end of the server.
    let mut told = ServingStatus::Unknown;
    while let Ok(Some(status)) = watch.message().await {
        told = status.status();
    }
    assert_eq!(told, ServingStatus::NotServing);
    assert!(TcpStream::connect(address).await.is_err(), "no new connections");
    store.release();
    assert!(first.await.unwrap().is_ok());
    assert_eq!(server.ended().await, Drained { cut: 0 });
}

#[tokio::test]
async fn the_delay_is_served_as_not_ready() {
    let mut server = start(Does::Nothing, |config| config.server.shutdown_delay_ms = 60_000).await;
    server.until("/readyz", 200).await;
    server.stop();
    server.until("/readyz", 503).await;
    assert_eq!(server.post(QUESTION).await.status, 200);
    pass(Duration::from_secs(60)).await;
    assert_eq!(server.ended().await, Drained { cut: 0 });
}

#[tokio::test]
async fn what_does_not_finish_is_cut() {
    let mut server = start(Does::Hang, |config| config.server.drain_timeout_ms = 5000).await;
    let mut client = server.grpc().await;
    let hangs = tokio::spawn(async move { client.complete_trace(question()).await });
    server.hanging().await;
    // Only a part of this body comes.
    let mut half = server.connect().await;
    let head = format!("POST {REST_PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{{");
    half.write_all(head.as_bytes()).await.unwrap();
    // This HTTP/2 peer says nothing after its preface.
    let mut mute = server.connect().await;
    mute.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    // This is answered only after the two connections before it were accepted.
    assert_eq!(server.get("/healthz").await.status, 200);

    server.stop();
    pass(Duration::from_millis(5000)).await;
    assert!(server.ended().await.cut >= 2);
    assert!(hangs.await.unwrap().is_err());
}
