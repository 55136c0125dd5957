//! The demo world through everything that is real: rows in ClickHouse, the store, the server, both doors.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::oneshot};
use tonic::transport::Channel;
use trace_completion::{
    api,
    config::{Config, TracingSource},
    contract::{
        REST_PATH,
        proto::{CompleteTraceResponse, trace_completion_service_client::TraceCompletionServiceClient},
    },
    demo::{Group, World, groups, question},
    embedded::{EmbeddedClickHouse, Options, User},
    flow_log::FlowWriter,
    store::ClickHouseStore,
};

/// The rights of the user that the README creates.
const GRANTS: [&str; 2] = ["GRANT SELECT ON flow_log.*", "GRANT dictGet ON flow_tag.*"];

const PROGRAM: &str = env!("CARGO_BIN_EXE_trace-completion");

/// The type of a value in a span.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Is {
    Integer,
    Text,
    Texts,
    IntegerOrNull,
    Null,
}

/// The documented keys of a span, and those that callers of the original rely on.
const KEYS: [(&str, Is); 56] = [
    ("start_time_us", Is::Integer),
    ("end_time_us", Is::Integer),
    ("duration", Is::Integer),
    ("name", Is::Text),
    ("signal_source", Is::Integer),
    ("tap_side", Is::Text),
    ("trace_id", Is::Text),
    ("span_id", Is::Text),
    ("parent_span_id", Is::Text),
    ("deepflow_span_id", Is::Text),
    ("deepflow_parent_span_id", Is::Text),
    ("_ids", Is::Texts),
    ("related_ids", Is::Texts),
    ("flow_id", Is::Text),
    ("l7_protocol", Is::Integer),
    ("response_status", Is::Integer),
    ("vtap_id", Is::Integer),
    ("l7_protocol_str", Is::Text),
    ("request_type", Is::Text),
    ("request_resource", Is::Text),
    ("endpoint", Is::Text),
    ("request_id", Is::Text),
    ("process_id", Is::Integer),
    ("app_service", Is::Text),
    ("app_instance", Is::Text),
    ("req_tcp_seq", Is::Integer),
    ("resp_tcp_seq", Is::Integer),
    ("syscall_cap_seq_0", Is::Integer),
    ("syscall_cap_seq_1", Is::Integer),
    ("x_request_id", Is::Text),
    ("syscall_trace_id_request", Is::Text),
    ("syscall_trace_id_response", Is::Text),
    ("type", Is::Integer),
    ("Enum(l7_protocol)", Is::Text),
    ("response_exception", Is::Text),
    ("biz_response_code", Is::Text),
    ("response_code", Is::IntegerOrNull),
    ("x_request_id_0", Is::Text),
    ("x_request_id_1", Is::Text),
    ("subnet", Is::Text),
    ("ip", Is::Text),
    ("auto_service", Is::Text),
    ("auto_service_id", Is::Integer),
    ("auto_service_type", Is::Integer),
    ("auto_instance_id", Is::Integer),
    ("auto_instance_type", Is::Integer),
    ("process_kname", Is::Text),
    ("gprocess", Is::Text),
    ("tap", Is::Text),
    ("tap_id", Is::Integer),
    ("is_tls", Is::Integer),
    ("is_async", Is::Integer),
    ("attribute", Is::Null),
    ("_querier_region", Is::Text),
    ("render_start_time_us", Is::Integer),
    ("render_end_time_us", Is::Integer),
];

fn kind(value: &Value) -> Option<Is> {
    match value {
        Value::Null => Some(Is::Null),
        // A strict reader takes no number with a fraction or an exponent for an integer.
        Value::Number(number) if number.is_i64() => Some(Is::Integer),
        Value::String(_) => Some(Is::Text),
        Value::Array(items) if items.iter().all(Value::is_string) => Some(Is::Texts),
        _ => None,
    }
}

/// Where the demo's rows are, and a server over them.
struct Running {
    address: String,
    world: World,
    stop: oneshot::Sender<()>,
    served: tokio::task::JoinHandle<()>,
    clickhouse: EmbeddedClickHouse,
}

