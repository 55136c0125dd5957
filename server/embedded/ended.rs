//! How the child ended, for the person who has to find out why.

use std::{
    fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::ExitStatus,
};

use super::child::CONFINED;

/// What the child printed.
pub(super) const CHILD_LOG: &str = "child.log";
/// What the engine logged.
pub(super) const SERVER_LOG: &str = "server.log";

/// The end of a child that nobody had asked to end.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Exit code or signal: `signal 9 (SIGKILL)`.
    pub how: String,
    /// Its last log lines; empty if it logged nothing.
    pub words: String,
    /// The directory of its logs.
    pub logs: PathBuf,
}

/// The exit code or signal of a process.
pub(super) fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => match name(signal) {
            Some(name) => format!("signal {signal} ({name})"),
            None => format!("signal {signal}"),
        },
        (None, None) => "neither exit code nor signal".to_owned(),
    }
}

/// Whether this is the end of a program by a fault of its own code, not because somebody ended it.
pub(super) fn is_crash(status: ExitStatus) -> bool {
    matches!(status.signal().and_then(name), Some("SIGILL" | "SIGABRT" | "SIGBUS" | "SIGFPE" | "SIGSEGV"))
}

/// The numbers of Linux on x86_64 and aarch64; the engine runs on no other machines.
fn name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        _ => return None,
    })
}

/// The last lines of the logs in this directory, or the one that names the query with which it crashed.
pub(super) fn last_words(run_dir: &Path) -> String {
    let words = [CHILD_LOG, SERVER_LOG].map(|log| last_lines(&run_dir.join(log)));
    words.into_iter().filter(|words| !words.is_empty()).collect::<Vec<_>>().join(" | ")
}

fn last_lines(log: &Path) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    // A crash is logged in many lines. The last of these has the signal, and the query if one was running.
    if let Some(line) = text.lines().rfind(|line| line.contains("Received signal")) {
        return line.to_owned();
    }
    // The engine and the child print these at each start.
    let usual = ["Logging error to ", CONFINED];
    let says = |line: &&str| !line.trim().is_empty() && !usual.iter().any(|usual| line.starts_with(usual));
    let lines: Vec<&str> = text.lines().filter(says).collect();
    lines.get(lines.len().saturating_sub(5)..).unwrap_or_default().join(" | ")
}
