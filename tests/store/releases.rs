//! Tables of other releases of DeepFlow, and names that are missing.

use std::{
    io,
    sync::{Arc, LazyLock, Mutex},
    time::{Duration, Instant},
};

use trace_completion::{
    config::StoreSettings,
    embedded::{EmbeddedClickHouse, Options, User},
    flow::{FlowRow, RowId, Texts},
    flow_log::{FlowWriter, StoredRow},
    search::{AssociationKeys, Question},
    store::{FlowStore, StoreError},
};

use crate::fixture::{
    ADMIN, Fixture, SECOND, WINDOW, become_user, by_trace_id, context, counters, entry, eventually, options,
    row, text,
};

fn named_row(counter: u64) -> StoredRow {
    StoredRow {
        trace_id: "t".into(),
        l7_protocol: 20,
        biz_protocol: "HTTP".into(),
        capture_network_type_id: 3,
        capture_network_type: "cloud".into(),
        subnet_id_0: 5,
        subnet_0: "net".into(),
        gprocess_id_0: 6,
        gprocess_0: "java".into(),
        auto_service_type_0: 102,
        auto_service_id_0: 7,
        auto_service_0: "shop".into(),
        ..row(counter)
    }
}

async fn fetch_one(fixture: &Fixture, texts: &mut Texts) -> Result<FlowRow, StoreError> {
    let page = fixture.store.fetch(&context(1), &[RowId(row(1)._id)], texts).await?;
    Ok(page.rows.into_iter().next().expect("the row is there"))
}

async fn drop_column(fixture: &Fixture, column: &str) {
    fixture
        .run(&format!("ALTER TABLE `$flow_log`.l7_flow_log_local DROP INDEX IF EXISTS {column}_idx"))
        .await;
    for table in ["l7_flow_log", "l7_flow_log_local"] {
        fixture
            .run(&format!("ALTER TABLE `$flow_log`.{table} DROP COLUMN {column} SETTINGS mutations_sync = 1"))
            .await;
    }
}

/// Names of the row: protocol, network, subnet, process, service, bare address.
async fn names(fixture: &Fixture) -> [String; 6] {
    let mut texts = Texts::new();
    let row = fetch_one(fixture, &mut texts).await.unwrap();
    let side = &row.sides[0];
    [row.l7_protocol_enum, row.tap, side.subnet, side.gprocess, side.auto_service, row.sides[1].auto_service]
        .map(|name| text(&texts, name))
}

const ALL_NAMES: [&str; 6] = ["HTTP", "cloud", "net", "java", "shop", "0.0.0.0"];
const NO_NAMES: [&str; 6] = ["", "", "", "", "", "0.0.0.0"];

/// A table with the columns of DeepFlow v6.3.3, as far as we read them.
const OLD_TABLE: &str = "
    _id UInt64, time DateTime('Asia/Shanghai'), start_time DateTime64(6, 'Asia/Shanghai'),
    end_time DateTime64(6, 'Asia/Shanghai'), type UInt8, signal_source UInt16, l7_protocol UInt8,
    l7_protocol_str LowCardinality(String), protocol UInt8, tap_side LowCardinality(String), vtap_id UInt16,
    tap_type UInt16, req_tcp_seq UInt32, resp_tcp_seq UInt32, syscall_trace_id_request UInt64,
    syscall_trace_id_response UInt64, trace_id String, span_id String, parent_span_id String,
    x_request_id String, request_id Nullable(UInt64), flow_id UInt64, response_duration UInt64, app_instance String,
    is_ipv4 UInt8, ip4_0 IPv4, ip4_1 IPv4, ip6_0 IPv6, ip6_1 IPv6, subnet_id_0 UInt16, subnet_id_1 UInt16,
    auto_service_type_0 UInt8, auto_service_id_0 UInt32";

