//! A real ClickHouse in a child process, for the demo, tests and benchmarks on a machine without one.
//! The store talks to it over HTTP exactly as to a server of its own.
//!
//! The engine is `libchdb.so`. It is loaded in a child, which is this very program under a hidden
//! subcommand, because a library that owns signal handlers, threads and gigabytes of globals has no place
//! in a service. The child lives as long as its standard input is open: however the parent ends, the pipe
//! closes and the child shuts down.
//!
//! | file | holds |
//! |---|---|
//! | [`library`] | where `libchdb.so` is, and how to get it |
//! | [`Ended`] | how a child ended, and its last words |
//! | `config_xml` | the two configuration files of the server |
//! | `ffi` | the call into the library: the only unsafe code of the program |

mod config_xml;
mod ended;
mod ffi;
pub mod library;

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, ExitStatus, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use tokio::signal::unix::{SignalKind, signal};

pub use ended::Ended;
pub use library::LibraryError;

use crate::store::{FlowWriter, StoreError, StoreSettings, clickhouse::Compression};

/// Hidden subcommand under which the program runs as the child. It takes `--config <file>`.
pub const CHILD_COMMAND: &str = "embedded-clickhouse-child";

/// A child with no open connection ends within 50 ms. One that still serves would take 5 s, and nobody
/// needs what it would do then.
const STOP_GRACE: Duration = Duration::from_millis(200);
/// The engine answers after 75 to 300 ms; a machine under load may need longer.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// Another process may take a free port between our looking and the engine's listening.
const START_ATTEMPTS: u32 = 3;
const POLL: Duration = Duration::from_millis(5);

/// How to run the embedded ClickHouse.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// This program: the file that knows [`CHILD_COMMAND`]. In a test it is not `current_exe()`.
    pub executable: PathBuf,
    /// Where data, configuration and logs go; made if it is not there. `None` is a temporary directory,
    /// removed when the child ends.
    pub data_dir: Option<PathBuf>,
    /// Port of HTTP on 127.0.0.1. `None` is a free one.
    pub http_port: Option<u16>,
    /// Port of the native protocol on 127.0.0.1. `None` is a free one.
    pub tcp_port: Option<u16>,
    /// Users besides `default`, who has all rights and no password.
    pub users: Vec<User>,
}

/// A user of the embedded ClickHouse.
#[derive(Clone, Debug, Default)]
pub struct User {
    /// Name: letters, digits and underscores.
    pub name: String,
    /// Password in clear; this is no server for secrets.
    pub password: String,
    /// May only read and change settings (`readonly = 2`).
    pub readonly: bool,
    /// `GRANT` statements without `TO`. None means all rights.
    pub grants: Vec<String>,
}

/// Why there is no embedded ClickHouse.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The engine is not installed.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// A file or process operation failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was tried.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
    /// Another server runs on the data directory.
    #[error("the data directory {} is in use by another server", .0.display())]
    DirectoryInUse(PathBuf),
    /// Both ports are given, and the same.
    #[error("HTTP and the native protocol cannot both be on port {0}")]
    SamePort(u16),
    /// The child ended instead of answering.
    #[error("the embedded ClickHouse ended at start with {how}{}; its last words: {}", place(.logs), or_none(.words))]
    EndedEarly {
        /// Exit code or signal.
        how: String,
        /// The last lines that it logged.
        words: String,
        /// The directory of its logs; `None` where it went with a temporary directory.
        logs: Option<PathBuf>,
    },
    /// The child did not answer in time.
    #[error(
        "the embedded ClickHouse did not answer within {} s{}; its last words: {}",
        START_TIMEOUT.as_secs(), place(.logs), or_none(.words)
    )]
    NotReady {
        /// The last lines that it logged.
        words: String,
        /// The directory of its logs; `None` where it went with a temporary directory.
        logs: Option<PathBuf>,
    },
}

fn place(logs: &Option<PathBuf>) -> String {
    logs.as_ref().map(|logs| format!("; its logs are in {}", logs.display())).unwrap_or_default()
}

fn or_none(words: &str) -> &str {
    if words.is_empty() { "none" } else { words }
}

/// A running ClickHouse. Ends when dropped, or when this process ends in any way.
#[derive(Debug)]
pub struct EmbeddedClickHouse {
    child: Child,
    http_port: u16,
    tcp_port: u16,
    data_dir: PathBuf,
    run_dir: PathBuf,
    /// What goes when the server ends: configuration and logs of the run, or all of it.
    leftovers: Option<PathBuf>,
    /// Logs stay for the reader of the error that names them.
    keeps_logs: bool,
}

