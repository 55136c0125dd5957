//! What every command needs: where its configuration is, a runtime, an output, and the signals that end it.

use std::{
    env,
    future::Future,
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};

use super::failure::Failure;
use crate::config::CONFIG_VARIABLE;

/// The configuration file: that of the flag, or that of the environment, where an empty name is none.
pub(super) fn config_file(flag: &Option<PathBuf>) -> Option<PathBuf> {
    let variable = || env::var_os(CONFIG_VARIABLE).filter(|name| !name.is_empty()).map(PathBuf::from);
    flag.clone().or_else(variable)
}

/// Prints to standard output. A reader that has gone is no error.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(Failure::work(e)),
        _ => Ok(()),
    }
}

/// Runs a future on a runtime of its own, and does not wait for what it leaves behind.
pub(super) fn block_on<T>(
    threads: Threads,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut builder = match threads {
        Threads::One => tokio::runtime::Builder::new_current_thread(),
        Threads::Many => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder.enable_all().build().map_err(Failure::work)?;
    let end = runtime.block_on(work);
    runtime.shutdown_timeout(Duration::from_millis(200));
    end
}

/// How many threads a command needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Threads {
    /// Itself only.
    One,
    /// One for each processor.
    Many,
}

/// Waits for SIGTERM or SIGINT.
pub(super) async fn signal() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