#[tokio::test]
async fn an_old_table_reads_like_a_new_one() {
    let fixture = Fixture::new().await;
    fixture.run("DROP TABLE `$flow_log`.l7_flow_log").await;
    fixture
        .run(&format!("CREATE TABLE `$flow_log`.l7_flow_log ({OLD_TABLE}) ENGINE = MergeTree ORDER BY time"))
        .await;
    fixture
        .run(&format!(
            "INSERT INTO `$flow_log`.l7_flow_log (_id, time, type, l7_protocol, l7_protocol_str, tap_side, vtap_id,
                 tap_type, trace_id, x_request_id, request_id, is_ipv4, app_instance)
             VALUES ({}, {SECOND}, 2, 20, 'HTTP', 's-p', 77, 3, 't', 'xr', 9, 1, 'i')",
            row(1)._id
        ))
        .await;

    let mut texts = Texts::new();
    let keys = AssociationKeys { x_request_ids: vec!["xr".into()], ..AssociationKeys::default() };
    for question in [entry("t"), by_trace_id(["t"]), Question::ByAssociation { keys, window: WINDOW }] {
        let page = fixture.store.search(&context(10), &question, &mut texts).await.unwrap();
        assert_eq!(counters(&page.rows), [1], "{question:?}");
    }
    let row = fetch_one(&fixture, &mut texts).await.unwrap();
    assert_eq!(text(&texts, row.key.tap_side), "s-p");
    assert_eq!((row.key.agent.0, row.tap_id, row.key.request_id), (77, 3, Some(9)));
    assert_eq!(text(&texts, row.key.trace_id), "t");
    assert_eq!((row.key.x_request_id_0, row.key.x_request_id_1), (texts.intern("xr"), texts.intern("xr")));
    assert_eq!(text(&texts, row.l7_protocol_str), "HTTP");
    assert_eq!(text(&texts, row.app_instance), "i");
    assert_eq!(
        (text(&texts, row.biz_response_code), row.is_tls, row.response_code),
        (String::new(), 0, None)
    );
}

#[tokio::test]
async fn an_upgraded_table_keeps_old_protocol_names_in_the_old_column() {
    let rows = [StoredRow { biz_protocol: "new".into(), ..named_row(1) }, StoredRow { ..row(2) }];
    let (fixture, _) = Fixture::with_rows(&rows).await;
    for table in ["l7_flow_log_local", "l7_flow_log"] {
        fixture
            .run(&format!(
                "ALTER TABLE `$flow_log`.{table} ADD COLUMN l7_protocol_str LowCardinality(String), \
                 ADD COLUMN vtap_id UInt16"
            ))
            .await;
    }
    fixture
        .run(
            "ALTER TABLE `$flow_log`.l7_flow_log_local UPDATE l7_protocol_str = 'old' WHERE 1 \
             SETTINGS mutations_sync = 1",
        )
        .await;
    let mut texts = Texts::new();
    let ids = [RowId(row(1)._id), RowId(row(2)._id)];
    let page = fixture.store.fetch(&context(1), &ids, &mut texts).await.unwrap();
    let protocols: Vec<String> = page.rows.iter().map(|row| text(&texts, row.l7_protocol_str)).collect();
    assert_eq!(protocols, ["new", "old"]);
}

#[tokio::test]
async fn a_column_that_a_search_needs_is_named_when_it_is_missing() {
    let (fixture, _) = Fixture::with_rows(&[named_row(1)]).await;
    assert_eq!(names(&fixture).await, ALL_NAMES);
    let other = fixture.store_with(|_| ());
    drop_column(&fixture, "agent_id").await;
    let want = StoreError::Schema(format!("column `agent_id` of {}.l7_flow_log", fixture.settings.database));
    for store in [&fixture.store, &other] {
        let error = store.search(&context(10), &entry("t"), &mut Texts::new()).await.unwrap_err();
        assert_eq!(error, want);
    }
    for table in ["l7_flow_log_local", "l7_flow_log"] {
        fixture.run(&format!("ALTER TABLE `$flow_log`.{table} ADD COLUMN vtap_id UInt16")).await;
    }
    assert_eq!(names(&fixture).await, ALL_NAMES, "the old name does, once it is there");
}