impl EmbeddedClickHouse {
    /// Starts the server and waits until it answers, 0.1 to 0.3 s. Blocks: on an async runtime call it from
    /// `spawn_blocking`.
    pub fn start(options: Options) -> Result<Self, EmbeddedError> {
        let library = library::find()?;
        let mut ports = Ports::choose(&options)?;
        let temporary = options.data_dir.is_none();
        let data_dir = options.data_dir.clone().unwrap_or_else(temporary_dir);
        fs::create_dir_all(&data_dir).map_err(|source| io_error("make", &data_dir, source))?;
        let data_dir = data_dir.canonicalize().map_err(|source| io_error("find", &data_dir, source))?;
        let fixed_ports = options.http_port.is_some() && options.tcp_port.is_some();

        let mut attempt = 1;
        loop {
            match Self::start_once(&options, &library, &data_dir, ports, temporary) {
                Err(EmbeddedError::EndedEarly { .. }) if !fixed_ports && attempt < START_ATTEMPTS => {
                    ports = Ports::choose(&options)?;
                    attempt += 1
                }
                Err(error) => {
                    if temporary {
                        let _ = fs::remove_dir_all(&data_dir);
                    }
                    return Err(error);
                }
                Ok(server) => return Ok(server),
            }
        }
    }

    fn start_once(
        options: &Options,
        library: &Path,
        data_dir: &Path,
        ports: Ports,
        temporary: bool,
    ) -> Result<Self, EmbeddedError> {
        // of its own: a second start on a used directory must not touch the files of the first
        let run_dir = data_dir.join("runs").join(unique_name());
        let config = config_xml::write(data_dir, &run_dir, ports.http, ports.tcp, &options.users)
            .map_err(|source| io_error("write the configuration into", &run_dir, source))?;
        let log = run_dir.join("child.log");
        let output = File::create(&log).map_err(|source| io_error("write", &log, source))?;
        let errors = output.try_clone().map_err(|source| io_error("write", &log, source))?;
        let mut command = Command::new(&options.executable);
        command.arg(CHILD_COMMAND).arg("--config").arg(&config);
        command.env(library::PATH_VARIABLE, library);
        if temporary {
            command.env(TEMPORARY_VARIABLE, data_dir);
        }
        command.stdin(Stdio::piped()).stdout(output).stderr(errors);
        // Ctrl-C is for the parent: it ends the child after the last request that needs it.
        command.process_group(0);
        let child = command.spawn().map_err(|source| io_error("run", &options.executable, source))?;

        let mut server = Self {
            child,
            http_port: ports.http,
            tcp_port: ports.tcp,
            data_dir: data_dir.to_owned(),
            leftovers: Some(if temporary { data_dir.to_owned() } else { run_dir.clone() }),
            keeps_logs: false,
            run_dir,
        };
        server.wait_until_ready(library, temporary)?;
        Ok(server)
    }

    /// Base URL of the HTTP interface, without a slash at the end.
    pub fn http_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.http_port)
    }

    /// Port of the HTTP interface on 127.0.0.1.
    pub fn http_port(&self) -> u16 {
        self.http_port
    }

    /// Port of the native protocol on 127.0.0.1.
    pub fn tcp_port(&self) -> u16 {
        self.tcp_port
    }

    /// Where its data, configuration and logs are.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The last lines that it logged, or with which query it crashed. It logs errors only.
    pub fn last_words(&self) -> String {
        ended::last_words(&self.run_dir)
    }

    /// Waits until the server ends although nobody asked it to, and says how. Its logs then stay where they
    /// are, also when the rest of a temporary directory goes. Needs a runtime with I/O.
    pub async fn ended(&mut self) -> io::Result<Ended> {
        // before the first look, so that no end falls between look and wait
        let mut children = signal(SignalKind::child())?;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            // nobody sends any more only where the runtime ends
            if children.recv().await.is_none() {
                return Err(io::Error::other("the runtime ended"));
            }
        };
        self.keeps_logs = true;
        Ok(Ended { how: ended::how(status), words: self.last_words(), logs: self.run_dir.clone() })
    }

    /// Id of the child process.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Makes the schema of the flow log in it.
    pub async fn create_schema(&self) -> Result<(), StoreError> {
        let writer = FlowWriter::new(&self.store_settings());
        writer.map_err(|error| StoreError::Nonsense(error.to_string()))?.create_schema().await
    }

    /// How to reach its flow log.
    pub fn store_settings(&self) -> StoreSettings {
        // on loopback compression only costs
        StoreSettings { url: self.http_url(), compression: Compression::None, ..StoreSettings::default() }
    }

    /// Ends the server, at once if it has no open connection, else by force after 0.2 s.
    pub fn stop(mut self) {
        self.end();
    }

    /// Ends the server as a crash would, with its connections open and nothing flushed.
    pub fn kill(mut self) {
        // fails only where the child has ended already
        let _ = self.child.kill();
        self.end();
    }

    fn wait_until_ready(&mut self, library: &Path, temporary: bool) -> Result<(), EmbeddedError> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let ended = self.child.try_wait().map_err(|source| io_error("watch", &self.run_dir, source))?;
            if let Some(status) = ended {
                return Err(self.failed_start(status, library, temporary));
            }
            if answers_ping(self.http_port) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let (words, logs) = (self.last_words(), self.keep_logs_unless(temporary));
                return Err(EmbeddedError::NotReady { words, logs });
            }
            thread::sleep(POLL);
        }
    }

    fn failed_start(&mut self, status: ExitStatus, library: &Path, temporary: bool) -> EmbeddedError {
        let (how, words) = (ended::how(status), self.last_words());
        let unusable = |why| LibraryError::Unusable { path: library.to_owned(), why }.into();
        if status.code() == Some(NOT_LOADED.into()) {
            unusable(words)
        } else if ended::is_crash(status) {
            // what it does until it is ready depends on nothing but its own file
            unusable(format!("the start ended with {how}, last words: {}", or_none(&words)))
        } else if words.contains("Code: 76.") {
            EmbeddedError::DirectoryInUse(self.data_dir.clone())
        } else {
            EmbeddedError::EndedEarly { how, words, logs: self.keep_logs_unless(temporary) }
        }
    }

    /// Where the logs stay for the reader of the error that names them.
    fn keep_logs_unless(&mut self, temporary: bool) -> Option<PathBuf> {
        self.keeps_logs = !temporary;
        self.keeps_logs.then(|| self.run_dir.clone())
    }

    fn end(&mut self) {
        drop(self.child.stdin.take());
        let deadline = Instant::now() + STOP_GRACE;
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(POLL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        match self.leftovers.take() {
            Some(leftovers) if self.keeps_logs => clear_but(&leftovers, &self.run_dir),
            Some(leftovers) => drop(fs::remove_dir_all(leftovers)),
            None => {}
        }
    }
}

