//! The `[log]` table.

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use super::error::ConfigError;

/// The levels: what a directive without a target may be.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// What is logged, and how. Logs go to standard error.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// `off`, `error`, `warn`, `info`, `debug` or `trace`, or directives of `tracing-subscriber` such as
    /// `info,trace_completion=debug`. Default `info`.
    pub level: String,
    /// Form of a line. Default `text`.
    pub format: LogFormat,
}

impl Log {
    /// Checks the level. A word alone must be a level: the filter would take any other word for the name of a
    /// target, and log nothing of all other targets.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let fault = |problem: String| ConfigError::Value { key: "log.level".to_owned(), problem };
        let is_level = |word: &str| LEVELS.iter().any(|level| word.eq_ignore_ascii_case(level));
        let wrong = self.level.split(',').map(str::trim).find(|part| !part.contains('=') && !is_level(part));
        if let Some(word) = wrong {
            return Err(fault(format!("{word:?} is no level; there are {}", LEVELS.join(", "))));
        }
        self.level.parse::<EnvFilter>().map(drop).map_err(|e| fault(format!("{:?}: {e}", self.level)))
    }
}

impl Default for Log {
    fn default() -> Self {
        Log { level: "info".to_owned(), format: LogFormat::Text }
    }
}

/// Form of a log line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
