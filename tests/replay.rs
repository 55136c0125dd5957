//! Recorded completions: the files in `tests/cases` give their answer, and a completion of a real flow log can
//! be recorded, replayed and redacted.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

mod support;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

use serde_json::{Value, json};
use tokio::net::TcpSocket;
use trace_completion::{
    config::Tracing,
    contract::proto::Span,
    demo::{World, question},
    embedded::{EmbeddedClickHouse, Options},
    flow::{FlowRow, KeyRow, RowId, Texts},
    flow_log::{FlowWriter, MemoryStore},
    replay::{self, Case, ReplayStore},
    search::Question,
    store::{FlowStore, Page, ReadContext, StoreError},
};

use support::cases as worlds;

const PROGRAM: &str = env!("CARGO_BIN_EXE_trace-completion");
const LIMIT: u64 = replay::MAX_CASE_BYTES;

fn cases() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files
}

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(name)
}

/// A path for a file of one test. The file is removed when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("replay-{}-{}.json", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Scratch(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    fn with(content: impl AsRef<[u8]>) -> Scratch {
        let scratch = Scratch::new();
        fs::write(&scratch.0, content).unwrap();
        scratch
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&fs::read(&self.0).unwrap()).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_file(&self.0).ok();
    }
}

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).env_clear().stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What a command that succeeds prints.
fn printed(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// What a command that fails says.
fn said(arguments: &[&str], code: i32) -> String {
    let output = run(arguments);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

/// An answer as it was printed, without the times that the questions took. Nothing else is changed.
fn timeless(printed: &str) -> String {
    let is_time = |line: &&str| !line.trim_start().starts_with("\"elapsed_us\"");
    printed.lines().filter(is_time).collect::<Vec<_>>().join("\n")
}

// It is never dropped. The server ends because this process ends.
static CLICKHOUSE: LazyLock<EmbeddedClickHouse> = LazyLock::new(|| {
    let options = Options { executable: PathBuf::from(PROGRAM), ..Options::default() };
    let server = EmbeddedClickHouse::start(options).unwrap_or_else(|error| panic!("{error}"));
    let work = async {
        let writer = FlowWriter::new(&server.store_settings()).unwrap();
        writer.write(&World::new().rows).await.unwrap();
    };
    tokio::runtime::Runtime::new().unwrap().block_on(work);
    server
});

/// The configuration file with which a command reads that flow log.
fn reader() -> &'static str {
    static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
        let [reader, _] = CLICKHOUSE.write_access_files().unwrap();
        reader
    });
    FILE.to_str().unwrap()
}

/// The demo's question, as the REST door takes it.
fn request() -> Vec<u8> {
    serde_json::to_vec(&question::body(&World::new().app_spans)).unwrap()
}

/// Records the demo's trace from a real ClickHouse. Returns what was printed.
fn record(into: &Scratch, flags: &[&str]) -> String {
    let request = Scratch::with(request());
    let arguments = ["complete", "--file", request.path(), "--config", reader(), "--format", "json"];
    printed(&[&arguments[..], &["--record", into.path()], flags].concat())
}

#[tokio::test]
async fn every_case_gives_its_answer() {
    let files = cases();
    assert!(files.len() >= 3);
    for path in files {
        let name = path.display();
        let case = Case::read(&path, LIMIT).unwrap_or_else(|error| panic!("{name}: {error}"));
        let replayed = replay::replay(&case, false).await.unwrap();
        assert!(replayed.differences.is_empty(), "{name}: {:#?}", replayed.differences);
        let text = case.text(LIMIT).unwrap();
        assert_eq!(Case::parse(text.as_bytes()).unwrap(), case, "{name}");
    }
}

