//! How to run the embedded ClickHouse.

use std::path::PathBuf;

/// How to run the embedded ClickHouse.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// This program: the file that knows the subcommand of the child. In a test that is not
    /// `current_exe()`.
    pub executable: PathBuf,
    /// Directory of data, configuration and logs, created if it does not exist. `None` is a temporary directory,
    /// removed when the child ends.
    pub data_dir: Option<PathBuf>,
    /// Port of HTTP on 127.0.0.1. `None` is a free one.
    pub http_port: Option<u16>,
    /// Users besides the two that there always are, see
    /// [`settings_of`](super::EmbeddedClickHouse::settings_of).
    pub users: Vec<User>,
    /// Whether to open the native protocol too, and to let the server connect to others: for tests of clusters of
    /// several servers, which speak nothing else to each other. That port is open to every user of this machine,
    /// without a password: it gives away what is in the flow log, and what the server may read. No command of the
    /// program sets this.
    pub opens_native_port: bool,
}

/// A further user of the embedded ClickHouse.
#[derive(Clone, Debug, Default)]
pub struct User {
    /// Name: letters, digits and underscores.
    pub name: String,
    /// Password; empty for one that nobody can guess, made anew for each run. A test that starts its server again
    /// sets one.
    pub password: String,
    /// May only read and change settings (`readonly = 2`).
    pub readonly: bool,
    /// `GRANT` statements without `TO`. An empty list means all rights.
    pub grants: Vec<String>,
}

impl User {
    /// A user with all rights, for a test that needs other databases than the two of the flow log.
    pub fn with_all_rights(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }
}
