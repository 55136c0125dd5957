//! The embedded ClickHouse as a process: how it starts, answers and ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use trace_completion::{
    config::StoreSettings,
    embedded::{EmbeddedClickHouse, EmbeddedError, Options, library},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_trace-completion");

/// Far longer than it takes to stop: the child has 200 ms to end, and then it is killed.
const PROMPTLY: Duration = Duration::from_secs(8);

fn options() -> Options {
    Options { executable: PathBuf::from(PROGRAM), ..Options::default() }
}

/// What the server answers to a request as it is written here; `$` in it is the account of these settings.
fn ask(settings: &StoreSettings, head: &str, sql: &str) -> (u16, String) {
    let address = settings.url.strip_prefix("http://").unwrap();
    let account = format!(
        "X-ClickHouse-User: {}\r\nX-ClickHouse-Key: {}\r\n",
        settings.user,
        settings.password.expose()
    );
    let head = head.replace('$', &account);
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("{head}Connection: close\r\nContent-Length: {}\r\n\r\n{sql}", sql.len());
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

/// What the server answers to a query of an account.
fn query(settings: &StoreSettings, sql: &str) -> String {
    ask(settings, "POST / HTTP/1.0\r\nHost: localhost\r\n$", sql).1
}

fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        #[expect(
            clippy::disallowed_methods,
            reason = "a process of another parent tells nobody that it ends"
        )]
        thread::sleep(Duration::from_millis(10));
    }
}

fn is_running(process_id: u32) -> bool {
    // A process that has ended but was not waited for has an empty command line.
    fs::read(format!("/proc/{process_id}/cmdline")).is_ok_and(|line| !line.is_empty())
}

/// A child process of a test. It is ended when the test ends.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// The one child of a process.
fn child_of(parent: u32) -> String {
    let parent = format!("PPid:\t{parent}\n");
    let is_child = |process: &PathBuf| {
        fs::read_to_string(process.join("status")).is_ok_and(|status| status.contains(&parent))
    };
    let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    let children: Vec<PathBuf> = processes.filter(is_child).collect();
    let [child] = &children[..] else { panic!("{children:?}") };
    child.file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn starts_answers_and_ends_without_a_trace() {
    let server = EmbeddedClickHouse::start(options()).unwrap();
    let version = query(&server.reader_settings(), "SELECT version()");
    assert!(version.contains("26.7."), "the version that the script pins: {version}");
    let (process_id, dir) = (server.process_id(), server.data_dir().to_owned());
    assert!(is_running(process_id));
    let begin = Instant::now();
    server.stop();
    assert!(begin.elapsed() < PROMPTLY, "{:?}", begin.elapsed());
    assert!(!is_running(process_id));
    assert!(!dir.exists());
}

#[test]
fn a_crash_says_its_signal() {
    let server = EmbeddedClickHouse::start(options()).unwrap();
    let child = server.process_id();
    assert_eq!(server.last_words().matches("Received signal").count(), 0);
    assert!(Command::new("kill").args(["-SEGV", &child.to_string()]).status().unwrap().success());
    eventually("the crash to be told", || server.last_words().contains("Received signal"));
}

#[test]
fn an_open_connection_does_not_hold_it_up() {
    let server = EmbeddedClickHouse::start(options()).unwrap();
    let mut held = TcpStream::connect(("127.0.0.1", server.http_port())).unwrap();
    held.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert_ne!(held.read(&mut [0; 64]).unwrap(), 0);
    let begin = Instant::now();
    drop(server);
    assert!(begin.elapsed() < PROMPTLY, "{:?}", begin.elapsed());
}

#[test]
fn data_survives_a_restart_and_a_directory_has_one_server() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("embedded-{}", std::process::id()));
    let options = Options { data_dir: Some(dir.clone()), ..options() };
    let server = EmbeddedClickHouse::start(options.clone()).unwrap();
    query(&server.store_settings(), "INSERT INTO flow_log.l7_flow_log_local (time, _id) VALUES (1, 42)");

    match EmbeddedClickHouse::start(options.clone()) {
        Err(EmbeddedError::DirectoryInUse(path)) => assert_eq!(path, dir.canonicalize().unwrap()),
        other => panic!("two servers on one directory: {other:?}"),
    }

    server.stop();
    let server = EmbeddedClickHouse::start(options).unwrap();
    assert_eq!(query(&server.reader_settings(), "SELECT _id FROM flow_log.l7_flow_log"), "42\n");
    server.stop();
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn the_child_ends_when_its_parent_dies() {
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_parent_that_gets_killed", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    let started = lines.map(Result::unwrap).find_map(|line| {
        let (process_id, dir) = line.strip_prefix("started ")?.split_once(' ')?;
        Some((process_id.parse().unwrap(), PathBuf::from(dir)))
    });
    let (process_id, dir) = started.expect("the parent starts a server");
    assert!(is_running(process_id) && dir.exists());
    parent.kill().unwrap();
    parent.wait().unwrap();
    eventually("the child to end", || !is_running(process_id));
    assert!(!dir.exists(), "its temporary directory is still there");
}