impl Drop for EmbeddedClickHouse {
    fn drop(&mut self) {
        self.end();
    }
}

/// What the program does under [`CHILD_COMMAND`]: serves until standard input closes.
pub fn child_main(config: &Path) -> ExitCode {
    let outcome = library::find()
        .map_err(|error| ffi::Fault::NotLoaded(error.to_string()))
        .and_then(|path| ffi::serve(&path, config));
    let fault = match outcome {
        Ok(()) => {
            if let Some(dir) = std::env::var_os(TEMPORARY_VARIABLE) {
                // the parent does this too, unless it was killed; after a fault it reads the log first
                let _ = fs::remove_dir_all(dir);
            }
            return ExitCode::SUCCESS;
        }
        Err(fault) => fault,
    };
    let (message, code) = match fault {
        ffi::Fault::NotLoaded(message) => (message, ExitCode::from(NOT_LOADED)),
        ffi::Fault::Failed(message) => (message, ExitCode::FAILURE),
    };
    let _ = writeln!(io::stderr(), "{message}");
    code
}

/// Exit code of a child that could not load the library.
const NOT_LOADED: u8 = 3;

/// Tells the child to remove this directory when it ends.
const TEMPORARY_VARIABLE: &str = "TRACE_COMPLETION_EMBEDDED_TEMPORARY";

#[derive(Clone, Copy)]
struct Ports {
    http: u16,
    tcp: u16,
}

impl Ports {
    fn choose(options: &Options) -> Result<Self, EmbeddedError> {
        if let (Some(http), Some(tcp)) = (options.http_port, options.tcp_port)
            && http == tcp
        {
            return Err(EmbeddedError::SamePort(http));
        }
        // A ClickHouse of somebody else on a given port would answer for the one that cannot start there. All
        // listeners are held until both ports are known, so that a free one is not one of the given.
        let http = options.http_port.map(listen).transpose()?;
        let tcp = options.tcp_port.map(listen).transpose()?;
        let (http, tcp) = (http.map_or_else(|| listen(0), Ok)?, tcp.map_or_else(|| listen(0), Ok)?);
        let port = |listener: &TcpListener| {
            let address = listener.local_addr();
            address
                .map(|address| address.port())
                .map_err(|source| EmbeddedError::Io { doing: "find a free port".to_owned(), source })
        };
        Ok(Self { http: port(&http)?, tcp: port(&tcp)? })
    }
}

fn listen(port: u16) -> Result<TcpListener, EmbeddedError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address)
        .map_err(|source| EmbeddedError::Io { doing: format!("cannot listen on {address}"), source })
}

/// Removes what is in a directory, but for the directory `kept` somewhere in it. What cannot be removed stays.
fn clear_but(directory: &Path, kept: &Path) {
    if directory == kept {
        return;
    }
    for path in fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if kept.starts_with(&path) {
            clear_but(&path, kept);
        } else {
            let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        }
    }
}

fn temporary_dir() -> PathBuf {
    std::env::temp_dir().join(format!("trace-completion-clickhouse-{}", unique_name()))
}

fn unique_name() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    format!("{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed))
}

fn io_error(doing: &str, path: &Path, source: io::Error) -> EmbeddedError {
    EmbeddedError::Io { doing: format!("{doing} {}", path.display()), source }
}

fn answers_ping(port: u16) -> bool {
    ping(port).unwrap_or(false)
}

fn ping(port: u16) -> io::Result<bool> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(500))?;
    stream.set_read_timeout(Some(Duration::from_millis(500)))?;
    stream.write_all(b"GET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer.windows(3).any(|window| window == b"Ok."))
}
