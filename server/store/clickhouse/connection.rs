//! Connections to the server: two pools behind one configuration.

use std::time::Duration;

use clickhouse::{Client, Compression as ClientCompression};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{
    client::legacy::{Client as HttpClient, connect::HttpConnector},
    rt::TokioExecutor,
};

use crate::config::{Compression, ConfigError, StoreSettings};

/// Longest SQL text, in bytes. The server's default holds some 12,000 ids, a list of long texts is more.
const MAX_QUERY_SIZE: u32 = 16 << 20;
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);

/// Two clients of one server. The `clickhouse` crate keeps idle connections for 2 s and has no connect
/// timeout, hence our own pools.
#[derive(Clone)]
pub(super) struct Connection {
    /// Keeps idle connections.
    pub(super) pooled: Client,
    /// Opens a connection for each query, for a second try after a pooled one turned out to be dead.
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
    // named, so that it does not depend on which other providers the build happens to contain
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

/// All settings are known to ClickHouse 23.8; a server refuses a query with one that it does not know.
fn configure(client: Client, settings: &StoreSettings) -> Client {
    let mut client = client
        .with_url(&settings.url)
        .with_user(&settings.user)
        .with_password(settings.password.expose())
        .with_product_info("trace-completion", env!("CARGO_PKG_VERSION"))
        // a reader that has gone must not leave its query behind
        .with_setting("cancel_http_readonly_queries_on_client_close", "1")
        // DeepFlow's own profile says 1: then a dead shard makes an incomplete answer that looks complete
        .with_setting("skip_unavailable_shards", "0")
        .with_setting("max_query_size", MAX_QUERY_SIZE.to_string())
        .with_setting("max_result_bytes", settings.max_result_bytes.to_string())
        .with_setting("result_overflow_mode", "throw")
        .with_setting("timeout_overflow_mode", "throw");
    match settings.compression {
        Compression::None => client = client.with_compression(ClientCompression::None),
        Compression::Lz4 => {
            // off by default before 25.10
            client =
                client.with_compression(ClientCompression::Lz4).with_setting("enable_http_compression", "1");
        }
    }
    client
}
