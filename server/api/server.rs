//! One port: accepts connections, serves both doors on each, and drains at a shutdown.

use std::{future::Future, io, pin::pin, sync::Arc, time::Duration};

use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::Instant,
};
use tracing::{debug, info, warn};

use super::{completer::Completer, first_bytes::FirstBytes, readiness, routes, shutdown::stopped};
use crate::{
    config::{Config, Limits},
    contract::proto::SERVICE_NAME,
    store::FlowStore,
};

/// Pause after the system could not accept a connection, for instance because no file descriptors are left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Time between two HTTP/2 pings on a quiet connection. A peer that does not answer one within [`PING_TIMEOUT`] is gone,
/// and its connection is closed.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// How serving ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Drained {
    /// Connections that were cut because they did not finish in time (`server.drain_timeout_ms`).
    pub cut: usize,
}

/// Serves both doors on `listener` until `shutdown` ends, then says "not ready", goes on for
/// `server.shutdown_delay_ms`, stops accepting, lets requests in flight finish for
/// `server.drain_timeout_ms`, and cuts the rest.
///
/// A store that does not answer is no error: the server is alive but not ready until it does.
/// Fails only where the compiled contract is unusable.
pub async fn run<S: FlowStore>(
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send,
    store: Arc<S>,
    config: &Config,
) -> io::Result<Drained> {
    if let Ok(address) = listener.local_addr() {
        info!(%address, "listening");
    }
    let (mut health, health_service) = tonic_health::server::health_reporter();
    readiness::publish(&health, false).await;
    let (ready, is_ready) = watch::channel(false);
    let (stop, stopping) = watch::channel(false);
    let completer = Completer::new(Arc::clone(&store), config);
    let router =
        routes::routes(completer, health_service, is_ready, stopping.clone()).map_err(io::Error::other)?;

    let mut readiness = JoinSet::new();
    readiness.spawn(readiness::watch_store(store, config.server.clone(), health.clone(), ready.clone()));

    let mut acceptor = Acceptor {
        listener,
        places: Arc::new(Semaphore::new(config.limits.max_connections as usize)),
        connections: JoinSet::new(),
        serving: Serving {
            builder: builder(&config.limits),
            router,
            stopping,
            limits: config.limits.clone(),
        },
    };
    acceptor.accept_until(shutdown).await;

    info!("shutting down");
    readiness.shutdown().await;
    readiness::publish(&health, false).await;
    ready.send_replace(false);
    let delay = Duration::from_millis(config.server.shutdown_delay_ms.into());
    acceptor.accept_until(tokio::time::sleep(delay)).await;

    let Acceptor { listener, mut connections, .. } = acceptor;
    drop(listener);
    stop.send_replace(true);
    // Ends the streams of health watchers, which would otherwise never end.
    for service in ["", SERVICE_NAME] {
        health.clear_service_status(service).await;
    }
    let deadline = Instant::now() + Duration::from_millis(config.server.drain_timeout_ms.into());
    while let Ok(Some(_)) = tokio::time::timeout_at(deadline, connections.join_next()).await {}
    let cut = connections.len();
    connections.shutdown().await;
    match cut {
        0 => info!("drained"),
        cut => warn!(cut, limit = "server.drain_timeout_ms", "cut connections that did not finish in time"),
    }
    Ok(Drained { cut })
}

fn builder(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(limits.header_timeout_ms.into()))
        .max_buf_size(limits.max_header_bytes as usize)
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.max_streams)
        .max_header_list_size(limits.max_header_bytes)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

struct Acceptor {
    listener: TcpListener,
    /// A permit for each connection.
    places: Arc<Semaphore>,
    connections: JoinSet<()>,
    serving: Serving,
}

impl Acceptor {
    async fn accept_until(&mut self, end: impl Future<Output = ()>) {
        let mut end = pin!(end);
        loop {
            tokio::select! {
                biased;
                () = &mut end => return,
                Some(_) = self.connections.join_next() => {}
                (stream, place) = accept(&self.listener, &self.places) => {
                    self.connections.spawn(self.serving.clone().serve(stream, place));
                }
            }
        }
    }
}

/// Waits until there is a place for a connection, then for the connection.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed, so that there is always a permit.
    let place = Arc::clone(places).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, place),
            Err(e) if is_of_connection(&e) => debug!(error = %e, "a connection ended before it was accepted"),
            Err(e) => {
                warn!(error = %e, "cannot accept connections");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_of_connection(e: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(e.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// What serves a connection.
#[derive(Clone)]
struct Serving {
    builder: auto::Builder<TokioExecutor>,
    router: axum::Router,
    stopping: watch::Receiver<bool>,
    limits: Limits,
}

impl Serving {
    async fn serve(mut self, stream: TcpStream, _place: Option<OwnedSemaphorePermit>) {
        // Answers are small and many, so the kernel should send each at once.
        if let Err(e) = stream.set_nodelay(true) {
            debug!(error = %e, "cannot set TCP_NODELAY");
        }
        let time = Duration::from_millis(self.limits.header_timeout_ms.into());
        let io = TokioIo::new(FirstBytes::new(stream, time));
        let mut connection = pin!(self.builder.serve_connection(io, TowerToHyperService::new(self.router)));
        let end = tokio::select! {
            end = connection.as_mut() => end,
            () = stopped(&mut self.stopping) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(e) = end {
            debug!(error = %e, "connection ended");
        }
    }
}
