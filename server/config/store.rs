//! The `[store]` table: how to reach the flow log, and the limits of each query to it.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use super::{
    check::{Range, Ranges, at_least, range},
    error::ConfigError,
};

/// Where DeepFlow's ClickHouse is, and the limits of each query to it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSettings {
    /// Base URL of the HTTP interface, `http` or `https`, without user, query and fragment.
    pub url: String,
    /// Database of the flow log: `flow_log`, or `NNNN_flow_log` for an organisation. Names come from the
    /// database of the same prefix that ends in `flow_tag`.
    pub database: String,
    /// User. It needs SELECT on the flow log and dictGet on the names, with `readonly` 0 or 2.
    pub user: String,
    /// Password, empty for none. Never printed.
    pub password: Password,
    /// Longest run of one query on the server, in seconds, 1 to 3600. A query never gets more time than its
    /// request has left.
    pub max_execution_time_s: u32,
    /// Longest wait for a connection, in milliseconds, 1 to 60000.
    pub connect_timeout_ms: u32,
    /// Idle connections are closed after so many milliseconds, 1 to 60000. Must be less than the server's
    /// keep-alive, which is 3 s before ClickHouse 23.11 and 10 s after.
    pub pool_idle_timeout_ms: u32,
    /// Compression of answers: saves time over a network, and costs time where ClickHouse is on this machine.
    pub compression: Compression,
    /// Most ids or keys in one query, 1 to 10000; longer lists take several queries.
    pub keys_per_query: u32,
    /// Largest answer of one query before compression, in bytes, at least 65536.
    pub max_result_bytes: u64,
    /// Columns and dictionaries are looked up again after so many seconds, at least 1, so that an upgrade
    /// of DeepFlow is noticed.
    pub schema_refresh_s: u32,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:8123".to_owned(),
            database: "flow_log".to_owned(),
            user: "default".to_owned(),
            password: Password::default(),
            max_execution_time_s: 10,
            connect_timeout_ms: 2000,
            pool_idle_timeout_ms: 2500,
            compression: Compression::Lz4,
            keys_per_query: 5000,
            max_result_bytes: 256 << 20,
            schema_refresh_s: 60,
        }
    }
}

impl StoreSettings {
    /// Checks every setting.
    pub fn check(&self) -> Result<(), ConfigError> {
        let fault = |key: &str, problem: String| ConfigError::Value { key: key.to_owned(), problem };
        self.check_url().map_err(|problem| fault("store.url", problem))?;
        self.check_ranges()?;
        for (key, value) in [("store.database", &self.database), ("store.user", &self.user)] {
            if value.is_empty() {
                return Err(fault(key, "is empty".to_owned()));
            }
        }
        Ok(())
    }

    fn check_url(&self) -> Result<(), String> {
        // The text is not repeated: it may hold a password.
        let uri: http::Uri = self.url.parse().map_err(|error| format!("is no URL: {error}"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err("does not begin with http:// or https://".to_owned());
        }
        let authority = uri.authority().ok_or("names no host")?;
        if authority.as_str().contains('@') {
            return Err("holds a user; use store.user and store.password".to_owned());
        }
        if uri.query().is_some() || self.url.contains('#') {
            return Err("has a query or fragment".to_owned());
        }
        Ok(())
    }

    /// Name of the database of names that goes with [`Self::database`].
    pub(crate) fn tag_database(&self) -> String {
        let prefix = self.database.strip_suffix("flow_log").unwrap_or_default();
        format!("{prefix}flow_tag")
    }
}

impl Ranges for StoreSettings {
    fn ranges(&self) -> Vec<Range> {
        // TOML has no larger numbers.
        let max_result_bytes = i64::try_from(self.max_result_bytes).unwrap_or(i64::MAX);
        vec![
            range("store.max_execution_time_s", self.max_execution_time_s, 1, 3600),
            range("store.connect_timeout_ms", self.connect_timeout_ms, 1, 60_000),
            range("store.pool_idle_timeout_ms", self.pool_idle_timeout_ms, 1, 60_000),
            range("store.keys_per_query", self.keys_per_query, 1, 10_000),
            at_least("store.max_result_bytes", max_result_bytes, 65_536),
            at_least("store.schema_refresh_s", self.schema_refresh_s, 1),
        ]
    }
}

/// How answers are compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Not at all.
    None,
    /// LZ4.
    Lz4,
}

/// A password. Shows as `***` in logs and printed configurations, or as nothing where there is none.
#[derive(Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(transparent)]
pub struct Password(String);

impl Password {
    /// The password itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn shown(&self) -> &'static str {
        if self.0.is_empty() { "" } else { "***" }
    }
}

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown())
    }
}

impl Serialize for Password {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.shown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_never_printed() {
        let settings: StoreSettings = toml::from_str("password = 'sesame'").unwrap();
        assert_eq!(settings.password.expose(), "sesame");
        let shown = [format!("{settings:?}"), toml::to_string(&settings).unwrap()];
        for text in shown {
            assert!(!text.contains("sesame") && text.contains("***"), "{text}");
        }
        assert!(toml::to_string(&StoreSettings::default()).unwrap().contains("password = \"\""));
    }

    #[test]
    fn defaults_are_valid_and_unknown_keys_are_not() {
        assert!(StoreSettings::default().check().is_ok());
        assert!(toml::from_str::<StoreSettings>("pasword = 'x'").is_err());
    }

    #[test]
    fn each_setting_has_bounds() {
        let cases: [(&str, &str); 12] = [
            ("url = 'ftp://x'", "url"),
            ("url = 'clickhouse'", "url"),
            ("url = 'http://me:secret@x:8123'", "url"),
            ("url = 'http://x:8123?database=y'", "url"),
            ("max_execution_time_s = 0", "max_execution_time_s"),
            ("max_execution_time_s = 3601", "max_execution_time_s"),
            ("connect_timeout_ms = 0", "connect_timeout_ms"),
            ("pool_idle_timeout_ms = 0", "pool_idle_timeout_ms"),
            ("keys_per_query = 0", "keys_per_query"),
            ("max_result_bytes = 1", "max_result_bytes"),
            ("schema_refresh_s = 0", "schema_refresh_s"),
            ("database = ''", "database"),
        ];
        for (text, field) in cases {
            let error = toml::from_str::<StoreSettings>(text).unwrap().check().unwrap_err().to_string();
            assert!(error.starts_with(&format!("store.{field}: ")), "{text}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn names_come_from_the_database_beside() {
        for (database, tag) in
            [("flow_log", "flow_tag"), ("0002_flow_log", "0002_flow_tag"), ("other", "flow_tag")]
        {
            let settings = StoreSettings { database: database.into(), ..StoreSettings::default() };
            assert_eq!(settings.tag_database(), tag);
        }
    }
}
