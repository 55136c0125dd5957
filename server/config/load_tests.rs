//! Configurations by their files and variables.

use std::fs;

use super::*;
use crate::config::{AppSpanDuplicates, Compression, LogFormat, TracingSource};

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
        ("TRACE_COMPLETION_LIMIT_MAX_WAITING", "1", "no such key; that of limits.max_waiting is TRACE_CO"),
        ("TRACE_COMPLETION_LIMITS_MAX_STREAMS", "x", "\"x\" is not an integer"),
        ("TRACE_COMPLETION_LIMITS_MAX_STREAMS", "-1", "-1 is not between 1 and 100000"),
        ("TRACE_COMPLETION_LOG_FORMAT", "xml", "\"xml\" is none of \"text\", \"json\""),
    ] {
        let fault = load(&[(name, value)]).unwrap_err();
        assert!(fault.starts_with(&format!("environment variable {name}: {expected}")), "{fault}");
        assert!(!fault.contains('\n'), "{fault}");
    }
    for (name, value, expected) in [
        ("TRACE_COMPLETION_LIMITS_MAX_STREAMS", "0", "limits.max_streams: 0 is not between 1 and 100000"),
        (
            "TRACE_COMPLETION_TRACING_MAX_ITERATION",
            "0",
            "tracing.max_iteration: 0 is not between 1 and 10000",
        ),
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
        ("[limits]\nmax_streams = \"x\"", "2:15: limits.max_streams: a whole number is expected, not \"x\""),
        ("[limits]\nmax_streams = -1", "2:15: limits.max_streams: -1 is not between 1 and 100000"),
        (
            "[limits]\nmax_streams = 5000000000",
            "2:15: limits.max_streams: 5000000000 is not between 1 and 100000",
        ),
        ("[limits]\nmax_streams = 1.5", "2:15: limits.max_streams: a whole number is expected, not 1.5"),
        ("store.keys_per_query = -1", "1:24: store.keys_per_query: -1 is not between 1 and 10000"),
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
