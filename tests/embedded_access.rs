//! Who can do what with the embedded ClickHouse: another user of the machine, a web page, and somebody who has
//! learnt a password. Each test names what it tried.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use trace_completion::{
    config::StoreSettings,
    embedded::{Confined, EmbeddedClickHouse, Options, User},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_trace-completion");
/// The user "nobody", whom every machine has.
const STRANGER: u32 = 65534;

fn start() -> EmbeddedClickHouse {
    let options = Options { executable: PathBuf::from(PROGRAM), ..Options::default() };
    EmbeddedClickHouse::start(options).unwrap_or_else(|error| panic!("{error}"))
}

/// The headers with which an account asks.
fn account(settings: &StoreSettings) -> String {
    format!("X-ClickHouse-User: {}\r\nX-ClickHouse-Key: {}\r\n", settings.user, settings.password.expose())
}

/// Sends a request whose head is written out but for its end. Returns the status and the rest of the answer.
fn ask(port: u16, head: &str, sql: &str) -> (u16, String) {
    let request = format!("{head}Connection: close\r\nContent-Length: {}\r\n\r\n{sql}", sql.len());
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

/// What an account gets for a query.
fn query(server: &EmbeddedClickHouse, settings: &StoreSettings, sql: &str) -> (u16, String) {
    let head = format!("POST / HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n{}", server.http_port(), account(settings));
    ask(server.http_port(), &head, sql)
}

/// The ports that a process listens on, at any address of either kind.
fn listens_on(process_id: u32) -> Vec<u16> {
    let links = fs::read_dir(format!("/proc/{process_id}/fd")).unwrap().flatten();
    let sockets: Vec<String> = links
        .filter_map(|entry| fs::read_link(entry.path()).ok()?.to_str().map(str::to_owned))
        .filter_map(|link| link.strip_prefix("socket:[")?.strip_suffix(']').map(str::to_owned))
        .collect();
    let mut ports = Vec::new();
    for table in ["tcp", "tcp6", "udp", "udp6"] {
        let table = fs::read_to_string(format!("/proc/{process_id}/net/{table}")).unwrap_or_default();
        for line in table.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            // 0A is a listening TCP socket, 07 an open UDP socket.
            if ["0A", "07"].contains(&fields[3]) && sockets.iter().any(|socket| socket == fields[9]) {
                let (_, port) = fields[1].rsplit_once(':').unwrap();
                ports.push(u16::from_str_radix(port, 16).unwrap());
            }
        }
    }
    ports
}

#[test]
fn it_listens_on_one_port_and_no_socket_file() {
    let server = start();
    assert_eq!(listens_on(server.process_id()), [server.http_port()]);
    let table = fs::read_to_string(format!("/proc/{}/net/unix", server.process_id())).unwrap();
    let data_dir = server.data_dir().to_str().unwrap();
    assert!(!table.lines().any(|line| line.contains(data_dir)), "{table}");
}

