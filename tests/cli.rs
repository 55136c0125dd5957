//! The program as an operator runs it: its exit codes, its configuration, how it serves and how it ends. Each
//! fault is told in one line.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use tokio::net::TcpSocket;
use trace_completion::embedded::library::PATH_VARIABLE;

/// How long a test waits for something before it fails.
const PATIENCE: Duration = Duration::from_secs(20);
/// A question that is valid.
const QUESTION: &str = r#"{"app_spans": [{"trace_id": "", "span_id": "", "parent_span_id": "", "span_kind": 0, "start_time_us": 0, "end_time_us": 0}]}"#;
const PROGRAM: &str = env!("CARGO_BIN_EXE_trace-completion");

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str]) -> Output {
    program(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Checks an exit code, and that exactly one line says why.
fn check(output: &Output, code: i32, line: &str) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert_eq!(said.matches('\n').count(), 1, "{said}");
    assert!(said.contains(line), "{said}");
    assert_eq!(text(&output.stdout), "");
}

/// A file that only this test uses. It is removed when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, content: &str) -> Scratch {
        let path = env::temp_dir().join(format!("trace-completion-cli-{}-{name}", std::process::id()));
        fs::write(&path, content).unwrap();
        Scratch(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_file(&self.0).ok();
    }
}

/// The URL of a port at which nobody listens, and the socket that reserves the port as long as it is held.
fn nobody() -> (TcpSocket, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    (socket, url)
}

/// A running server. It is ended when the test ends.
struct Server {
    child: Child,
    address: String,
    log: Receiver<String>,
}

