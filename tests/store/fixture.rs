//! The server that all tests share, and a flow log in it for one test.

use std::{
    path::PathBuf,
    sync::{
        LazyLock, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use clickhouse::Client;
use trace_completion::{
    config::StoreSettings,
    embedded::{EmbeddedClickHouse, Options, User},
    flow::Texts,
    flow_log::{FlowWriter, MemoryStore, StoredRow},
    search::{Question, Window},
    store::{ClickHouseStore, ReadContext},
};

/// A second that rows of the tests end in.
pub(crate) const SECOND: u32 = 1_767_000_000;
pub(crate) const WINDOW: Window = Window { from_s: SECOND as i64 - 1000, to_s: SECOND as i64 + 1000 };

/// May do all, in all databases: each test has its own.
pub(crate) const ADMIN: &str = "admin";

// never dropped: the server ends because this process does
static SERVER: LazyLock<Result<EmbeddedClickHouse, String>> = LazyLock::new(|| {
    let user = |name: &str, readonly, grants: &[&str]| User {
        name: name.to_owned(),
        readonly,
        grants: grants.iter().map(|grant| (*grant).to_owned()).collect(),
        ..User::default()
    };
    let users = vec![
        User::with_all_rights(ADMIN),
        user("reader", true, &["GRANT SELECT ON *.*", "GRANT dictGet ON *.*"]),
        user("nameless", true, &["GRANT SELECT ON *.*"]),
        user("nobody", true, &["GRANT SELECT ON system.one"]),
    ];
    // It asks another server in a test of clusters.
    EmbeddedClickHouse::start(Options { users, opens_native_port: true, ..options() })
        .map_err(|error| error.to_string())
});

/// The server. Each test fails with the reason if there is none, such as how to get the library.
pub(crate) fn server() -> &'static EmbeddedClickHouse {
    SERVER.as_ref().unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn options() -> Options {
    Options { executable: PathBuf::from(env!("CARGO_BIN_EXE_trace-completion")), ..Options::default() }
}

/// A flow log.
pub(crate) struct Fixture {
    pub(crate) settings: StoreSettings,
    /// What its databases begin with.
    pub(crate) prefix: String,
    pub(crate) store: ClickHouseStore,
}

impl Fixture {
    /// With the schema of our own, and no rows.
    pub(crate) async fn new() -> Self {
        let fixture = Self::bare();
        let made = fixture.writer().create_schema().await;
        made.unwrap_or_else(|error| panic!("{error}; last words: {}", server().last_words()));
        fixture
    }

    /// With these rows, and a store in memory that holds them too, as they read.
    pub(crate) async fn with_rows(rows: &[StoredRow]) -> (Self, MemoryStore) {
        let fixture = Self::new().await;
        fixture.writer().write(rows).await.unwrap();
        let mut rows = rows.to_vec();
        rows.iter_mut().for_each(StoredRow::resolve_bare_addresses);
        (fixture, MemoryStore::new(rows))
    }

    /// Without databases.
    pub(crate) fn bare() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(2);
        let prefix = format!("{:04}_", NEXT.fetch_add(1, Ordering::Relaxed));
        let settings = StoreSettings { database: format!("{prefix}flow_log"), ..server().settings_of(ADMIN) };
        let store = ClickHouseStore::new(&settings).unwrap();
        Self { settings, prefix, store }
    }

    pub(crate) fn writer(&self) -> FlowWriter {
        FlowWriter::new(&self.settings).unwrap()
    }

    /// A store with other settings.
    pub(crate) fn store_with(&self, change: impl FnOnce(&mut StoreSettings)) -> ClickHouseStore {
        let mut settings = self.settings.clone();
        change(&mut settings);
        ClickHouseStore::new(&settings).unwrap()
    }

    /// Runs a statement in which `$` is the prefix.
    pub(crate) async fn run(&self, sql: &str) {
        let sql = sql.replace('$', &self.prefix).replace('?', "??");
        client(&self.settings).query(&sql).execute().await.unwrap_or_else(|error| panic!("{error}: {sql}"));
    }

    /// The one number that a query gives.
    pub(crate) async fn number(&self, sql: &str) -> u64 {
        let sql = sql.replace('$', &self.prefix);
        client(&self.settings)
            .query(&format!("SELECT assumeNotNull(toUInt64(({sql})))"))
            .fetch_one()
            .await
            .unwrap()
    }

    /// The texts that a query gives.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let sql = sql.replace('$', &self.prefix).replace('?', "??");
        client(&self.settings).query(&sql).fetch_all().await.unwrap_or_else(|error| panic!("{error}: {sql}"))
    }

    /// Of each query about rows that was sent for `context`, in order, an expression over `system.query_log`.
    /// There must be `count`; the log lags behind the answers.
    pub(crate) async fn sent(&self, context: &ReadContext, expression: &str, count: usize) -> Vec<String> {
        let sql = format!(
            "SELECT toString({expression}) FROM system.query_log WHERE type = 'QueryFinish' \
             AND query_id LIKE '{}-%' AND query LIKE '%FROM `$flow_log`%' ORDER BY event_time_microseconds",
            context.request_id
        );
        let found = Mutex::new(Vec::new());
        eventually("the queries to be logged", || async {
            self.run("SYSTEM FLUSH LOGS").await;
            let texts = self.texts(&sql).await;
            let is_complete = texts.len() >= count;
            *found.lock().unwrap() = texts;
            is_complete
        })
        .await;
        let found = found.into_inner().unwrap();
        assert_eq!(found.len(), count, "{found:#?}");
        found
    }
}

pub(crate) fn client(settings: &StoreSettings) -> Client {
    Client::default()
        .with_url(&settings.url)
        .with_user(&settings.user)
        .with_password(settings.password.expose())
}

/// The settings become those of another user of the server.
pub(crate) fn become_user(settings: &mut StoreSettings, name: &str) {
    let StoreSettings { user, password, .. } = server().settings_of(name);
    (settings.user, settings.password) = (user, password);
}

pub(crate) fn context(limit_rows: u32) -> ReadContext {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let request_id = format!("test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    ReadContext::new(request_id, limit_rows)
}

pub(crate) fn entry(trace_id: &str) -> Question {
    Question::Entry { trace_id: trace_id.to_owned(), window: WINDOW }
}

pub(crate) fn by_trace_id<T: AsRef<str>>(trace_ids: impl IntoIterator<Item = T>) -> Question {
    let trace_ids = trace_ids.into_iter().map(|id| id.as_ref().to_owned()).collect();
    Question::ByTraceId { trace_ids, window: WINDOW }
}

/// A row that ends in [`SECOND`] and has the counter of its id.
pub(crate) fn row(counter: u64) -> StoredRow {
    StoredRow {
        _id: (u64::from(SECOND) << 32) | counter,
        time: SECOND,
        start_time: i64::from(SECOND) * 1_000_000,
        end_time: i64::from(SECOND) * 1_000_000 + 500,
        is_ipv4: 1,
        ..StoredRow::default()
    }
}

/// The counters of the rows of a page.
pub(crate) fn counters(rows: &[trace_completion::flow::KeyRow]) -> Vec<u64> {
    rows.iter().map(|row| row.id.0 & 0xffff_ffff).collect()
}

pub(crate) fn text(texts: &Texts, text: trace_completion::flow::Text) -> String {
    texts.get(text).to_owned()
}

/// Waits, but not for ever, until something is so.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(15);
    while !condition().await {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
