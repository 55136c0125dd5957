//! Connections to the server: two pools behind one configuration.

use std::time::Duration;

use clickhouse::{Client, Compression as ClientCompression};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{
    client::legacy::{Client as HttpClient, connect::HttpConnector},
    rt::TokioExecutor,
};

use crate::config::{Compression, ConfigError, StoreSettings};

/// Longest SQL text, in bytes. The server's default has room for some 12,000 ids; a list of long texts needs
/// more.
const MAX_QUERY_SIZE: u32 = 16 << 20;
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);

/// Two clients of one server. The `clickhouse` crate keeps idle connections for 2 s and has no connect
/// timeout, hence our own pools.
#[derive(Clone)]
pub(super) struct Connection {
    /// Keeps idle connections.
    pub(super) pooled: Client,
    /// Opens a connection for each query: for the repetition after a pooled connection was found broken.
    pub(super) fresh: Client,
}

impl Connection {
    pub(super) fn new(settings: &StoreSettings) -> Result<Self, ConfigError> {
        settings.check()?;
        let client = |idle_connections| -> Result<Client, ConfigError> {
            Ok(configure(Client::with_http_client(http_client(settings, idle_connections)?), settings))
        };
        Ok(Self { pooled: client(usize::MAX)?, fresh: client(0)? })
    }
}

/// The client that the store reads with, for the room that writes.
pub(crate) fn client(settings: &StoreSettings) -> Result<Client, ConfigError> {
    Ok(Connection::new(settings)?.pooled)
}

type Connector = hyper_rustls::HttpsConnector<HttpConnector>;

fn http_client<B>(settings: &StoreSettings, idle: usize) -> Result<HttpClient<Connector, B>, ConfigError>
where
    B: http_body::Body + Send,
    B::Data: Send,
{
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(TCP_KEEPALIVE));
    tcp.set_connect_timeout(Some(Duration::from_millis(settings.connect_timeout_ms.into())));
    // Named here, so that it does not depend on the other providers in the build.
    let provider = rustls::crypto::ring::default_provider();
    let connector = HttpsConnectorBuilder::new()
        .with_provider_and_webpki_roots(provider)
        .map_err(|error| ConfigError::Value {
            key: "store.url".to_owned(),
            problem: format!("TLS: {error}"),
        })?
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    Ok(HttpClient::builder(TokioExecutor::new())
        .pool_idle_timeout(Duration::from_millis(settings.pool_idle_timeout_ms.into()))
        .pool_timer(hyper_util::rt::TokioTimer::new())
        .pool_max_idle_per_host(idle)
        .build(connector))
}

/// ClickHouse 23.8 and later know all these settings; a server refuses a query with an unknown one.
fn configure(client: Client, settings: &StoreSettings) -> Client {
    let mut client = client
        .with_url(&settings.url)
        .with_user(&settings.user)
        .with_password(settings.password.expose())
        .with_product_info("trace-completion", env!("CARGO_PKG_VERSION"))
        // Ends the query when its reader has gone.
        .with_setting("cancel_http_readonly_queries_on_client_close", "1")
        // DeepFlow's own profile has 1: then an answer looks complete although a shard is down.
        .with_setting("skip_unavailable_shards", "0")
        .with_setting("max_query_size", MAX_QUERY_SIZE.to_string())
        .with_setting("max_result_bytes", settings.max_result_bytes.to_string())
        .with_setting("result_overflow_mode", "throw")
        .with_setting("timeout_overflow_mode", "throw");
    match settings.compression {
        Compression::None => client = client.with_compression(ClientCompression::None),
        Compression::Lz4 => {
            // Off by default before ClickHouse 25.10.
            client =
                client.with_compression(ClientCompression::Lz4).with_setting("enable_http_compression", "1");
        }
    }
    client
}