/// With no account, with none of the server's, with the engine's own user who has no password, and in each way in
/// which ClickHouse takes a user.
#[test]
fn without_a_password_there_is_nothing() {
    let server = start();
    let port = server.http_port();
    let host = format!("Host: 127.0.0.1:{port}\r\n");
    let reader = server.reader_settings();
    let (user, password) = (&reader.user, reader.password.expose());
    let heads = [
        format!("POST / HTTP/1.1\r\n{host}"),
        "POST / HTTP/1.0\r\n".to_owned(),
        format!("GET /?query=SELECT+1 HTTP/1.1\r\n{host}"),
        format!("GET /ping HTTP/1.1\r\n{host}"),
        format!("GET /play HTTP/1.1\r\n{host}"),
        format!("GET /replicas_status HTTP/1.1\r\n{host}"),
        format!("POST /?user=default HTTP/1.1\r\n{host}"),
        format!("POST /?user=default HTTP/1.1\r\n{host}X-ClickHouse-User: default\r\n"),
        format!("POST / HTTP/1.1\r\n{host}X-ClickHouse-User: default\r\n"),
        format!("POST / HTTP/1.1\r\n{host}X-ClickHouse-User: default\r\nX-ClickHouse-Key: \r\n"),
        format!("POST / HTTP/1.1\r\n{host}X-ClickHouse-User: x{user}\r\n"),
        // "default:" in base64
        format!("POST / HTTP/1.1\r\n{host}Authorization: Basic ZGVmYXVsdDo=\r\n"),
        format!("POST /?user={user}&password={password} HTTP/1.1\r\n{host}"),
    ];
    for head in heads {
        let (status, answer) = ask(port, &head, "SELECT 1");
        assert_eq!(status, 404, "{head}: {answer}");
    }
    // The name of an account is no secret. These get as far as the check of the password.
    let named = format!("{host}X-ClickHouse-User: {user}\r\n");
    let heads = [
        format!("POST / HTTP/1.1\r\n{named}"),
        format!("POST / HTTP/1.1\r\n{named}X-ClickHouse-Key: {}\r\n", "0".repeat(password.len())),
        format!("POST /?user=default HTTP/1.1\r\n{named}"),
        format!("POST /?user=default&password= HTTP/1.1\r\n{named}X-ClickHouse-Key: {password}\r\n"),
        format!("POST / HTTP/1.1\r\n{named}Authorization: Basic ZGVmYXVsdDo=\r\n"),
        format!("POST / HTTP/1.1\r\n{named}X-ClickHouse-User: default\r\n"),
        format!("POST / HTTP/1.1\r\n{named}X-ClickHouse-SSL-Certificate-Auth: on\r\n"),
    ];
    for head in heads {
        let (status, answer) = ask(port, &head, "SELECT currentUser()");
        assert_eq!(status, 403, "{head}: {answer}");
    }
    let (status, answer) = query(&server, &reader, "SELECT currentUser()");
    assert!(status == 200 && answer.contains(user), "{answer}");
}

/// A page of somebody else sends its `Origin`, which it cannot leave out.
#[test]
fn a_web_page_cannot_ask() {
    let server = start();
    let port = server.http_port();
    let reader = server.reader_settings();
    for origin in ["https://evil.example", "null", "http://localhost", &format!("http://127.0.0.1:{port}")] {
        for method in ["POST", "OPTIONS"] {
            let head = format!(
                "{method} / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: {origin}\r\n\
                 Access-Control-Request-Method: POST\r\n\
                 Access-Control-Request-Headers: x-clickhouse-user\r\n"
            );
            // Not even with the password of an account.
            for head in [head.clone(), head + &account(&reader)] {
                let (status, answer) = ask(port, &head, "SELECT 1");
                assert_eq!(status, if method == "POST" { 404 } else { 501 }, "{head}: {answer}");
                assert!(!answer.to_lowercase().contains("access-control-allow"), "{answer}");
            }
        }
    }
}

/// A page whose own name was made to point to this machine (DNS rebinding) is of the same origin as the server, and
/// may set every header. Its `Host` is its own name.
#[test]
fn a_web_page_by_another_name_of_this_machine_cannot_ask() {
    let server = start();
    let port = server.http_port();
    let reader = account(&server.reader_settings());
    for host in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "evil", "127.0.0.2"] {
        for host in [host.to_owned(), format!("{host}:{port}")] {
            let (status, answer) =
                ask(port, &format!("POST / HTTP/1.1\r\nHost: {host}\r\n{reader}"), "SELECT 1");
            assert_eq!(status, 404, "{host}: {answer}");
        }
    }
    let (status, _) = ask(port, &format!("POST / HTTP/1.1\r\n{reader}"), "SELECT 1");
    assert_eq!(status, 404, "no host at all");
    let (status, _) =
        ask(port, &format!("POST / HTTP/1.1\r\nHost: localhost:{port}\r\n{reader}"), "SELECT 1");
    assert_eq!(status, 200);
}