impl Server {
    fn start(arguments: &[&str]) -> Server {
        let arguments = [&["serve", "--listen", "127.0.0.1:0"], arguments].concat();
        let mut child = program(&arguments).env("TRACE_COMPLETION_LOG_FORMAT", "json").spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        // Far more lines than the server writes in one test.
        let (lines, log) = mpsc::sync_channel(10_000);
        thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| lines.send(line)));
        let mut server = Server { child, address: String::new(), log };
        let line = server.until("\"message\":\"listening\"");
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        server.address = event["address"].as_str().unwrap().to_owned();
        server
    }

    /// The next log line with this text.
    fn until(&mut self, text: &str) -> String {
        loop {
            let line = self.log.recv_timeout(PATIENCE).unwrap_or_else(|e| panic!("no line with {text}: {e}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    fn status(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("sh").args(["-c", "kill -s $0 $1", signal, &id]).status().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A child process of a test. It is ended when the test ends.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn bad_flags() {
    check(&run(&[]), 2, "a command is required, see --help");
    check(&run(&["serve", "--nope"]), 2, "unexpected argument '--nope' found");
    check(&run(&["complete"]), 2, "--file <FILE>");
    check(&run(&["serve", "--data-dir", "x"]), 2, "--embedded");
    check(&run(&["serve", "--embedded", "--clickhouse-url", "http://x"]), 2, "cannot be used with");
    check(&run(&["complete", "--file", "x", "--format", "xml"]), 2, "invalid value 'xml'");
    let help = run(&["--help"]);
    assert!(help.status.success() && text(&help.stdout).contains("complete"));
}

/// The port is tried before anything is started, such as a ClickHouse, which would then have to be stopped.
#[test]
fn a_taken_port() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = env::temp_dir().join(format!("trace-completion-cli-{}-taken", std::process::id()));
    let folder = folder.to_str().unwrap();
    for command in [
        &["serve", "--listen", &address][..],
        &["serve", "--embedded", "--listen", &address],
        &["demo", "--listen", &address],
        &["clickhouse", "--data-dir", folder, "--http-port", &port],
    ] {
        let line = format!("cannot listen on {address}: Address already in use");
        check(&run(command), 2, &line);
    }
    assert!(!Path::new(folder).exists());
}

#[test]
fn configuration() {
    check(&run(&["serve", "--config", "/nope.toml"]), 2, "/nope.toml: No such file");
    let unknown = Scratch::new("unknown.toml", "[limits]\nmax_streams = 5\nfoo = 1\n");
    check(
        &run(&["serve", "--config", unknown.path()]),
        2,
        "unknown.toml:3:1: limits.foo: no such key; there are",
    );
    let range = Scratch::new("range.toml", "[limits]\nmax_streams = 0\n");
    check(
        &run(&["serve", "--check-config", "--config", range.path()]),
        2,
        "limits.max_streams: 0 is not between 1 and",
    );
    check(&run(&["serve", "--listen", "nowhere"]), 2, "server.listen: \"nowhere\" is no address and port");

    let good = Scratch::new(
        "good.toml",
        "[limits]\nmax_streams = 5\n[store]\npassword = \"hunter2\"\n[tracing]\nl7_tracing_limit = 7\n",
    );
    let checked = run(&["serve", "--check-config", "--config", good.path()]);
    assert!(checked.status.success(), "{}", text(&checked.stderr));
    let printed = program(&["serve", "--print-config", "--listen", "127.0.0.1:1"])
        .env("TRACE_COMPLETION_CONFIG", good.path())
        .env("TRACE_COMPLETION_TRACING_L7_TRACING_LIMIT", "8")
        .output()
        .unwrap();
    let printed = text(&printed.stdout);
    for expected in ["max_streams = 5\n", "l7_tracing_limit = 8\n", "listen = \"127.0.0.1:1\"\n"] {
        assert!(printed.contains(expected), "{printed}");
    }
    assert!(!printed.contains("hunter2"), "{printed}");
}

/// Some variables with our prefix are no keys of the configuration. Any other one is a mistake and is refused.
#[test]
fn variables_that_are_no_keys() {
    let mut checked = program(&["serve", "--check-config"]);
    for name in ["TRACE_COMPLETION_PROGRAM", "TRACE_COMPLETION_TEST_KEEPS", PATH_VARIABLE] {
        checked.env(name, "x");
    }
    let checked = checked.env("TRACE_COMPLETION_CONFIG", "").output().unwrap();
    assert!(checked.status.success(), "{}", text(&checked.stderr));
    for name in ["TRACE_COMPLETION_LIMIT_MAX_STREAMS", "TRACE_COMPLETION_NOPE"] {
        let refused = program(&["serve", "--check-config"]).env(name, "3").output().unwrap();
        let hint = "no such key; that of limits.max_streams is TRACE_COMPLETION_LIMITS_MAX_STREAMS";
        check(&refused, 2, &format!("environment variable {name}: {hint}"));
    }
}

#[test]
fn a_server_without_a_store_lives() {
    let (_held, nobody) = nobody();
    let mut server = Server::start(&["--clickhouse-url", &nobody]);
    server.until("the flow log does not answer, not ready");
    assert_eq!((server.status("/healthz").as_str(), server.status("/readyz").as_str()), ("200", "503"));

    let span = r#"{"trace_id": "t", "span_id": "s", "parent_span_id": "", "span_kind": 2, "start_time_us": 5, "end_time_us": 9}"#;
    let request = Scratch::new("request.json", &format!("{{\"app_spans\": [{span}]}}"));
    let url = format!("http://{}", server.address);
    let output = run(&["complete", "--server", &url, "--file", request.path()]);
    check(&output, 1, "Unavailable: the flow log is unavailable: it cannot be reached");
    let line = server.until("CompleteTrace");
    for expected in
        ["\"door\":\"grpc\"", "\"status\":\"SERVER_ERROR\"", "\"spans\":1", "\"request_id\":", "\"detail\":"]
    {
        assert!(line.contains(expected), "{line}");
    }

    server.signal("TERM");
    server.until("drained");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

#[test]
fn complete_says_what_is_wrong() {
    check(&run(&["complete", "--file", "/nope.json"]), 2, "/nope.json: No such file");
    let bad = Scratch::new("bad.json", "{\"app_spans\": [{}], \"x\": 1}");
    check(&run(&["complete", "--file", bad.path()]), 2, "app_spans[0].trace_id: required; ");
    let good = Scratch::new("good.json", QUESTION);
    let (_held, url) = nobody();
    check(&run(&["complete", "--server", &url, "--file", good.path()]), 1, "Connection refused");
    let said = text(&run(&["complete", "--server", &url, "--file", good.path()]).stderr);
    assert_eq!(said.matches("connect error").count(), 1, "{said}");
    check(&run(&["complete", "--server", "tcp://x", "--file", good.path()]), 2, "an http:// URL is expected");
}

/// One server is of another kind, and one says nothing.
#[test]
fn complete_says_what_does_not_answer() {
    let question = Scratch::new("question.json", QUESTION);
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", other.local_addr().unwrap());
    let answers = thread::spawn(move || {
        let (mut stream, _) = other.accept().unwrap();
        write!(stream, "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").unwrap();
        // The connection stays open until the client has gone: a reset could overtake the answer.
        stream.read_to_end(&mut Vec::new()).ok();
    });
    let output = run(&["complete", "--server", &url, "--file", question.path()]);
    check(&output, 1, &format!("{url} does not answer as a Trace Completion server: "));
    answers.join().unwrap();

    // The kernel accepts the connection, but nobody reads from it.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", mute.local_addr().unwrap());
    let output = run(&["complete", "--server", &url, "--file", question.path(), "--timeout-ms", "50"]);
    check(&output, 1, &format!("{url}: no answer within 50 ms (--timeout-ms)"));
}

#[test]
fn a_server_listens_on_a_name() {
    let mut server = program(&["serve", "--listen", "localhost:0"]).spawn().map(Ended).unwrap();
    let log = BufReader::new(server.0.stderr.take().unwrap());
    assert!(log.lines().map_while(Result::ok).any(|line| line.contains("listening")));
    let nobody = run(&["serve", "--listen", "nobody.invalid:0"]);
    check(&nobody, 2, "cannot listen on nobody.invalid:0: ");
}

/// What the program shows on a terminal of 70 columns (of util-linux's `script`), with these variables.
fn on_a_terminal(variables: &[(&str, &str)]) -> String {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/demo-shop.json");
    let command = format!("stty rows 24 cols 70 && '{PROGRAM}' replay '{}'", case.display());
    let mut script = Command::new("script");
    script.args(["-qec", &command, "/dev/null"]).env_clear().stdin(Stdio::null());
    script.env("PATH", env::var_os("PATH").unwrap()).envs(variables.iter().copied());
    let output = script.output().expect("util-linux has `script`");
    assert!(output.status.success(), "{}", text(&output.stdout));
    text(&output.stdout)
}

#[test]
fn a_tree_is_as_wide_as_the_terminal() {
    let widest = |shown: &str| shown.lines().map(|line| line.trim_end().chars().count()).max().unwrap();
    let dumb = on_a_terminal(&[("TERM", "dumb")]);
    assert!(!dumb.contains('\x1b'), "{dumb}");
    assert!((60..=70).contains(&widest(&dumb)), "{dumb}");
    let wide = on_a_terminal(&[("TERM", "dumb"), ("COLUMNS", "110")]);
    assert!((100..=110).contains(&widest(&wide)), "{wide}");
    assert!(on_a_terminal(&[("TERM", "xterm")]).contains("\x1b[1;"));
}