#[test]
fn a_recording_gives_the_recorded_answer() {
    for flags in [&["--explain"][..], &[]] {
        let case = Scratch::new();
        let recorded = record(&case, flags);
        assert_eq!(recorded.contains("\"explanation\": null"), flags.is_empty());
        let replayed = printed(&["replay", case.path(), "--format", "json"]);
        assert_eq!(timeless(&replayed), timeless(&recorded));
        // The file has the answer too, and only its owner may read it.
        let recorded: Value = serde_json::from_str(&recorded).unwrap();
        assert_eq!(case.json()["answer"]["DATA"]["tracing"], recorded["DATA"]["tracing"]);
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&case.0).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn without_a_file_the_answer_is_the_same() {
    let case = Scratch::new();
    let recorded = record(&case, &[]);
    let request = Scratch::with(request());
    let flags = ["--config", reader(), "--format", "json"];
    assert_eq!(printed(&[&["complete", "--file", request.path()], &flags[..]].concat()), recorded);
}

/// Of each span in order: the place of its parent, its observation point, its rule and the confidence.
fn shape(case: &str) -> Vec<(Option<usize>, String, String, String)> {
    let answer: Value =
        serde_json::from_str(&printed(&["replay", case, "--explain", "--format", "json"])).unwrap();
    let spans = answer["DATA"]["tracing"].as_array().unwrap();
    let reasons = answer["DATA"]["explanation"]["spans"].as_array().unwrap();
    let place =
        |id: &Value| spans.iter().position(|span| span["deepflow_span_id"] == *id && id.as_str() != Some(""));
    spans
        .iter()
        .zip(reasons)
        .map(|(span, reason)| {
            (
                place(&span["deepflow_parent_span_id"]),
                span["tap_side"].to_string(),
                reason["rule"].to_string(),
                reason["confidence"].to_string(),
            )
        })
        .collect()
}

#[test]
fn a_redacted_recording_has_the_same_tree_and_no_names() {
    let (plain, redacted) = (Scratch::new(), Scratch::new());
    record(&plain, &[]);
    record(&redacted, &["--redact", "--explain"]);
    let tree = shape(plain.path());
    assert!(tree.len() > 30 && tree.iter().any(|span| span.0.is_some()));
    assert_eq!(shape(redacted.path()), tree);
    printed(&["replay", redacted.path()]);

    let content = fs::read_to_string(&redacted.0).unwrap();
    let world = World::new();
    let mut secrets: Vec<String> = Vec::new();
    for span in &world.app_spans {
        secrets.extend([&span.trace_id, &span.span_id, &span.name, &span.app_service].map(String::clone));
        secrets.push(span.app_instance.clone());
    }
    for row in &world.rows {
        secrets.extend([row.ip_text(0), row.ip_text(1)]);
        secrets.extend(
            [&row.x_request_id_0, &row.request_resource, &row.endpoint, &row.auto_service_0, &row.subnet_0]
                .map(String::clone),
        );
        secrets.extend([&row.process_kname_0, &row.gprocess_1, &row.auto_instance_1].map(String::clone));
    }
    // Some names of spans are also request types, which are not redacted.
    secrets.retain(|secret| !secret.is_empty() && secret != "GET" && secret != "0.0.0.0");
    assert!(secrets.len() > 100);
    for secret in secrets {
        assert!(!content.contains(&format!("\"{secret}\"")), "{secret}");
        assert!(!content.contains(&format!("={secret}")), "{secret}");
    }
    assert_eq!(redacted.json()["redacted"], json!(true));
}

/// Rows of every kind, in memory. A recording keeps each row, and pseudonyms do not change the tree.
#[tokio::test]
async fn every_known_trace_can_be_recorded_and_redacted() {
    let mut files = worlds::files("golden/cases");
    files.extend(worlds::files("truth/cases"));
    // Only a part of them, because all would take too long. Which part makes no difference.
    let files: Vec<_> = files.into_iter().step_by(7).collect();
    assert!(files.len() > 50);
    for path in files {
        let name = path.display();
        let world = worlds::read(&path);
        let tracing = worlds::tracing(&world);
        let request = worlds::request(&world, &tracing);
        let store = MemoryStore::new(worlds::rows(&world));
        let context = ReadContext::new("test", tracing.l7_tracing_limit);
        let recorded = replay::record(store, &tracing, "region", &request, &context).await;
        let (_, case) = recorded.unwrap_or_else(|error| panic!("{name}: {error}"));
        let text = case.text(LIMIT).unwrap();
        assert_eq!(Case::parse(text.as_bytes()).unwrap(), case, "{name}");
        let redacted = replay::redact(&case).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let replayed = replay::replay(&redacted, true).await.unwrap();
        assert_eq!((replayed.differences, replayed.remarks), (vec![], vec![]), "{name}");
    }
}

#[test]
fn a_changed_file_is_told_apart() {
    let mut changed: Value = serde_json::from_slice(&fs::read(case("demo-shop.json")).unwrap()).unwrap();
    changed["answer"]["DATA"]["tracing"][3]["tap_side"] = json!("rest");
    let file = Scratch::with(changed.to_string());
    let said_now = said(&["replay", file.path()], 1);
    assert!(
        said_now.contains("answer.DATA.tracing[3].tap_side: \"rest\" recorded, \"c\" now\n"),
        "{said_now}"
    );
    assert!(said_now.ends_with("the answer differs from the recorded one in one place\n"), "{said_now}");

    // Without one row there is a span less, and its child is elsewhere.
    let mut changed: Value = serde_json::from_slice(&fs::read(case("demo-shop.json")).unwrap()).unwrap();
    let id = changed["answer"]["DATA"]["tracing"][3]["_ids"][0].clone();
    let is_other = |name: &Value| *name != id;
    changed["fetched"]["rows"].as_array_mut().unwrap().retain(is_other);
    let file = Scratch::with(changed.to_string());
    let said_now = said(&["replay", file.path()], 1);
    assert!(said_now.contains("answer.DATA.tracing: 33 spans recorded, 32 spans now\n"), "{said_now}");
    assert!(said_now.contains("1 of 28 rows were gone when fetched"), "{said_now}");
    assert!(said_now.matches('\n').count() <= 22, "{said_now}");

    printed(&["replay", file.path(), "--accept"]);
    printed(&["replay", file.path()]);
}

#[test]
fn a_bad_file_is_refused() {
    let good = fs::read_to_string(case("demo-shop.json")).unwrap();
    let file = |content: &str| Scratch::with(content);
    for (content, expected) in [
        (good.replacen("\"version\": 1", "\"version\": 2", 1), "version 2 of a recorded case"),
        (good.replacen("\"version\": 1", "\"version\": \"x\"", 1), "version \"x\" of a recorded case"),
        ("{".to_owned(), "not a recorded case: EOF"),
        ("{}".to_owned(), "not a recorded case: missing field `version`"),
        ("{\"version\": 1}".to_owned(), "not a recorded case: missing field"),
        (good.replacen("\"max_rows\":", "\"max_row\":", 1), "unknown field `max_row`"),
        (
            good.replacen("\"max_rows\":100000", "\"max_rows\":0", 1),
            "tracing.max_rows: 0 is not between 1 and",
        ),
        (good.replacen("\"span_kind\":2", "\"span_kind\":9", 1), "request: app_spans[0].span_kind: 9 is no"),
        (good.replacen("\"rows\":[\"7590", "\"rows\":[\"8590", 1), "is not in rows"),
        (good.replacen("\"rows\":[\"7590", "\"rows\":[\"x7590", 1), "names no row"),
    ] {
        assert_ne!(content, good, "{expected}");
        let file = file(&content);
        let said = said(&["replay", file.path()], 2);
        assert!(said.contains(expected) && said.matches('\n').count() == 1, "{said}");
    }
    assert!(said(&["replay", "/nope.json"], 2).contains("/nope.json: No such file"));

    let said = said(&["replay", case("demo-shop.json").to_str().unwrap(), "--max-case-bytes", "1000"], 2);
    assert!(said.contains("more than 1000 bytes (--max-case-bytes)"), "{said}");
}

#[test]
fn a_recording_that_cannot_be_is_refused() {
    let request = Scratch::with(request());
    let case = Scratch::new();
    let of = |flags: &[&str]| said(&[&["complete", "--file", request.path()], flags].concat(), 2);
    for flags in
        [&["--record", case.path()][..], &["--record", case.path(), "--server", "http://127.0.0.1:1"]]
    {
        let said = of(flags);
        assert!(said.contains("--record needs --clickhouse-url or --config"), "{said}");
        assert_eq!(said.matches('\n').count(), 1);
    }
    let both = of(&["--server", "http://127.0.0.1:1", "--clickhouse-url", "http://127.0.0.1:1"]);
    assert!(both.contains("cannot be used with"), "{both}");
    assert!(of(&["--redact"]).contains("--record"));
    let said_now = of(&["--config", reader(), "--record", case.path(), "--max-case-bytes", "2000"]);
    assert!(said_now.contains("more than 2000 bytes (--max-case-bytes)"), "{said_now}");
    assert!(!case.0.exists());
    // Nobody listens at this port. The socket reserves it as long as it is held.
    let held = TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let nobody = format!("http://{}", held.local_addr().unwrap());
    let dead = ["--clickhouse-url", &nobody, "--record", case.path()];
    let said_now = said(&[&["complete", "--file", request.path()], &dead[..]].concat(), 1);
    assert!(said_now.contains("the flow log is unreachable"), "{said_now}");
}

#[test]
fn replay_explains() {
    let explained = printed(&["replay", case("demo-shop.json").to_str().unwrap(), "--explain"]);
    for expected in [
        "\nwhy each span is where it is\nN GET /shop/orders ",
        "\n│ root: not below ",
        "evidence/call-of-app-span, strong: span_id=3a7770b64fe48b5f,",
        "\nwhat the search asked the flow log\niteration  question     keys  rows  kept  known",
    ] {
        assert!(explained.contains(expected), "{expected}: {explained}");
    }
    let plain = printed(&["replay", case("demo-shop.json").to_str().unwrap()]);
    assert!(explained.starts_with(&plain) && !plain.contains("why each span"));
}

#[tokio::test]
async fn a_search_that_asks_otherwise_is_answered_from_the_rows() {
    let mut case = Case::read(&case("demo-shop.json"), LIMIT).unwrap();
    // The last question asks for another window.
    case.tracing = Tracing { late_span_margin_s: 60, ..case.tracing };
    let replayed = replay::replay(&case, false).await.unwrap();
    assert_eq!(replayed.differences, Vec::<String>::new());
    let expected = "question 5 (association) was not recorded; the rows of the case answer it";
    assert_eq!(replayed.remarks, [expected]);

    // None of the questions was recorded, but they find the same rows.
    case.tracing = Tracing { iteration_expand_time_range: 1, ..case.tracing };
    let replayed = replay::replay(&case, false).await.unwrap();
    assert_eq!(replayed.differences, Vec::<String>::new(), "{:?}", replayed.remarks);
    assert!(!replayed.remarks.is_empty());

    case.request.max_iteration = 1;
    let replayed = replay::replay(&case, false).await.unwrap();
    assert!(!replayed.differences.is_empty());
    assert!(replayed.remarks.iter().any(|remark| remark.ends_with("5 when it was recorded")));
}

/// A flow log that answers some questions and then fails, as a proxy does.
struct Failing {
    inner: ReplayStore,
    left: AtomicU32,
}

impl FlowStore for Failing {
    async fn search(
        &self,
        context: &ReadContext,
        question: &Question,
        texts: &mut Texts,
    ) -> Result<Page<KeyRow>, StoreError> {
        match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
            Ok(_) => self.inner.search(context, question, texts).await,
            Err(_) => Err(StoreError::Unreachable("clickhouse.bank.example".to_owned())),
        }
    }

    async fn fetch(
        &self,
        context: &ReadContext,
        ids: &[RowId],
        texts: &mut Texts,
    ) -> Result<Page<FlowRow>, StoreError> {
        self.inner.fetch(context, ids, texts).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_failure_is_recorded_too() {
    let case = Case::read(&case("demo-shop.json"), LIMIT).unwrap();
    let store = || Failing { inner: ReplayStore::new(case.clone().into()).unwrap(), left: 2.into() };
    let context = ReadContext::new("test", 1000);
    let Case { tracing, request, .. } = &case;
    let (answer, case) = replay::record(store(), tracing, "here", request, &context).await.unwrap();
    assert_eq!(answer.opt_status, "PARTIAL_RESULT");
    assert!(answer.description.contains("clickhouse.bank.example"), "{}", answer.description);
    let regions = |spans: &[Span]| spans.iter().any(|span| span.querier_region == "here");
    assert!(regions(&answer.data.unwrap().tracing));

    let case = Case::parse(case.text(LIMIT).unwrap().as_bytes()).unwrap();
    assert!(replay::replay(&case, true).await.unwrap().differences.is_empty());
    let text = replay::redact(&case).await.unwrap().text(LIMIT).unwrap();
    assert!(!text.contains("bank") && !text.contains("\"here\""), "{text}");
    assert!(text.contains("PARTIAL_RESULT") && text.contains("name-"));
}