/// Ways to files, programs, other machines and other databases, as somebody would try them who has the password
/// of an account.
fn attacks(secret: &Path, server: u16) -> Vec<String> {
    let secret = secret.display();
    let outside = std::env::temp_dir().join(format!("trace-completion-outside-{}", std::process::id()));
    let outside = outside.display();
    vec![
        format!("SELECT file('{secret}')"),
        format!("SELECT * FROM file('{secret}', 'LineAsString')"),
        format!("SELECT * FROM `{secret}`"),
        format!("SELECT * FROM default.`{secret}`"),
        format!("SELECT * FROM sqlite('{secret}', 't')"),
        format!("SELECT 1 FORMAT Template SETTINGS format_template_resultset = '{secret}'"),
        format!("SELECT 1 FORMAT Template SETTINGS format_template_row = '{secret}'"),
        format!("SELECT 1 FORMAT Protobuf SETTINGS format_schema = '{secret}:M'"),
        format!("SELECT 1 FORMAT Protobuf SETTINGS output_format_schema = '{outside}'"),
        format!("SELECT 1 SETTINGS input_format_record_errors_file_path = '{outside}'"),
        format!("SELECT 1 INTO OUTFILE '{outside}'"),
        format!("INSERT INTO FUNCTION file('{outside}', 'CSV', 'x String') VALUES ('x')"),
        format!("BACKUP TABLE flow_log.l7_flow_log_local TO File('{outside}')"),
        "SELECT * FROM executable('id', 'TSV', 'x String')".to_owned(),
        format!("SELECT * FROM url('http://127.0.0.1:{server}/', 'LineAsString', 'x String')"),
        format!("SELECT * FROM remote('127.0.0.1:{server}', 'system.one')"),
        format!("SELECT * FROM cluster('df_cluster', 'system.one')"),
        format!("SELECT * FROM s3('http://127.0.0.1:{server}/b/k', 'CSV', 'x String')"),
        format!("SELECT * FROM mysql('127.0.0.1:{server}', 'd', 't', 'u', 'p')"),
        format!("SELECT * FROM postgresql('127.0.0.1:{server}', 'd', 't', 'u', 'p')"),
        format!("SELECT * FROM mongodb('127.0.0.1:{server}', 'd', 't', 'u', 'p', 'x String')"),
        format!("SELECT * FROM redis('127.0.0.1:{server}', 'x', 'x String')"),
        format!("SELECT * FROM hdfs('hdfs://127.0.0.1:{server}/x', 'CSV', 'x String')"),
        format!("SELECT * FROM jdbc('http://127.0.0.1:{server}', 'd', 't')"),
        format!("SELECT * FROM odbc('DSN=x', 'd', 't')"),
        "SELECT * FROM input('x String')".to_owned(),
        "CREATE TABLE flow_log.f (x String) ENGINE = File(CSV)".to_owned(),
        "CREATE TABLE flow_log.f (x String) ENGINE = Executable('id', 'TSV')".to_owned(),
        "CREATE DATABASE other".to_owned(),
        "CREATE DATABASE other ENGINE = Filesystem('/')".to_owned(),
        "CREATE DICTIONARY flow_tag.f (x String, y String) PRIMARY KEY x \
         SOURCE(EXECUTABLE(command 'id' format 'CSV')) LIFETIME(0) LAYOUT(COMPLEX_KEY_HASHED())"
            .to_owned(),
        format!(
            "CREATE DICTIONARY flow_tag.f (x String, y String) PRIMARY KEY x \
             SOURCE(CLICKHOUSE(QUERY 'SELECT line, line FROM file(\\'{secret}\\', LineAsString)')) \
             LIFETIME(0) LAYOUT(COMPLEX_KEY_HASHED())"
        ),
        format!("CREATE VIEW flow_log.v AS SELECT file('{secret}')"),
        "CREATE FUNCTION f AS x -> x".to_owned(),
        "CREATE USER u".to_owned(),
        "ALTER USER default IDENTIFIED BY 'x'".to_owned(),
        "GRANT ALL ON *.* TO trace_completion".to_owned(),
        "CREATE NAMED COLLECTION c AS x = 1".to_owned(),
        "DROP TABLE flow_log.l7_flow_log_local".to_owned(),
        "DROP DATABASE flow_log".to_owned(),
        "DROP DATABASE system".to_owned(),
        "TRUNCATE TABLE flow_log.l7_flow_log_local".to_owned(),
        "ALTER TABLE flow_log.l7_flow_log_local DELETE WHERE 1".to_owned(),
        "ALTER TABLE flow_log.l7_flow_log_local FREEZE".to_owned(),
        "SYSTEM SHUTDOWN".to_owned(),
        "SYSTEM KILL".to_owned(),
        "SYSTEM STOP LISTEN HTTP".to_owned(),
        "SYSTEM START LISTEN TCP".to_owned(),
        "SYSTEM STOP MERGES flow_log.l7_flow_log_local".to_owned(),
        "SYSTEM FLUSH LOGS".to_owned(),
        "SYSTEM RELOAD CONFIG".to_owned(),
        "SELECT * FROM system.query_log".to_owned(),
        "SELECT * FROM system.users".to_owned(),
        "SELECT * FROM system.text_log".to_owned(),
    ]
}

