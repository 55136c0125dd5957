//! Configuration: one TOML file, over it environment variables, over them flags.
//!
//! | table | file | about |
//! |---|---|---|
//! | `[server]` | [`server`] | where the server listens, how it starts to serve and ends |
//! | `[limits]` | [`limits`] | how much a request, a connection and all of them may take |
//! | `[store]` | [`StoreSettings`] | where the flow log is, and how it is asked |
//! | `[tracing]` | [`mod@tracing`] | how a trace is searched and put together |
//! | `[log]` | [`log`] | what is logged |
//!
//! Each key can be set in the environment too: `tracing.l7_tracing_limit` is
//! `TRACE_COMPLETION_TRACING_L7_TRACING_LIMIT`; lists are comma-separated there.

pub mod check;
mod environment;
mod fault;
pub mod limits;
pub mod log;
pub mod server;
pub mod tracing;

use std::{ffi::OsString, fs, path::Path};

use serde::{Deserialize, Serialize};
use toml::Table;

pub use crate::store::StoreSettings;
use crate::store::clickhouse::Password;
use check::{Range, Ranges, range};
pub use environment::{CONFIG_VARIABLE, ENV_PREFIX};
pub use fault::ConfigError;
pub use limits::Limits;
pub use log::{Log, LogFormat};
pub use server::Server;
pub use tracing::{AppSpanDuplicates, Compatibility, ConnectionStrategy, Tracing, TracingSource};

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
    /// Reads the file, if there is one, and the environment over it. Checks nothing but types: flags may
    /// still change values; [`Config::check`] comes last.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Config, ConfigError> {
        let mut table = match file {
            Some(path) => read(path)?,
            None => Table::new(),
        };
        environment::overlay(&mut table, environment)?;
        // The file and each variable have been tried on their own: this cannot fail any more.
        Config::deserialize(table)
            .map_err(|e| ConfigError::Value { key: "config".to_owned(), problem: fault::one_line(&e) })
    }

    /// Checks every range.
    pub fn check(&self) -> Result<(), ConfigError> {
        let Config { server, limits, store, tracing, log } = self;
        server.check_ranges()?;
        limits.check_ranges()?;
        tracing.check_ranges()?;
        let fault = |key: &str, problem: String| Err(ConfigError::Value { key: key.to_owned(), problem });
        if let Err(problem) = server.check_listen() {
            return fault("server.listen", problem);
        }
        if let Err(problem) = log.check() {
            return fault("log.level", problem);
        }
        store
            .validate()
            .map_err(|e| ConfigError::Value { key: format!("store.{}", e.field), problem: e.problem })
    }

    /// The effective configuration as TOML, without secrets.
    pub fn print(&self) -> String {
        let mut shown = self.clone();
        let secret = !shown.store.password.expose().is_empty();
        // Not the stars that it would show as: a printed configuration can be used as a file.
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

impl Ranges for Tracing {
    fn ranges(&self) -> Vec<Range> {
        const MAX_US: i64 = 4_000_000_000_000_000;
        vec![
            range("tracing.l7_tracing_limit", self.l7_tracing_limit, 1, 1_000_000),
            range("tracing.max_iteration", self.max_iteration, 1, 10_000),
            range("tracing.network_delay_us", self.network_delay_us, 1, MAX_US),
            range("tracing.host_clock_offset_us", self.host_clock_offset_us, 1, MAX_US),
            range("tracing.iteration_expand_time_range", self.iteration_expand_time_range, 0, 31_536_000),
            range("tracing.max_rows", self.max_rows, 1, 10_000_000),
            range("tracing.max_related_ids", self.max_related_ids, 0, 1_000_000),
            range("tracing.late_span_margin_s", self.late_span_margin_s, 0, 86_400),
        ]
    }
}

fn read(path: &Path) -> Result<Table, ConfigError> {
    let text =
        fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    let fault = |e: toml::de::Error, problem: String| ConfigError::file(path, &text, &e, problem);
    let table = toml::from_str(&text).map_err(|e| fault(e.clone(), fault::one_line(&e)))?;
    // From the text again: these errors know their place in the file.
    let read = toml::Deserializer::parse(&text).map_err(|e| fault(e.clone(), fault::one_line(&e)))?;
    serde_path_to_error::deserialize::<_, Config>(read).map_err(|e| {
        let (key, problem) = fault::explain(&e, &table);
        fault(e.into_inner(), format!("{key}: {problem}"))
    })?;
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::clickhouse::Compression;

    fn load(variables: &[(&str, &str)]) -> Result<Config, String> {
        let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let config = Config::load(None, variables).map_err(|e| e.to_string())?;
        config.check().map_err(|e| e.to_string())?;
        Ok(config)
    }

    #[test]
    fn the_defaults_are_in_range_and_print_as_a_file() {
        let config = load(&[]).unwrap();
        assert_eq!(config, Config::default());
        assert_eq!(toml::from_str::<Config>(&config.print()).unwrap(), config);
    }

    /// There is no authentication: whoever can reach the port can read the flow log.
    #[test]
    fn nobody_elsewhere_is_served_unless_the_operator_says_so() {
        let listen: std::net::SocketAddr = Config::default().server.listen.parse().unwrap();
        assert!(listen.ip().is_loopback(), "{listen}");
    }

    #[test]
    fn the_environment_sets_values_of_every_type() {
        let config = load(&[
            ("TRACE_COMPLETION_TRACING_L7_TRACING_LIMIT", "50"),
            ("TRACE_COMPLETION_TRACING_ALLOW_MULTIPLE_TRACE_IDS_IN_TRACING_RESULT", "true"),
            ("TRACE_COMPLETION_TRACING_TRACING_SOURCE", "trace_id, dns"),
            ("TRACE_COMPLETION_TRACING_APP_SPAN_DUPLICATES", "keep"),
            ("TRACE_COMPLETION_SERVER_REGION_NAME", "7"),
            ("TRACE_COMPLETION_LOG_FORMAT", "json"),
            ("TRACE_COMPLETION_STORE_PASSWORD", "1234"),
            ("TRACE_COMPLETION_STORE_COMPRESSION", "none"),
            ("TRACE_COMPLETION_STORE_MAX_RESULT_BYTES", "65536"),
        ])
        .unwrap();
        assert_eq!(config.tracing.l7_tracing_limit, 50);
        assert!(config.tracing.allow_multiple_trace_ids_in_tracing_result);
        assert_eq!(config.tracing.tracing_source, [TracingSource::TraceId, TracingSource::Dns]);
        assert_eq!(config.tracing.app_span_duplicates, AppSpanDuplicates::Keep);
        assert_eq!(config.server.region_name, "7");
        assert_eq!(config.log.format, LogFormat::Json);
        assert_eq!(config.store.password.expose(), "1234");
        assert_eq!(config.store.compression, Compression::None);
        assert_eq!(config.store.max_result_bytes, 65_536);
    }

    #[test]
    fn other_variables_are_left_alone() {
        let config = load(&[
            ("TRACE_COMPLETION_CONFIG", "x.toml"),
            ("TRACE_COMPLETION_LIBCHDB", "/x/libchdb.so"),
            ("TRACE_COMPLETION_PROGRAM", "/x/trace-completion"),
            ("TRACE_COMPLETION_TEST_KEEPS", "1"),
            ("TRACE_COMPLETION_PORT", "tcp://10.0.0.1:20418"),
            ("TRACE_COMPLETION_SERVER_PORT_20418_TCP", "tcp://10.0.0.1:20418"),
            ("TRACE_COMPLETION_STORE_SERVICE_HOST", "10.0.0.1"),
            ("PATH", "x"),
        ]);
        assert_eq!(config, Ok(Config::default()));
    }

    #[test]
    fn faults_name_the_key() {
        for (name, value, expected) in [
            ("TRACE_COMPLETION_LIMITS_FOO", "1", "no such key; there are batch_in_flight, "),
            ("TRACE_COMPLETION_NOPE", "1", "no such key; that of limits.max_streams is TRACE_COMPLETION_LIM"),
            (
                "TRACE_COMPLETION_LIMIT_MAX_WAITING",
                "1",
                "no such key; that of limits.max_waiting is TRACE_CO",
            ),
            ("TRACE_COMPLETION_LIMITS_MAX_STREAMS", "x", "\"x\" is not an integer"),
            ("TRACE_COMPLETION_LIMITS_MAX_STREAMS", "-1", "-1 is not in 1 to 100000"),
            ("TRACE_COMPLETION_LOG_FORMAT", "xml", "\"xml\" is none of \"text\", \"json\""),
        ] {
            let fault = load(&[(name, value)]).unwrap_err();
            assert!(fault.starts_with(&format!("environment variable {name}: {expected}")), "{fault}");
            assert!(!fault.contains('\n'), "{fault}");
        }
        for (name, value, expected) in [
            ("TRACE_COMPLETION_LIMITS_MAX_STREAMS", "0", "limits.max_streams: 0 is not in 1 to 100000"),
            ("TRACE_COMPLETION_TRACING_MAX_ITERATION", "0", "tracing.max_iteration: 0 is not in 1 to 10000"),
            ("TRACE_COMPLETION_SERVER_LISTEN", "x", "server.listen: \"x\" is no address and port"),
            ("TRACE_COMPLETION_SERVER_LISTEN", "localhost", "server.listen: \"localhost\" is no address"),
            ("TRACE_COMPLETION_SERVER_LISTEN", ":20418", "server.listen: \":20418\" is no address"),
            ("TRACE_COMPLETION_SERVER_LISTEN", "1.2.3:20418", "server.listen: \"1.2.3:20418\" is no address"),
            ("TRACE_COMPLETION_SERVER_LISTEN", "localhost:66000", "server.listen: \"localhost:66000\" is no"),
            ("TRACE_COMPLETION_LOG_LEVEL", "a=b=c", "log.level: \"a=b=c\""),
            (
                "TRACE_COMPLETION_LOG_LEVEL",
                "warning",
                "log.level: \"warning\" is no level; there are off, error, ",
            ),
            ("TRACE_COMPLETION_LOG_LEVEL", "info,loud", "log.level: \"loud\" is no level"),
            ("TRACE_COMPLETION_LOG_LEVEL", "", "log.level: \"\" is no level"),
            ("TRACE_COMPLETION_LOG_LEVEL", "hyper=loud", "log.level: \"hyper=loud\""),
            ("TRACE_COMPLETION_STORE_URL", "tcp://x", "store.url: does not begin with http:// or https://"),
            ("TRACE_COMPLETION_STORE_URL", "http://me:hunter2@x", "store.url: holds a user; use store.user"),
            ("TRACE_COMPLETION_STORE_KEYS_PER_QUERY", "0", "store.keys_per_query: 0 is not between 1 and"),
        ] {
            let fault = load(&[(name, value)]).unwrap_err();
            assert!(fault.starts_with(expected), "{fault}");
        }
    }

    #[test]
    fn levels_and_directives_are_taken() {
        for level in ["off", "WARN", "info,trace_completion=debug", "hyper=off, trace"] {
            assert!(load(&[("TRACE_COMPLETION_LOG_LEVEL", level)]).is_ok(), "{level}");
        }
    }

    #[test]
    fn faults_of_a_file_name_key_and_place_without_types_of_rust() {
        let path = std::env::temp_dir().join(format!("trace-completion-config-{}.toml", std::process::id()));
        for (text, expected) in [
            (
                "[limits]\nmax_streams = \"x\"",
                "2:15: limits.max_streams: a whole number is expected, not \"x\"",
            ),
            ("[limits]\nmax_streams = -1", "2:15: limits.max_streams: -1 is not in 1 to 100000"),
            (
                "[limits]\nmax_streams = 5000000000",
                "2:15: limits.max_streams: 5000000000 is not in 1 to 100000",
            ),
            ("[limits]\nmax_streams = 1.5", "2:15: limits.max_streams: a whole number is expected, not 1.5"),
            ("store.keys_per_query = -1", "1:24: store.keys_per_query: -1 is less than 0"),
            ("[log]\nformat = 'xml'", "2:10: log.format: \"xml\" is none of \"text\", \"json\""),
            ("[log]\nformat = true", "2:10: log.format: text in quotes is expected, not true"),
            ("log = 5", "1:7: log: a table is expected, not 5"),
            ("[store]\npassword = 4711", "2:12: store.password: text in quotes is expected"),
            (
                "[tracing]\ntracing_source = 'dns'",
                "2:18: tracing.tracing_source: a list in brackets is expected, ",
            ),
            ("[tracing]\ntracing_source = ['dns', 7]", "2:26: tracing.tracing_source[1]: text in quotes is"),
            (
                "[tracing]\ntracing_source = ['x']",
                "2:19: tracing.tracing_source[0]: \"x\" is none of \"trace_id\"",
            ),
            ("[limits]\nfoo = 1", "2:1: limits.foo: no such key; there are batch_in_flight, "),
            (
                "[limit]\nmax_streams = 1",
                "1:2: limit: no such key; there are limits, log, server, store, tracing",
            ),
            ("[limits\n", "1:8: "),
        ] {
            fs::write(&path, text).unwrap();
            let fault = Config::load(Some(&path), []).unwrap_err().to_string();
            let fault = fault.strip_prefix(&format!("{}:", path.display())).unwrap();
            assert!(fault.starts_with(expected), "{text}: {fault}");
            for word in ["u32", "invalid type", "variant", "4711", "\n"] {
                assert!(!fault.contains(word), "{word}: {fault}");
            }
        }
        fs::remove_file(path).unwrap();
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
