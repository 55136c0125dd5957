//! [`EmbeddedClickHouse`]: starts the child, waits until it answers, and ends it.

use std::{
    fs::{self, File},
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use tokio::signal::unix::{SignalKind, signal};

use super::{
    child::{CHILD_COMMAND, NOT_LOADED, TEMPORARY_VARIABLE},
    config_xml,
    directories::{clear_but, temporary_dir, unique_name},
    ended::{self, Ended},
    error::{EmbeddedError, START_TIMEOUT, io_error, or_none},
    library::{self, LibraryError},
    options::Options,
    ping::answers_ping,
    ports::Ports,
};
use crate::{
    config::{Compression, StoreSettings},
    flow_log::FlowWriter,
    store::StoreError,
};

/// How long the end of a child is waited for. Without open connections it takes less than 50 ms. With one it
/// would take 5 s, and nobody needs the answers that it would still give.
const STOP_GRACE: Duration = Duration::from_millis(200);
/// Starts with free ports: another process may take such a port before the engine listens on it.
const START_ATTEMPTS: u32 = 3;
const POLL: Duration = Duration::from_millis(5);

/// A running ClickHouse. Ends when dropped, or when this process ends in any way.
#[derive(Debug)]
pub struct EmbeddedClickHouse {
    child: Child,
    http_port: u16,
    tcp_port: u16,
    data_dir: PathBuf,
    run_dir: PathBuf,
    /// What is removed when the server ends: the directory of the run, or all of a temporary directory.
    leftovers: Option<PathBuf>,
    /// Logs are kept, because an error has named their directory.
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
        // A directory for each run: a second start on a used directory must not touch the files of the first.
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

    /// Its last log lines, or the one that names the query with which it crashed. It logs errors only.
    pub fn last_words(&self) -> String {
        ended::last_words(&self.run_dir)
    }

    /// Waits until the server ends although nobody asked it to, and says how. Its logs then stay where they
    /// are, even if the rest of a temporary directory is removed. Needs a tokio runtime with I/O.
    pub async fn ended(&mut self) -> io::Result<Ended> {
        // Before the first look, so that no end is missed between the look and the wait.
        let mut children = signal(SignalKind::child())?;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            // There is no further signal only where the runtime ends.
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

    /// Creates the schema of the flow log in it.
    pub async fn create_schema(&self) -> Result<(), StoreError> {
        let writer = FlowWriter::new(&self.store_settings());
        writer.map_err(|error| StoreError::Nonsense(error.to_string()))?.create_schema().await
    }

    /// How to reach its flow log.
    pub fn store_settings(&self) -> StoreSettings {
        // Over loopback, compression only costs time.
        StoreSettings { url: self.http_url(), compression: Compression::None, ..StoreSettings::default() }
    }

    /// Ends the server: at once if it has no open connection, else by force after 0.2 s.
    pub fn stop(mut self) {
        self.end();
    }

    /// Ends the server as a crash would, with its connections open and nothing flushed.
    pub fn kill(mut self) {
        // Fails only if the child has ended already.
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
            #[expect(
                clippy::disallowed_methods,
                reason = "the caller blocks, and a child that becomes ready tells nobody"
            )]
            thread::sleep(POLL);
        }
    }

    fn failed_start(&mut self, status: ExitStatus, library: &Path, temporary: bool) -> EmbeddedError {
        let (how, words) = (ended::how(status), self.last_words());
        let unusable = |why| LibraryError::Unusable { path: library.to_owned(), why }.into();
        if status.code() == Some(NOT_LOADED.into()) {
            unusable(words)
        } else if ended::is_crash(status) {
            // Until it is ready nobody sends it a query, so the file itself must be bad.
            unusable(format!("the start ended with {how}, last log lines: {}", or_none(&words)))
        } else if words.contains("Code: 76.") {
            EmbeddedError::DirectoryInUse(self.data_dir.clone())
        } else {
            EmbeddedError::EndedEarly { how, words, logs: self.keep_logs_unless(temporary) }
        }
    }

    /// Keeps the logs for the error to name them, unless they are in a temporary directory. Returns where.
    fn keep_logs_unless(&mut self, temporary: bool) -> Option<PathBuf> {
        self.keeps_logs = !temporary;
        self.keeps_logs.then(|| self.run_dir.clone())
    }

    fn end(&mut self) {
        drop(self.child.stdin.take());
        let deadline = Instant::now() + STOP_GRACE;
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            #[expect(
                clippy::disallowed_methods,
                reason = "the caller blocks, and the end of a child tells nobody"
            )]
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