/// A file of our user that the server has no business with.
struct Secret(PathBuf);

impl Secret {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        fs::write(&path, "the key of the house").unwrap();
        Self(path)
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        fs::remove_file(&self.0).ok();
    }
}

/// Whether the kernel of this machine can do what the last wall needs. Everything else must hold without it.
fn kernel_confines() -> bool {
    let modules = fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap(), numbers.next().unwrap());
    // Where the list of modules is not mounted, the version alone does not tell.
    modules.contains("landlock") && version >= (6, 12)
}

#[test]
fn with_a_password_there_is_the_flow_log_and_nothing_else() {
    let server = start();
    let secret = Secret::new("secret");
    // Somebody who would answer, so that a refusal is the server's.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let outside = listener.local_addr().unwrap().port();
    let confined = server.confined();
    assert!(confined == Confined::Fully || !kernel_confines());
    for settings in [server.reader_settings(), server.store_settings()] {
        for attack in attacks(&secret.0, outside) {
            // Of all ways to a file, this is the one that only the kernel closes.
            if attack.starts_with("SELECT file(") && confined == Confined::Not {
                continue;
            }
            let (status, answer) = query(&server, &settings, &attack);
            assert!(!answer.contains("key of the house"), "{}: {attack}: {answer}", settings.user);
            assert!(status >= 400, "{}: {attack}: {answer}", settings.user);
        }
        let (status, answer) = query(&server, &settings, "SELECT count() FROM flow_log.l7_flow_log");
        assert!(status == 200 && answer.ends_with("\r\n0\n\r\n0\r\n\r\n"), "{answer:?}");
    }
    let called = listener.accept().map(|(_, caller)| caller);
    assert_eq!(called.unwrap_err().kind(), io::ErrorKind::WouldBlock, "the server called somebody");
    let (status, answer) =
        query(&server, &server.reader_settings(), "INSERT INTO flow_log.l7_flow_log_local (_id) VALUES (1)");
    assert!(status >= 400, "the reader writes: {answer}");
}

/// A user with all rights of ClickHouse, such as tests have, cannot leave the directory either.
#[test]
fn the_kernel_keeps_even_an_administrator_in_the_directory() {
    let users = vec![User::with_all_rights("admin")];
    let options = Options { executable: PathBuf::from(PROGRAM), users, ..Options::default() };
    let server = EmbeddedClickHouse::start(options).unwrap();
    if server.confined() != Confined::Fully {
        assert!(!kernel_confines());
        return;
    }
    let admin = server.settings_of("admin");
    let secret = Secret::new("administrator");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let outside = listener.local_addr().unwrap().port();
    let path = secret.0.display();
    let run = |sql: &str| query(&server, &admin, sql);
    let program = "CREATE DICTIONARY flow_tag.program (x String, y String) PRIMARY KEY x \
                   SOURCE(EXECUTABLE(command 'echo a,b' format 'CSV')) \
                   LIFETIME(0) LAYOUT(COMPLEX_KEY_HASHED())";
    assert_eq!(run(program).0, 200);
    for attack in [
        format!("SELECT file('{path}')"),
        format!("SELECT * FROM file('{path}', 'LineAsString')"),
        format!("INSERT INTO FUNCTION file('{path}.new', 'CSV', 'x String') VALUES ('x')"),
        "SELECT * FROM flow_tag.program".to_owned(),
        // Once is enough: the engine would try for minutes.
        format!(
            "SELECT * FROM url('http://127.0.0.1:{outside}/', 'LineAsString', 'x String') \
             SETTINGS http_max_tries = 1"
        ),
        // Variables of the process that runs the tests.
        format!("SELECT file('/proc/{}/environ')", std::process::id()),
    ] {
        let (status, answer) = run(&attack);
        assert!(status >= 400 && !answer.contains("key of the house"), "{attack}: {answer}");
    }
    assert!(!PathBuf::from(format!("{path}.new")).exists());
    assert_eq!(listener.accept().map(drop).unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

/// Every directory and file of a server, with who may do what with it.
fn everything_in(directory: &Path) -> Vec<(PathBuf, u32, bool)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let metadata = entry.metadata().unwrap();
        found.push((entry.path(), metadata.permissions().mode() & 0o777, metadata.is_dir()));
        if metadata.is_dir() {
            found.extend(everything_in(&entry.path()));
        }
    }
    found
}

