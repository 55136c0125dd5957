//! Why there is no embedded ClickHouse.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use super::library::LibraryError;

/// Longest wait for the first answer. The engine answers after 75 to 300 ms; a machine under load may need
/// longer.
pub(super) const START_TIMEOUT: Duration = Duration::from_secs(20);

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
    /// Both ports are given, and are equal.
    #[error("HTTP and the native protocol cannot both be on port {0}")]
    SamePort(u16),
    /// The child ended instead of answering.
    #[error(
        "the embedded ClickHouse ended at start with {how}{}; its last log lines: {}",
        place(.logs), or_none(.words)
    )]
    EndedEarly {
        /// Exit code or signal.
        how: String,
        /// Its last log lines.
        words: String,
        /// The directory of its logs; `None` if it was removed with a temporary directory.
        logs: Option<PathBuf>,
    },
    /// The child did not answer in time.
    #[error(
        "the embedded ClickHouse did not answer within {} s{}; its last log lines: {}",
        START_TIMEOUT.as_secs(), place(.logs), or_none(.words)
    )]
    NotReady {
        /// Its last log lines.
        words: String,
        /// The directory of its logs; `None` if it was removed with a temporary directory.
        logs: Option<PathBuf>,
    },
}

fn place(logs: &Option<PathBuf>) -> String {
    logs.as_ref().map(|logs| format!("; its logs are in {}", logs.display())).unwrap_or_default()
}

pub(super) fn or_none(words: &str) -> &str {
    if words.is_empty() { "none" } else { words }
}

/// The error of an operation on a path.
pub(super) fn io_error(doing: &str, path: &Path, source: io::Error) -> EmbeddedError {
    EmbeddedError::Io { doing: format!("{doing} {}", path.display()), source }
}