/// The distributed table has the column, and its part on a node that was not upgraded has not.
#[tokio::test]
async fn a_column_that_a_node_lacks_is_named() {
    let (fixture, _) = Fixture::with_rows(&[named_row(1)]).await;
    distribute(&fixture).await;
    fixture.run("ALTER TABLE `$flow_log`.l7_flow_log_local DROP COLUMN signal_source").await;
    let error = fixture.store.search(&context(10), &entry("t"), &mut Texts::new()).await.unwrap_err();
    assert_eq!(error, StoreError::Schema("column `signal_source` (code 47)".to_owned()));
}

#[tokio::test]
async fn a_column_that_goes_while_we_run_is_left_out() {
    let (fixture, _) = Fixture::with_rows(&[StoredRow { is_tls: 1, ..named_row(1) }]).await;
    let mut texts = Texts::new();
    assert_eq!(fetch_one(&fixture, &mut texts).await.unwrap().is_tls, 1);
    drop_column(&fixture, "is_tls").await;
    assert_eq!(fetch_one(&fixture, &mut texts).await.unwrap().is_tls, 0);
}

#[tokio::test]
async fn a_missing_table_is_named_and_found_when_it_comes() {
    let fixture = Fixture::bare();
    for _ in 0..2 {
        let error = fixture.store.search(&context(10), &entry("t"), &mut Texts::new()).await.unwrap_err();
        let want = format!("table {}.l7_flow_log, or the right to read it", fixture.settings.database);
        assert_eq!(error, StoreError::Schema(want));
    }
    fixture.writer().create_schema().await.unwrap();
    fixture.writer().write(&[named_row(1)]).await.unwrap();
    assert_eq!(names(&fixture).await, ALL_NAMES);
}

#[tokio::test]
async fn without_dictionaries_names_are_empty() {
    let (fixture, _) = Fixture::with_rows(&[named_row(1)]).await;
    fixture.run("DROP DATABASE `$flow_tag`").await;
    assert_eq!(names(&fixture).await, NO_NAMES);
}

#[tokio::test]
async fn dictionaries_may_go_and_come_while_we_run() {
    let (fixture, _) = Fixture::with_rows(&[named_row(1)]).await;
    let refreshing = fixture.store_with(|settings| settings.schema_refresh_s = 1);
    let fixture = Fixture { store: refreshing, ..fixture };
    assert_eq!(names(&fixture).await, ALL_NAMES);
    fixture.run("DROP DATABASE `$flow_tag`").await;
    assert_eq!(names(&fixture).await, NO_NAMES);
    fixture.writer().create_schema().await.unwrap();
    let protocol_only = ["HTTP", "", "", "", "", "0.0.0.0"];
    eventually("the names to come back", || async { names(&fixture).await == protocol_only }).await;
}

#[tokio::test]
async fn a_dictionary_that_does_not_load_is_left_out() {
    let (fixture, _) = Fixture::with_rows(&[named_row(1)]).await;
    fixture.run("DROP DICTIONARY `$flow_tag`.subnet_map").await;
    fixture
        .run(
            "CREATE DICTIONARY `$flow_tag`.subnet_map (id UInt64, name String) PRIMARY KEY id \
             SOURCE(CLICKHOUSE(DB '$flow_tag' TABLE 'gone')) LIFETIME(300) LAYOUT(HASHED())",
        )
        .await;
    assert_eq!(names(&fixture).await, ["HTTP", "cloud", "", "java", "shop", "0.0.0.0"]);
}

#[tokio::test]
async fn a_user_without_the_right_to_names_reads_without_them() {
    let (fixture, _) = Fixture::with_rows(&[named_row(1)]).await;
    let store = fixture.store_with(|settings| become_user(settings, "nameless"));
    let fixture = Fixture { store, ..fixture };
    assert_eq!(names(&fixture).await, NO_NAMES);
}