/// Runs as a process of its own: the umask is of a process.
#[test]
fn whatever_the_umask_its_files_are_for_its_user_only() {
    for umask in ["000", "022", "077"] {
        let data_dir =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("umask-{umask}-{}", std::process::id()));
        let mut program = Command::new("sh")
            .args(["-c", &format!("umask {umask}; exec \"$0\" clickhouse --data-dir \"$1\""), PROGRAM])
            .arg(&data_dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said: Vec<String> = BufReader::new(program.stdout.take().unwrap())
            .lines()
            .map(Result::unwrap)
            .scan(false, |done, line| {
                let before = std::mem::replace(done, line.starts_with("ready "));
                (!before).then_some(line)
            })
            .take(3)
            .collect();
        let [reader, writer, ready] = &said[..] else { panic!("{said:?}") };
        assert!(ready.starts_with("ready http://127.0.0.1:"), "{said:?}");
        assert_eq!(fs::metadata(&data_dir).unwrap().mode() & 0o777, 0o700, "{umask}");
        let run_dir = Path::new(reader.strip_prefix("reader ").unwrap()).parent().unwrap().to_owned();
        assert!(Path::new(writer.strip_prefix("writer ").unwrap()).starts_with(&run_dir));
        // The engine makes its own files in `data` and `tmp` with the umask. Nobody else gets as far as these.
        for (path, mode, is_directory) in everything_in(&data_dir) {
            let ours = path.parent() == Some(&data_dir) || path.starts_with(&run_dir);
            let engines =
                path.file_name().is_some_and(|name| name.to_str().unwrap().starts_with("server.log"));
            if ours && !engines {
                assert_eq!(mode, if is_directory { 0o700 } else { 0o600 }, "{umask}: {}", path.display());
            }
        }
        // Each file is a configuration that another command takes.
        for line in [reader, writer] {
            let file = line.split_once(' ').unwrap().1;
            let printed = Command::new(PROGRAM)
                .args(["serve", "--print-config", "--config", file])
                .env_clear()
                .output()
                .unwrap();
            let printed = String::from_utf8(printed.stdout).unwrap();
            let config: toml::Table = fs::read_to_string(file).unwrap().parse().unwrap();
            assert!(printed.contains("password is set") && printed.contains("trace_completion"), "{printed}");
            assert!(!printed.contains(config["store"]["password"].as_str().unwrap()), "{printed}");
        }
        let terminated = Command::new("sh").args(["-c", "kill $0", &program.id().to_string()]).status();
        assert!(terminated.unwrap().success() && program.wait().unwrap().success());
        assert!(!run_dir.exists(), "the passwords are still there");
        fs::remove_dir_all(data_dir).unwrap();
    }
}