async fn start(change: impl FnOnce(&mut Config)) -> Running {
    let reader = User {
        name: "documented".to_owned(),
        password: "secret".to_owned(),
        readonly: true,
        grants: GRANTS.map(str::to_owned).to_vec(),
    };
    let options = Options { executable: PathBuf::from(PROGRAM), users: vec![reader], ..Options::default() };
    let clickhouse =
        tokio::task::spawn_blocking(|| EmbeddedClickHouse::start(options)).await.unwrap().unwrap();
    let store = clickhouse.store_settings();
    let world = World::new();
    FlowWriter::new(&store).unwrap().write(&world.rows).await.unwrap();

    let mut config = Config { store, ..Config::default() };
    change(&mut config);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let store = Arc::new(ClickHouseStore::new(&config.store).unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(async move {
        let shutdown = async {
            stopped.await.ok();
        };
        api::run(listener, shutdown, store, &config).await.unwrap();
    });
    Running { address, world, stop, served, clickhouse }
}

impl Running {
    async fn over_grpc(&self) -> CompleteTraceResponse {
        let url = format!("http://{}", self.address);
        let channel = Channel::from_shared(url).unwrap().connect().await.unwrap();
        let mut client = TraceCompletionServiceClient::new(channel);
        client.complete_trace(question::message(&self.world.app_spans)).await.unwrap().into_inner()
    }

    async fn over_rest(&self, body: Value) -> Value {
        let address = self.address.clone();
        let (status, answer) =
            tokio::task::spawn_blocking(move || post(&address, &body.to_string())).await.unwrap();
        assert_eq!(status, 200, "{answer}");
        serde_json::from_str(&answer).unwrap()
    }

    async fn ends(self) {
        self.stop.send(()).unwrap();
        self.served.await.unwrap();
        self.clickhouse.stop();
    }
}

/// Sends one request as curl does, with the content type of a form.
fn post(address: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST {REST_PATH} HTTP/1.1\r\nhost: {address}\r\nuser-agent: curl/8.5.0\r\naccept: */*\r\n\
         content-length: {length}\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         connection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn body(world: &World) -> Value {
    serde_json::to_value(question::body(&world.app_spans)).unwrap()
}

/// The request as the original documents it, with exactly six keys for each span.
fn as_documented(world: &World) -> Value {
    let mut body = body(world);
    for span in body["app_spans"].as_array_mut().unwrap() {
        for extension in ["name", "app_service", "app_instance"] {
            span.as_object_mut().unwrap().remove(extension).unwrap();
        }
    }
    body["max_iteration"] = json!(30);
    body["network_delay_us"] = json!(3_000_000);
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn both_doors_give_the_same_whole_answer() {
    let running = start(|config| config.server.region_name = "here".to_owned()).await;
    let over_grpc = running.over_grpc().await;
    let over_rest = running.over_rest(body(&running.world)).await;
    assert_eq!(over_rest, serde_json::to_value(&over_grpc).unwrap());
    assert_eq!(over_rest["OPT_STATUS"], "SUCCESS");
    assert_eq!(over_rest["DESCRIPTION"], "");

    let spans = over_rest["DATA"]["tracing"].as_array().unwrap();
    for span in spans {
        for (key, is) in KEYS {
            let found = kind(span.get(key).unwrap_or_else(|| panic!("{key} is missing")));
            let fits = match is {
                Is::IntegerOrNull => matches!(found, Some(Is::Integer | Is::Null)),
                is => found == Some(is),
            };
            assert!(fits, "{key} is {}, not {is:?}", span[key]);
        }
        let known: BTreeSet<&str> = KEYS.iter().map(|(key, _)| *key).collect();
        let unknown: Vec<_> =
            span.as_object().unwrap().keys().filter(|key| !known.contains(key.as_str())).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }

    // The answer has names from all dictionaries.
    let of = |point: &str, service: &str| {
        let found = spans.iter().find(|span| span["tap_side"] == point && span["auto_service"] == service);
        found.unwrap_or_else(|| panic!("no {point} of {service}"))
    };
    let called = of("s-p", "service-c");
    assert_eq!(called["gprocess"], "python3 of service-c");
    assert_eq!(called["process_kname"], "python3");
    assert_eq!(called["subnet"], "node-4 pods");
    assert_eq!(called["tap"], "cloud network");
    assert_eq!(called["Enum(l7_protocol)"], "HTTP");
    assert_eq!(called["_querier_region"], "here");
    assert_eq!(called["response_code"], 200);
    running.ends().await;
}

/// Every row of the trace is a span in its place, and no row of the other request is in the answer.
#[tokio::test(flavor = "multi_thread")]
async fn the_tree_is_the_true_one() {
    let running = start(|_| ()).await;
    let answer = running.over_grpc().await;
    let spans = answer.data.unwrap().tracing;
    let parent_of: BTreeMap<&str, &str> = spans
        .iter()
        .map(|span| (span.deepflow_span_id.as_str(), span.deepflow_parent_span_id.as_str()))
        .collect();
    let labels: BTreeMap<&str, String> = spans
        .iter()
        .map(|span| {
            let what = if span.signal_source == 4 { &span.name } else { &span.request_resource };
            (span.deepflow_span_id.as_str(), format!("{} {what}", span.tap_side))
        })
        .collect();
    let way = |leaf: &str| {
        let mut way = Vec::new();
        let mut at =
            *labels.iter().find(|(_, label)| *label == leaf).unwrap_or_else(|| panic!("no {leaf}")).0;
        while !at.is_empty() {
            way.push(labels[at].clone());
            at = parent_of[at];
        }
        way.reverse();
        way
    };
    let hops = |points: &[&str], resource: &str| -> Vec<String> {
        points.iter().map(|point| format!("{point} {resource}")).collect()
    };
    let everywhere = ["c-p", "c", "c-nd", "s-nd", "s", "s-p"];
    let into_b = [
        hops(&["s", "s-p"], "/shop/orders"),
        hops(&everywhere, "/orders"),
        vec!["s-app GET /orders".into(), "app OrderController.list".into(), "c-app GET".into()],
        hops(&everywhere, "/stock/7"),
        vec!["s-app GET /stock/{id}".into()],
    ]
    .concat();
    let below_b = |points: &[&str], resource: &str| [into_b.clone(), hops(points, resource)].concat();
    assert_eq!(way("c-p mysql.shop.svc.cluster.local"), below_b(&["c-p"], "mysql.shop.svc.cluster.local"));
    let statement = "SELECT quantity FROM stock WHERE item = ?";
    assert_eq!(way(&format!("c-nd {statement}")), below_b(&["c-p", "c", "c-nd"], statement));
    assert_eq!(way("s-p GET price:7"), below_b(&["c-p", "c", "s", "s-p"], "GET price:7"));
    let into_c = [into_b.clone(), vec!["c-app GET".into()], hops(&everywhere, "/prices/7")].concat();
    assert_eq!(way("s-p /prices/7"), into_c);

    let answered: BTreeSet<u64> = spans
        .iter()
        .filter(|span| span.signal_source != 4)
        .flat_map(|span| &span.ids)
        .map(|id| id.parse().unwrap())
        .collect();
    // The packets of a DNS lookup share nothing but a number of 16 bits with its system span: by default
    // the search does not follow it.
    let expected: BTreeSet<u64> = running
        .world
        .rows
        .iter()
        .filter(|row| running.world.of_the_trace.contains(&row._id))
        .filter(|row| row.biz_protocol != "DNS" || row.observation_point == "c-p")
        .map(|row| row._id)
        .collect();
    assert_eq!(answered, expected);

    let groups = groups::groups(&spans);
    let count = |group: Group| groups.iter().filter(|&&of| of == group).count();
    assert_eq!(Group::ALL.map(count), [5, 6, 8, 14]);
    running.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_dns_keys_the_whole_path_of_the_lookup_is_there() {
    use TracingSource::{Dns, Syscall, TcpSeq, TraceId, XRequestId};
    let sources = vec![TraceId, Syscall, TcpSeq, XRequestId, Dns];
    let running = start(|config| config.tracing.tracing_source = sources).await;
    let spans = running.over_grpc().await.data.unwrap().tracing;
    let answered: BTreeSet<u64> = spans
        .iter()
        .filter(|span| span.signal_source != 4)
        .flat_map(|span| &span.ids)
        .map(|id| id.parse().unwrap())
        .collect();
    assert_eq!(answered, running.world.of_the_trace.iter().copied().collect());
    running.ends().await;
}

/// A user with the rights that the README lists gets the same answer, names included, as one with all rights.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_with_the_rights_of_the_readme_is_enough() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    for grant in GRANTS {
        assert!(readme.contains(&format!("{grant} TO trace_completion;")), "{grant}");
    }
    let all = start(|_| ()).await;
    let little = start(|config| {
        config.store.user = "documented".to_owned();
        config.store.password = "secret".to_owned().into();
    })
    .await;
    assert_eq!(little.over_grpc().await, all.over_grpc().await);
    little.ends().await;
    all.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_request_asks_for_the_same_tree() {
    let running = start(|_| ()).await;
    let named = running.over_rest(body(&running.world)).await;
    let plain = running.over_rest(as_documented(&running.world)).await;
    let tree = |answer: &Value| -> BTreeMap<String, String> {
        let spans = answer["DATA"]["tracing"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        spans
            .iter()
            .map(|span| (text(&span["deepflow_span_id"]), text(&span["deepflow_parent_span_id"])))
            .collect()
    };
    assert_eq!(tree(&plain), tree(&named));
    let again = running.over_rest(as_documented(&running.world)).await;
    assert_eq!(plain, again, "the same question has the same answer");
    running.ends().await;
}

/// A child process of a test. It is ended when the test ends.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// What the README says: make the demo's data, serve it, and ask with curl.
#[test]
fn demo_then_serve_embedded_then_curl() {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("demo-{}", std::process::id()));
    for _ in 0..2 {
        // The second time the rows are there already.
        let shown = Command::new(PROGRAM).arg("demo").arg("--data-dir").arg(&dir).output().unwrap();
        let text = String::from_utf8(shown.stdout).unwrap();
        assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
        for group in Group::ALL {
            assert!(text.contains(group.name()), "{text}");
        }
        assert!(text.contains("5 spans asked, 33 answered"), "{text}");
        assert!(text.contains("the same 33 spans"), "{text}");
    }

    let mut server = Command::new(PROGRAM)
        .args(["serve", "--embedded", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(&dir)
        .env("TRACE_COMPLETION_LOG_FORMAT", "json")
        .stderr(Stdio::piped())
        .spawn()
        .map(Ended)
        .unwrap();
    let log = BufReader::new(server.0.stderr.take().unwrap());
    let listening =
        log.lines().map(Result::unwrap).find(|line| line.contains("\"message\":\"listening\"")).unwrap();
    // From here on nobody reads the log, and the server cannot write a line of it. It serves all the same.
    let event: Value = serde_json::from_str(&listening).unwrap();
    let address = event["address"].as_str().unwrap();

    let request = Command::new(PROGRAM).args(["demo", "--request"]).output().unwrap();
    let (status, answer) = post(address, &String::from_utf8(request.stdout).unwrap());
    assert_eq!(status, 200, "{answer}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["DATA"]["tracing"].as_array().unwrap().len(), 33);

    let id = server.0.id().to_string();
    assert!(Command::new("sh").args(["-c", "kill -s TERM $0", &id]).status().unwrap().success());
    assert_eq!(server.0.wait().unwrap().code(), Some(0));
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn clickhouse_is_ready_with_tables() {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("clickhouse-{}", std::process::id()));
    let mut server = Command::new(PROGRAM)
        .args(["clickhouse", "--data-dir"])
        .arg(&dir)
        .stdout(Stdio::piped())
        .spawn()
        .map(Ended)
        .unwrap();
    let lines = BufReader::new(server.0.stdout.take().unwrap()).lines();
    let [reader, _, ready] = &lines.take(3).map(Result::unwrap).collect::<Vec<_>>()[..] else { panic!() };
    let address = ready.strip_prefix("ready http://").unwrap();
    let access = fs::read_to_string(reader.strip_prefix("reader ").unwrap()).unwrap();
    let access: toml::Table = access.parse().unwrap();
    let [user, password] = ["user", "password"].map(|key| access["store"][key].as_str().unwrap());
    let mut stream = TcpStream::connect(address).unwrap();
    let sql =
        "SELECT count() FROM flow_log.l7_flow_log WHERE dictGet('flow_tag.device_map', 'name', (1, 1)) = ''";
    write!(
        stream,
        "POST / HTTP/1.0\r\nHost: localhost\r\nX-ClickHouse-User: {user}\r\nX-ClickHouse-Key: {password}\r\n\
         Content-Length: {}\r\n\r\n{sql}",
        sql.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200") && answer.ends_with("\r\n\r\n0\n"), "{answer}");
    drop(stream);

    let id = server.0.id().to_string();
    assert!(Command::new("sh").args(["-c", "kill -s INT $0", &id]).status().unwrap().success());
    assert_eq!(server.0.wait().unwrap().code(), Some(0));
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn the_schema_is_printed() {
    let printed = Command::new(PROGRAM).arg("schema").output().unwrap();
    assert!(printed.status.success());
    let text = String::from_utf8(printed.stdout).unwrap();
    assert!(text.starts_with("CREATE DATABASE IF NOT EXISTS `flow_log`;\n"), "{text}");
    assert!(text.contains("l7_flow_log_local") && text.contains("CREATE DICTIONARY"), "{text}");
}

#[test]
fn a_missing_library_says_how_to_get_it() {
    let empty = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("empty-{}", std::process::id()));
    fs::create_dir_all(&empty).unwrap();
    for command in [
        &["demo"][..],
        &["serve", "--embedded", "--listen", "127.0.0.1:0"],
        &["clickhouse", "--data-dir", "nowhere"],
    ] {
        let refused = Command::new(PROGRAM)
            .args(command)
            // The library is found neither in the user's cache nor in that of the repository.
            .env_clear()
            .current_dir(&empty)
            .output()
            .unwrap();
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("libchdb.so") && said.contains("scripts/fetch-libchdb.sh"), "{said}");
    }
    // The program has left nothing there.
    fs::remove_dir(empty).unwrap();
}
