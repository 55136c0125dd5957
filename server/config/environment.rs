//! The environment over the file: `TRACE_COMPLETION_LIMITS_MAX_STREAMS` is `limits.max_streams`.

use std::ffi::OsString;

use toml::{Table, Value};

use super::{error::ConfigError, fault, tables::Config};

/// Prefix of the environment variables that are configuration.
pub const ENV_PREFIX: &str = "TRACE_COMPLETION_";

/// The variable that names the file, as `--config` does.
pub const CONFIG_VARIABLE: &str = "TRACE_COMPLETION_CONFIG";

/// Variables with the prefix that are not configuration: the path of the file, the library of the embedded
/// ClickHouse, the directory that its child removes, and the program that the clients' tests run.
const NOT_CONFIGURATION: [&str; 4] = [
    CONFIG_VARIABLE,
    "TRACE_COMPLETION_LIBCHDB",
    "TRACE_COMPLETION_EMBEDDED_TEMPORARY",
    "TRACE_COMPLETION_PROGRAM",
];
/// Prefix of the variables that tests read.
const TESTS_PREFIX: &str = "TRACE_COMPLETION_TEST_";

/// Puts the variables that are configuration over the table.
pub(super) fn overlay(
    table: &mut Table,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(), ConfigError> {
    let defaults = Table::try_from(Config::default()).unwrap_or_default();
    let mut variables: Vec<(String, OsString)> = environment
        .into_iter()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| name.starts_with(ENV_PREFIX) && !is_not_ours(name))
        .collect();
    variables.sort();
    for (name, value) in variables {
        let fault = |problem: String| ConfigError::Environment { name: name.clone(), problem };
        let path = name[ENV_PREFIX.len()..].to_ascii_lowercase();
        let (section, key) = path
            .split_once('_')
            .filter(|(section, _)| defaults.contains_key(*section))
            // A misspelt limit that is silently ignored is worse than a server that does not start.
            .ok_or_else(|| fault(format!("no such key; {}", example(&path, &defaults))))?;
        let text = value.into_string().map_err(|_| fault("not UTF-8".to_owned()))?;
        let default = defaults.get(section).and_then(|section| section.get(key));
        let value = typed(&text, default).map_err(&fault)?;
        if let Value::Table(section) = table.entry(section).or_insert_with(|| Value::Table(Table::new())) {
            section.insert(key.to_owned(), value);
        }
        serde_path_to_error::deserialize::<_, Config>(table.clone())
            .map_err(|e| fault(fault::explain(&e, table).1))?;
    }
    Ok(())
}

fn is_not_ours(name: &str) -> bool {
    NOT_CONFIGURATION.contains(&name) || name.starts_with(TESTS_PREFIX) || made_by_kubernetes(name)
}

/// Kubernetes sets variables such as `TRACE_COMPLETION_SERVER_PORT_20418_TCP` in the pods beside a
/// service of that name. None of our keys looks like one of them.
fn made_by_kubernetes(name: &str) -> bool {
    name.contains("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.contains("_PORT_")
        || name.ends_with("_PORT")
}

/// The name of a key's variable, as an example: of the key that was probably meant, if the end of the name is
/// that of a key.
fn example(path: &str, defaults: &Table) -> String {
    let keys = defaults.iter().flat_map(|(section, keys)| {
        keys.as_table().into_iter().flat_map(Table::keys).map(move |key| (section.as_str(), key.as_str()))
    });
    let meant = keys.filter(|(_, key)| path.ends_with(key)).max_by_key(|(_, key)| key.len());
    let (section, key) = meant.unwrap_or(("limits", "max_streams"));
    let variable = format!("{ENV_PREFIX}{section}_{key}").to_ascii_uppercase();
    format!("that of {section}.{key} is {variable}")
}

/// The text of a variable as a value of the type that the key has by default.
fn typed(text: &str, default: Option<&Value>) -> Result<Value, String> {
    match default {
        Some(Value::Integer(_)) => {
            text.trim().parse().map(Value::Integer).map_err(|_| format!("{text:?} is not an integer"))
        }
        Some(Value::Float(_)) => {
            text.trim().parse().map(Value::Float).map_err(|_| format!("{text:?} is not a number"))
        }
        Some(Value::Boolean(_)) => {
            text.trim().parse().map(Value::Boolean).map_err(|_| format!("{text:?} is neither true nor false"))
        }
        Some(Value::Array(_)) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Ok(Value::Array(items.map(|item| Value::String(item.to_owned())).collect()))
        }
        _ => Ok(Value::String(text.to_owned())),
    }
}
