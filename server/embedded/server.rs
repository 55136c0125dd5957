//! [`EmbeddedClickHouse`]: starts the child, waits until it answers, and ends it.

use std::{
    fs, io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use tokio::signal::unix::{SignalKind, signal};

use super::{
    access::{self, Account},
    child::{self, CONFINED, NOT_LOADED, Start},
    config_xml,
    confine::Confined,
    directories::{
        clear_but, create_private, make_data_dir, make_new, make_private, temporary_dir, unique_name,
    },
    ended::{self, CHILD_LOG, Ended},
    error::{EmbeddedError, START_TIMEOUT, io_error, or_none},
    library::{self, LibraryError},
    listener::listens_alone,
    options::Options,
    ping,
    ports::Ports,
};
use crate::config::StoreSettings;

/// How long the end of a child is waited for. Without open connections it takes less than 50 ms. With one it
/// would take 5 s, and nobody needs the answers that it would still give.
const STOP_GRACE: Duration = Duration::from_millis(200);
/// Starts with free ports: another process may take such a port before the engine listens on it.
const START_ATTEMPTS: u32 = 3;
const POLL: Duration = Duration::from_millis(5);
/// Directory of runs in the data directory.
const RUNS: &str = "runs";

/// A running ClickHouse. Ends when dropped, or when this process ends in any way.
#[derive(Debug)]
pub struct EmbeddedClickHouse {
    child: Child,
    ports: Ports,
    accounts: Vec<Account>,
    data_dir: PathBuf,
    run_dir: PathBuf,
    /// What is removed when the server ends: the directory of the run, or all of a temporary directory.
    leftovers: Option<PathBuf>,
    /// Logs are kept, because an error has named their directory.
    keeps_logs: bool,
}

impl EmbeddedClickHouse {
    /// Starts the server, with the schema of the flow log in it, and waits until it answers, 0.5 to 1 s. Blocks: on
    /// an async runtime call it from `spawn_blocking`.
    pub fn start(options: Options) -> Result<Self, EmbeddedError> {
        let library = library::find()?;
        let mut ports = Ports::choose(&options)?;
        let temporary = options.data_dir.is_none();
        let may_change_ports = options.http_port.is_none();

        let mut attempt = 1;
        loop {
            // A child that ended may have removed a temporary one.
            let data_dir = data_dir(&options)?;
            match Self::start_once(&options, &library, &data_dir, ports) {
                Err(EmbeddedError::EndedEarly { .. }) if may_change_ports && attempt < START_ATTEMPTS => {
                    if temporary {
                        let _ = fs::remove_dir_all(&data_dir);
                    }
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
    ) -> Result<Self, EmbeddedError> {
        let temporary = options.data_dir.is_none();
        for name in config_xml::DIRECTORIES.into_iter().chain([RUNS]) {
            let directory = data_dir.join(name);
            make_private(&directory).map_err(|source| io_error("make", &directory, source))?;
        }
        // A directory for each run: a second start on a used directory must not touch the files of the first.
        let run_dir = data_dir.join(RUNS).join(unique_name());
        let accounts = access::accounts(&options.users)
            .map_err(|source| io_error("read random numbers for the passwords in", &run_dir, source))?;
        make_new(&run_dir)
            .and_then(|()| config_xml::write(data_dir, &run_dir, ports, &accounts))
            .map_err(|source| io_error("write the configuration into", &run_dir, source))?;
        let log = run_dir.join(CHILD_LOG);
        let output = create_private(&log).map_err(|source| io_error("write", &log, source))?;
        let errors = output.try_clone().map_err(|source| io_error("write", &log, source))?;
        let config = run_dir.join(config_xml::CONFIG);
        let start = Start { config, data_dir: data_dir.to_owned(), ports, temporary };
        let mut command = child::command(&options.executable, library, &start);
        command.stdin(Stdio::piped()).stdout(output).stderr(errors);
        // Ctrl-C is for the parent: it ends the child after the last request that needs it.
        command.process_group(0);
        let child = command.spawn().map_err(|source| io_error("run", &options.executable, source))?;

        let mut server = Self {
            child,
            ports,
            accounts,
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
        format!("http://127.0.0.1:{}", self.ports.http)
    }

    /// Port of the HTTP interface on 127.0.0.1.
    pub fn http_port(&self) -> u16 {
        self.ports.http
    }

    /// Port of the native protocol on 127.0.0.1, where the options asked for it.
    pub fn native_port(&self) -> Option<u16> {
        self.ports.native
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

    /// How to read its flow log, with no right to do anything else: for what serves requests.
    pub fn reader_settings(&self) -> StoreSettings {
        self.settings_of(access::READER)
    }

    /// How to read its flow log, and to write rows and names. The schema is there already, and cannot be changed.
    pub fn store_settings(&self) -> StoreSettings {
        self.settings_of(access::WRITER)
    }

    /// How a user of the options reaches the flow log. A name that is none of theirs has no password.
    pub fn settings_of(&self, user: &str) -> StoreSettings {
        let stranger = || Account::stranger(user);
        let account = self.accounts.iter().find(|account| account.name == user).cloned();
        access::settings(&account.unwrap_or_else(stranger), self.ports.http)
    }

    /// Writes two configuration files for other programs of our user: to read the flow log, and to write to it.
    /// They are removed when the server ends. Returns their paths in this order.
    pub fn write_access_files(&self) -> io::Result<[PathBuf; 2]> {
        Ok([
            access::write_file(&self.run_dir, "reader.toml", &self.reader_settings())?,
            access::write_file(&self.run_dir, "writer.toml", &self.store_settings())?,
        ])
    }

    /// How far the kernel keeps the server from files outside of its directory, from programs, and from the
    /// network. Where it does not, whoever has a password of the server can read files of our user.
    pub fn confined(&self) -> Confined {
        let log = fs::read_to_string(self.run_dir.join(CHILD_LOG)).unwrap_or_default();
        let said = log.lines().find_map(|line| Confined::of(line.strip_prefix(CONFINED)?));
        said.unwrap_or(Confined::Not)
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
            // In this order: a password is sent to the child only.
            if self.listens()?
                && self.accounts.first().is_some_and(|reader| ping::answers(self.ports.http, reader))
            {
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

    /// Whether each port is listened to by the child, and by nobody else.
    fn listens(&self) -> Result<bool, EmbeddedError> {
        for port in self.ports.all() {
            match listens_alone(self.child.id(), port) {
                Ok(true) => {}
                // The child has just ended.
                Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(false),
                Ok(false) => return Ok(false),
                Err(source) => return Err(io_error("look who listens in", Path::new("/proc"), source)),
            }
        }
        Ok(true)
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

/// The directory of the data, made where it is not there yet.
fn data_dir(options: &Options) -> Result<PathBuf, EmbeddedError> {
    let path = match &options.data_dir {
        Some(path) => {
            make_data_dir(path).map_err(|source| io_error("use the data directory", path, source))?;
            path.clone()
        }
        None => {
            let temporary = temporary_dir().and_then(|path| make_new(&path).map(|()| path));
            temporary.map_err(|source| io_error("make a directory in", &std::env::temp_dir(), source))?
        }
    };
    path.canonicalize().map_err(|source| io_error("find", &path, source))
}