#[test]
#[ignore = "runs as a process of the test above"]
fn a_parent_that_gets_killed() {
    let server = EmbeddedClickHouse::start(options()).unwrap();
    println!("started {} {}", server.process_id(), server.data_dir().display());
    // Waits until it is killed. If the test that should kill it ends before, its input ends, and so does it.
    io::copy(&mut io::stdin(), &mut io::sink()).unwrap();
}

#[test]
fn a_missing_executable_is_named() {
    let error = EmbeddedClickHouse::start(Options { executable: "/nowhere/tc".into(), ..Options::default() })
        .unwrap_err();
    assert!(error.to_string().contains("/nowhere/tc"), "{error}");
}

/// The program cannot work without its ClickHouse and does not start it again. Whoever supervises the program
/// starts both again.
#[test]
fn a_clickhouse_that_dies_ends_the_program() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("dies-{}", std::process::id()));
    let serve = ["serve", "--embedded", "--listen", "127.0.0.1:0"];
    for (command, started) in
        [(&serve[..], " listening"), (&["demo", "--keep"], "until Ctrl-C"), (&["clickhouse"], "ready ")]
    {
        let mut program = Command::new(PROGRAM)
            .args(command)
            .arg("--data-dir")
            .arg(&folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map(Ended)
            .unwrap();
        // The lines of both outputs, in the order in which they come.
        let (lines, said) = mpsc::sync_channel(10_000);
        let outputs: [Box<dyn Read + Send>; 2] =
            [Box::new(program.0.stdout.take().unwrap()), Box::new(program.0.stderr.take().unwrap())];
        for output in outputs {
            let lines = lines.clone();
            thread::spawn(move || {
                BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| lines.send(line))
            });
        }
        drop(lines);
        let patience = Duration::from_secs(60);
        while !said.recv_timeout(patience).unwrap().contains(started) {}

        let child = child_of(program.0.id());
        assert!(Command::new("sh").args(["-c", "kill -s KILL $0", &child]).status().unwrap().success());
        // Both outputs are closed when the program has ended.
        let mut rest = Vec::new();
        loop {
            match said.recv_timeout(patience) {
                Ok(line) => rest.push(line),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("{command:?} goes on: {rest:?}"),
            }
        }
        assert_eq!(program.0.wait().unwrap().code(), Some(1), "{rest:?}");
        let errors: Vec<&String> = rest.iter().filter(|line| line.contains("ERROR")).collect();
        let [error] = errors[..] else { panic!("{command:?}: {rest:?}") };
        assert!(error.contains("signal 9 (SIGKILL)") && error.contains("last_words="), "{error}");
        let logs = error.split("logs=").nth(1).unwrap().split(' ').next().unwrap();
        assert!(Path::new(logs).join("server.log").is_file(), "{error}");
        assert!(rest.iter().any(|line| line.starts_with("trace-completion: ")), "{rest:?}");
    }
    fs::remove_dir_all(folder).unwrap();
}

/// One file is cut off, one is something else, and one is not there.
#[test]
fn an_unusable_library_is_named_with_a_remedy_and_leaves_nothing_behind() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("unusable-{}", std::process::id()));
    let (cut, temporary) = (folder.join("cut/libchdb.so"), folder.join("tmp"));
    fs::create_dir_all(cut.parent().unwrap()).unwrap();
    fs::create_dir_all(&temporary).unwrap();
    let whole = fs::File::open(library::find().unwrap()).unwrap();
    io::copy(&mut whole.take(20_000_000), &mut fs::File::create(&cut).unwrap()).unwrap();
    let cut = cut.to_str().unwrap();
    for (library, why) in
        [(cut, "signal 7 (SIGBUS)"), ("/etc/passwd", "invalid ELF header"), ("/nope", "no such file")]
    {
        let refused = Command::new(PROGRAM)
            .args(["serve", "--embedded", "--listen", "127.0.0.1:0"])
            .env("TRACE_COMPLETION_LIBCHDB", library)
            .env("TMPDIR", &temporary)
            .output()
            .unwrap();
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        for part in [library, why, "scripts/fetch-libchdb.sh"] {
            assert!(said.contains(part), "{part} is not in: {said}");
        }
        assert!(!said.contains("/runs/"), "{said}");
        assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "{said}");
    }
    fs::remove_dir_all(folder).unwrap();
}
