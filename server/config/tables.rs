//! [`Config`]: all tables, checked and printed together.

use serde::{Deserialize, Serialize};

use super::{
    check::{Range, Ranges},
    error::ConfigError,
    limits::Limits,
    log::Log,
    server::Server,
    store::{Password, StoreSettings},
    tracing::Tracing,
};

/// The whole configuration.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where and how the server serves.
    pub server: Server,
    /// What callers may take.
    pub limits: Limits,
    /// Where the flow log is.
    pub store: StoreSettings,
    /// How a trace is searched and put together.
    pub tracing: Tracing,
    /// What is logged.
    pub log: Log,
}

impl Config {
    /// Checks every value.
    pub fn check(&self) -> Result<(), ConfigError> {
        let Config { server, limits, store, tracing, log } = self;
        server.check()?;
        limits.check_ranges()?;
        tracing.check_ranges()?;
        log.check()?;
        store.check()
    }

    /// The effective configuration as TOML, without secrets.
    pub fn print(&self) -> String {
        let mut shown = self.clone();
        let secret = !shown.store.password.expose().is_empty();
        // Not as `***`: a printed configuration can be used as a file.
        shown.store.password = Password::default();
        shown.store.url = without_credentials(&shown.store.url);
        let text = toml::to_string(&shown).unwrap_or_default();
        if secret { text.replace("password = \"\"\n", "# password is set, and not shown\n") } else { text }
    }
}

/// A URL without the user and password that it may carry.
fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    match authority.rsplit_once('@') {
        Some((credentials, _)) => format!("{scheme}://{}", &rest[credentials.len() + 1..]),
        None => url.to_owned(),
    }
}

impl Ranges for Config {
    fn ranges(&self) -> Vec<Range> {
        let Config { server, limits, store, tracing, log: _ } = self;
        [server.ranges(), limits.ranges(), store.ranges(), tracing.ranges()].concat()
    }
}

#[cfg(test)]
mod tests {
    use toml::{Table, Value};

    use super::*;

    #[test]
    fn every_whole_number_has_a_range() {
        let ranges = Config::default().ranges();
        let tables = Table::try_from(Config::default()).unwrap();
        let mut numbers = 0;
        for (table, keys) in &tables {
            for (key, value) in keys.as_table().unwrap() {
                if let Value::Integer(value) = value {
                    let path = format!("{table}.{key}");
                    assert!(ranges.iter().any(|range| range.key == path && range.value == *value), "{path}");
                    numbers += 1;
                }
            }
        }
        assert_eq!(ranges.len(), numbers);
    }

    #[test]
    fn secrets_are_not_printed() {
        let mut config = Config::default();
        config.store.password = "hunter2".to_owned().into();
        config.store.url = "http://me:hunter2@store:8123/?x=1".to_owned();
        let printed = config.print();
        assert!(!printed.contains("hunter2"), "{printed}");
        assert!(printed.contains("url = \"http://store:8123/?x=1\""), "{printed}");
        assert!(printed.contains("# password is set"), "{printed}");
    }
}
