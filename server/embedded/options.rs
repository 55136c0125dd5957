//! How to run the embedded ClickHouse.

use std::path::PathBuf;

/// How to run the embedded ClickHouse.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// This program: the file that knows the subcommand of the child. In a test that is not
    /// `current_exe()`.
    pub executable: PathBuf,
    /// Directory of data, configuration and logs, created if it does not exist. `None` is a temporary
    /// directory, removed when the child ends.
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
    /// Password in plain text: this server is not for secrets.
    pub password: String,
    /// May only read and change settings (`readonly = 2`).
    pub readonly: bool,
    /// `GRANT` statements without `TO`. An empty list means all rights.
    pub grants: Vec<String>,
}
