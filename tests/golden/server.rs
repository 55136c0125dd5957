//! A case through the whole program: its rows are in a real ClickHouse, and its question goes over a socket to
//! a real server.

use std::{
    error::Error,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use tokio::{net::TcpListener, runtime::Runtime};
use trace_completion::{
    api,
    config::{Config, StoreSettings, Tracing},
    contract::REST_PATH,
    embedded::{EmbeddedClickHouse, Options, User},
    flow_log::{FlowWriter, StoredRow, ddl},
    store::ClickHouseStore,
};

use crate::support::cases;

/// May make databases.
const ADMIN: &str = "admin";

type Fault = Box<dyn Error + Send + Sync>;

/// What all cases share. It is never dropped: ClickHouse ends because this process ends.
struct Rig {
    clickhouse: EmbeddedClickHouse,
    runtime: Runtime,
    client: Client<HttpConnector, Full<Bytes>>,
    /// One for each trial that runs at the same time. Each is made when it is first used.
    lanes: Vec<Mutex<Option<Lane>>>,
}

static RIG: LazyLock<Result<Rig, String>> = LazyLock::new(|| Rig::start().map_err(|fault| fault.to_string()));

/// A flow log that only one case uses at a time, and a server over it for each configuration used so far.
struct Lane {
    prefix: String,
    clickhouse: clickhouse::Client,
    writer: FlowWriter,
    store: Arc<ClickHouseStore>,
    servers: Vec<(Config, SocketAddr)>,
}

/// The body that the server answers to the question of a case, when the flow log holds just `rows`.
pub(crate) fn answer(case: &Value, rows: &[StoredRow]) -> Result<Bytes, Fault> {
    let rig = RIG.as_ref().map_err(String::as_str)?;
    let mut lane = rig.lane();
    rig.runtime.block_on(async {
        if lane.is_none() {
            *lane = Some(Lane::new(&rig.clickhouse).await?);
        }
        let lane = lane.as_mut().ok_or("no lane")?;
        let config = config(case);
        let body = body(case, &config.tracing);
        let address = lane.server(config).await?;
        lane.hold_just(rows).await?;
        rig.post(address, body).await
    })
}

/// The configuration that a case was recorded with.
fn config(case: &Value) -> Config {
    let mut config = Config { tracing: cases::tracing(case), ..Config::default() };
    config.server.region_name = case["config"]["region_name"].as_str().unwrap_or("").to_owned();
    // Many servers share one ClickHouse, and nobody asks them whether they are ready.
    config.server.ready_interval_ms = 600_000;
    config
}

/// The question as it was recorded. The server that answered it then had another default for this one number.
fn body(case: &Value, tracing: &Tracing) -> Vec<u8> {
    let mut body = case["request"].clone();
    if body["NETWORK_DELAY_US"].is_null() {
        body["NETWORK_DELAY_US"] = tracing.network_delay_us.into();
    }
    body.to_string().into_bytes()
}

impl Rig {
    fn start() -> Result<Self, Fault> {
        let executable = PathBuf::from(env!("CARGO_BIN_EXE_trace-completion"));
        let lanes = thread::available_parallelism().map_or(1, usize::from).min(4);
        Ok(Self {
            // Each lane has databases of its own.
            clickhouse: EmbeddedClickHouse::start(Options {
                executable,
                users: vec![User::with_all_rights(ADMIN)],
                ..Options::default()
            })?,
            runtime: tokio::runtime::Builder::new_multi_thread().enable_all().build()?,
            client: Client::builder(TokioExecutor::new()).build_http(),
            lanes: (0..lanes).map(|_| Mutex::default()).collect(),
        })
    }

    /// A lane that no other case uses now. The next case clears what the last one left, also after a panic.
    fn lane(&self) -> MutexGuard<'_, Option<Lane>> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        for lane in &self.lanes {
            match lane.try_lock() {
                Ok(lane) => return lane,
                Err(TryLockError::Poisoned(lane)) => return lane.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        let next = NEXT.fetch_add(1, Ordering::Relaxed) % self.lanes.len();
        self.lanes[next].lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn post(&self, address: SocketAddr, body: Vec<u8>) -> Result<Bytes, Fault> {
        let request = Request::post(format!("http://{address}{REST_PATH}"))
            .header("content-type", "application/json")
            .body(Full::from(body))?;
        let response = self.client.request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            return Err(format!("{status}: {}", String::from_utf8_lossy(&body)).into());
        }
        Ok(body)
    }
}

impl Lane {
    async fn new(clickhouse: &EmbeddedClickHouse) -> Result<Self, Fault> {
        static NEXT: AtomicUsize = AtomicUsize::new(2);
        let prefix = format!("{:04}_", NEXT.fetch_add(1, Ordering::Relaxed));
        let settings =
            StoreSettings { database: format!("{prefix}flow_log"), ..clickhouse.settings_of(ADMIN) };
        let writer = FlowWriter::new(&settings)?;
        writer.create_schema().await?;
        Ok(Self {
            clickhouse: clickhouse::Client::default()
                .with_url(&settings.url)
                .with_user(&settings.user)
                .with_password(settings.password.expose()),
            writer,
            store: Arc::new(ClickHouseStore::new(&settings)?),
            servers: Vec::new(),
            prefix,
        })
    }

    /// Removes the rows and names of the previous case, and stores these rows.
    async fn hold_just(&mut self, rows: &[StoredRow]) -> Result<(), Fault> {
        let Self { prefix, .. } = self;
        // TRUNCATE takes twice as long, because it writes an empty part with all columns for each partition.
        let table = format!("`{prefix}flow_log`.l7_flow_log_local");
        let mut statements = vec![format!("DROP TABLE {table}")];
        statements.extend(
            ddl::statements_of(prefix)
                .into_iter()
                .filter(|statement| statement.starts_with(&format!("CREATE TABLE IF NOT EXISTS {table}\n("))),
        );
        for names in ["ch_device", "ch_subnet", "ch_gprocess", "ch_tap_type"] {
            statements.push(format!("TRUNCATE TABLE `{prefix}flow_tag`.{names}"));
        }
        for statement in statements {
            self.clickhouse.query(&statement).execute().await?;
        }
        Ok(self.writer.write(rows).await?)
    }

    /// The address of a server with this configuration.
    async fn server(&mut self, config: Config) -> Result<SocketAddr, Fault> {
        if let Some((_, address)) = self.servers.iter().find(|(known, _)| *known == config) {
            return Ok(*address);
        }
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (store, settings) = (Arc::clone(&self.store), config.clone());
        tokio::spawn(async move { api::run(listener, std::future::pending::<()>(), store, &settings).await });
        self.servers.push((config, address));
        Ok(address)
    }
}