/// What DeepFlow itself makes: the table that readers query is distributed over the nodes.
async fn distribute(fixture: &Fixture) {
    fixture.run("DROP TABLE `$flow_log`.l7_flow_log").await;
    fixture
        .run(
            "CREATE TABLE `$flow_log`.l7_flow_log AS `$flow_log`.l7_flow_log_local \
             ENGINE = Distributed('df_cluster', '$flow_log', 'l7_flow_log_local', rand())",
        )
        .await;
}

#[tokio::test]
async fn a_cluster_reads_like_a_server() {
    let (fixture, memory) = Fixture::with_rows(&[named_row(1), named_row(2)]).await;
    distribute(&fixture).await;
    assert_eq!(names(&fixture).await, ALL_NAMES);
    let mut texts = Texts::new();
    let page = fixture.store.search(&context(1), &by_trace_id(["t"]), &mut texts).await.unwrap();
    let want = memory.search(&context(1), &by_trace_id(["t"]), &mut texts).await.unwrap();
    assert_eq!((page.rows, page.truncated), (want.rows, true));
}

#[tokio::test]
async fn a_node_that_is_away_is_an_error_and_no_half_answer() {
    let (fixture, _) = Fixture::with_rows(&[named_row(1)]).await;
    // The node that is there is a server of its own: the embedded one does not survive that a query breaks its
    // native connection off, as this one does when the other node turns out to be away.
    let users = vec![User::with_all_rights(ADMIN)];
    let node = EmbeddedClickHouse::start(Options { users, opens_native_port: true, ..options() }).unwrap();
    let database = fixture.settings.database.clone();
    let there = FlowWriter::new(&StoreSettings { database, ..node.settings_of(ADMIN) }).unwrap();
    there.create_schema().await.unwrap();
    there.write(&[named_row(1)]).await.unwrap();
    // DeepFlow's profile for its own readers: half answers that look whole
    let settings = "SETTINGS skip_unavailable_shards = 1";
    let nodes = format!("127.0.0.1:{},127.0.0.1:1", node.native_port().unwrap());
    let half = format!("SELECT count() FROM remote('{nodes}', '$flow_log', 'l7_flow_log_local') {settings}");
    assert_eq!(fixture.number(&half).await, 1);
    fixture.run("DROP TABLE `$flow_log`.l7_flow_log").await;
    fixture
        .run(&format!(
            "CREATE TABLE `$flow_log`.l7_flow_log AS remote('{nodes}', '$flow_log', 'l7_flow_log_local')"
        ))
        .await;
    let error = fixture.store.search(&context(10), &by_trace_id(["t"]), &mut Texts::new()).await.unwrap_err();
    assert_eq!(error, StoreError::Unreachable("a shard or replica does not answer (code 279)".into()));
}

#[tokio::test]
async fn missing_names_are_told_once() {
    let (fixture, _) = Fixture::with_rows(&[named_row(1)]).await;
    fixture.run("DROP DICTIONARY `$flow_tag`.subnet_map").await;
    let log = logged();
    let store = fixture.store_with(|settings| settings.schema_refresh_s = 1);
    let fixture = Fixture { store, ..fixture };
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(2200) {
        names(&fixture).await;
    }
    let text = log.text();
    let of_this_test = format!("{}flow_tag", fixture.prefix);
    let told: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("dictionaries missing or unreadable") && line.contains(&of_this_test))
        .collect();
    assert!(told.len() == 1 && told[0].contains("dictionaries=subnet_map"), "{text}");
}

/// What all tests of this program log. A subscriber of one thread would miss lines while the tests of other
/// threads, which have none, decide whether anybody listens.
fn logged() -> Log {
    static LOG: LazyLock<Log> = LazyLock::new(|| {
        let log = Log::default();
        tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).init();
        log
    });
    LOG.clone()
}

/// Lines that were logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> tracing_subscriber::fmt::MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
