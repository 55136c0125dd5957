//! Directories of the server, and what is removed from them.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

/// Removes the contents of a directory except for the directory `kept` somewhere in it. What cannot be
/// removed stays.
pub(super) fn clear_but(directory: &Path, kept: &Path) {
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

/// A new path for a temporary directory.
pub(super) fn temporary_dir() -> PathBuf {
    std::env::temp_dir().join(format!("trace-completion-clickhouse-{}", unique_name()))
}

/// A name that no other directory of this or another running process has.
pub(super) fn unique_name() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    format!("{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed))
}
