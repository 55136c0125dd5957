//! The `[store]` table.

use serde::{Deserialize, Serialize};

use super::check::{Range, Ranges, range};

/// Where the flow log is, and how it is asked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSettings {
    /// URL of ClickHouse's HTTP interface. Default `http://127.0.0.1:8123`.
    pub url: String,
    /// Database of the flow log. Default `flow_log`.
    pub database: String,
    /// User. Default `default`.
    pub user: String,
    /// Password of the user. Default empty.
    pub password: String,
    /// Longest run of one query, in s. Default 10.
    pub max_execution_time_s: u32,
    /// Time to connect, in ms. Default 2000.
    pub connect_timeout_ms: u32,
    /// Compress answers of the store with LZ4. Default true.
    pub compression: bool,
}

impl Default for StoreSettings {
    fn default() -> Self {
        StoreSettings {
            url: "http://127.0.0.1:8123".to_owned(),
            database: "flow_log".to_owned(),
            user: "default".to_owned(),
            password: String::new(),
            max_execution_time_s: 10,
            connect_timeout_ms: 2000,
            compression: true,
        }
    }
}

impl Ranges for StoreSettings {
    fn ranges(&self) -> Vec<Range> {
        vec![
            range("store.max_execution_time_s", self.max_execution_time_s, 1, 3600),
            range("store.connect_timeout_ms", self.connect_timeout_ms, 1, 600_000),
        ]
    }
}
