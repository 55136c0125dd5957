//! How to reach the flow log and how much of it to take: the `[store]` table of the configuration.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// Where DeepFlow's ClickHouse is, and the limits of each query to it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSettings {
    /// Base URL of the HTTP interface, `http` or `https`, without user, query or fragment.
    pub url: String,
    /// Database of the flow log: `flow_log`, or `NNNN_flow_log` for an organisation. Names come from the
    /// database of the same prefix that ends in `flow_tag`.
    pub database: String,
    /// User. It needs SELECT on the flow log and dictGet on the names, with `readonly` 0 or 2.
    pub user: String,
    /// Password, empty for none. Never printed.
    pub password: Password,
    /// Longest run of one query on the server, in seconds, 1 to 3600. A query never gets more than what is
    /// left of its request's deadline.
    pub max_execution_time_s: u32,
    /// Longest wait for a connection, in milliseconds, 1 to 60000.
    pub connect_timeout_ms: u32,
    /// Idle connections are closed after so many milliseconds, 1 to 60000. Must be less than the server's
    /// keep-alive, which is 3 s before ClickHouse 23.11 and 10 s after.
    pub pool_idle_timeout_ms: u32,
    /// Compression of answers. Costs time on the machine itself, saves it over a network.
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

/// A setting that makes no sense.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("store.{field}: {problem}")]
pub struct InvalidStoreSetting {
    /// Name of the setting.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

impl StoreSettings {
    /// Says which setting makes no sense, if one does.
    pub fn validate(&self) -> Result<(), InvalidStoreSetting> {
        self.validate_url().map_err(|problem| InvalidStoreSetting { field: "url", problem })?;
        let in_range = |field, value: u64, from: u64, to: u64| {
            if (from..=to).contains(&value) {
                return Ok(());
            }
            let problem = match to {
                u64::MAX => format!("{value} is less than {from}"),
                _ => format!("{value} is not between {from} and {to}"),
            };
            Err(InvalidStoreSetting { field, problem })
        };
        in_range("max_execution_time_s", self.max_execution_time_s.into(), 1, 3600)?;
        in_range("connect_timeout_ms", self.connect_timeout_ms.into(), 1, 60_000)?;
        in_range("pool_idle_timeout_ms", self.pool_idle_timeout_ms.into(), 1, 60_000)?;
        in_range("keys_per_query", self.keys_per_query.into(), 1, 10_000)?;
        in_range("max_result_bytes", self.max_result_bytes, 65_536, u64::MAX)?;
        in_range("schema_refresh_s", self.schema_refresh_s.into(), 1, u64::MAX)?;
        for (field, value) in [("database", &self.database), ("user", &self.user)] {
            if value.is_empty() {
                return Err(InvalidStoreSetting { field, problem: "is empty".to_owned() });
            }
        }
        Ok(())
    }

    fn validate_url(&self) -> Result<(), String> {
        // the text is not repeated: it may hold a password
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
        assert_eq!(StoreSettings::default().validate(), Ok(()));
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
            let error = toml::from_str::<StoreSettings>(text).unwrap().validate().unwrap_err();
            assert_eq!(error.field, field, "{text}");
            assert!(!error.to_string().contains("secret"), "{error}");
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