/// No command line, variable, log line or error has a password.
#[test]
fn passwords_are_told_to_nobody() {
    let server = start();
    let passwords = [server.reader_settings(), server.store_settings()]
        .map(|settings| settings.password.expose().to_owned());
    let silent = |what: &str, text: &str| {
        assert!(passwords.iter().all(|password| !text.contains(password)), "{what}: {text}");
    };
    for file in ["cmdline", "environ"] {
        let bytes = fs::read(format!("/proc/{}/{file}", server.process_id())).unwrap();
        silent(file, &String::from_utf8_lossy(&bytes));
    }
    silent("debug", &format!("{server:?} {:?}", server.store_settings()));
    // A query that fails is logged by the engine.
    let (status, answer) = query(&server, &server.store_settings(), "SELECT nonsense FROM nowhere");
    assert_eq!(status, 404);
    silent("answer", &answer);
    silent("log", &server.last_words());
    let runs = server.data_dir().join("runs");
    let run_dir = fs::read_dir(runs).unwrap().next().unwrap().unwrap().path();
    for log in ["child.log", "server.log"] {
        silent(log, &fs::read_to_string(run_dir.join(log)).unwrap());
    }
}

/// The child's environment is its own: nothing that our user has in variables can be read out of it.
#[test]
fn the_child_gets_no_variables_of_ours() {
    let server = start();
    let environment = fs::read(format!("/proc/{}/environ", server.process_id())).unwrap();
    let environment = String::from_utf8_lossy(&environment).into_owned();
    let names: Vec<&str> = environment
        .split('\0')
        .filter_map(|variable| variable.split_once('='))
        .map(|(name, _)| name)
        .collect();
    let known = ["TRACE_COMPLETION_LIBCHDB", "TRACE_COMPLETION_EMBEDDED_TEMPORARY", "LD_LIBRARY_PATH"];
    assert!(names.iter().all(|name| known.contains(name)), "{names:?}");
}

/// What another user of the machine can do, as that user. Only an administrator can become another user: a test
/// that is run by somebody else does without, and shows what the modes of files and the server's answers show.
#[test]
fn another_user_of_the_machine_gets_nothing() {
    let server = start();
    let files = server.write_access_files().unwrap();
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    // A directory that the other user may enter, with all of the way to it.
    let as_other = |script: &str| -> Output {
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir("/").env_clear().env("PATH", "/usr/bin:/bin");
        if is_root {
            command.uid(STRANGER).gid(STRANGER);
        }
        command.output().unwrap()
    };
    let who = String::from_utf8(as_other("id -u").stdout).unwrap();
    if is_root {
        assert_eq!(who.trim(), STRANGER.to_string());
        let data_dir = server.data_dir().display();
        for script in [
            format!("ls {data_dir}"),
            format!("ls {data_dir}/data"),
            format!("cat {data_dir}/runs/*/users.xml"),
            format!("cat {}", files[0].display()),
            format!("cat {}", files[1].display()),
            format!("touch {data_dir}/x"),
            format!("ls /proc/{}/fd", server.process_id()),
            format!("cat /proc/{}/environ", server.process_id()),
            format!("kill {}", server.process_id()),
        ] {
            let output = as_other(&script);
            assert!(!output.status.success() && output.stdout.is_empty(), "{script}: {output:?}");
        }
    }
    // It reaches the port, and that is all. Its requests are those of the other tests: a socket has no user.
    let port = server.http_port();
    let script = format!(
        "exec 3<>/dev/tcp/127.0.0.1/{port} && printf 'POST / HTTP/1.0\\r\\nHost: localhost\\r\\n\
         Content-Length: 8\\r\\n\\r\\nSELECT 1' >&3 && head -1 <&3"
    );
    let output = as_other(&format!("exec bash -c '{}'", script.replace('\'', "'\\''")));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.starts_with("HTTP/1.0 404") || said.starts_with("HTTP/1.1 404"), "{output:?}");
}

/// Whoever takes the port before the engine does is not sent a password: the start fails, or takes another port.
#[test]
fn a_port_that_somebody_else_listens_on_is_not_used() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let options = Options { executable: PathBuf::from(PROGRAM), http_port: Some(port), ..Options::default() };
    let error = EmbeddedClickHouse::start(options).unwrap_err().to_string();
    assert!(error.contains("cannot listen on 127.0.0.1"), "{error}");
}
