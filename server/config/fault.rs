//! What is wrong with a configuration, in words that name the key and need no knowledge of the program.

use std::path::{Path, PathBuf};

use serde_path_to_error::Segment;
use toml::{Table, Value};

use super::{Config, check::Ranges};

/// What is wrong with a configuration, in one line.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML, or has a key that does not exist, or a value of the wrong type.
    #[error("{}:{line}:{column}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong, the key first.
        problem: String,
    },
    /// An environment variable names no key, or has a value of the wrong type.
    #[error("environment variable {name}: {problem}")]
    Environment {
        /// The variable.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// A value is out of its range.
    #[error("{key}: {problem}")]
    Value {
        /// Path of the key.
        key: String,
        /// What is wrong.
        problem: String,
    },
}

impl ConfigError {
    /// A fault of the text of a file.
    pub(super) fn file(path: &Path, text: &str, error: &toml::de::Error, problem: String) -> ConfigError {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let last_line = before.rsplit('\n').next().unwrap_or_default();
        ConfigError::File {
            path: path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: last_line.chars().count() + 1,
            problem,
        }
    }
}

/// Path of the key that an error is about, and what is wrong with its value in this table.
pub(super) fn explain(
    error: &serde_path_to_error::Error<toml::de::Error>,
    table: &Table,
) -> (String, String) {
    let path = error.path();
    // lists hold text, so that the default of an element is like one of a text
    let text = Value::String(String::new());
    let defaults = Value::Table(Table::try_from(Config::default()).unwrap_or_default());
    let root = Value::Table(table.clone());
    let (mut value, mut default, mut parent) = (Some(&root), Some(&defaults), &defaults);
    for segment in path.iter() {
        match segment {
            Segment::Map { key } => {
                parent = default.unwrap_or(&defaults);
                value = value.and_then(|value| value.get(key));
                default = default.and_then(|default| default.get(key));
            }
            Segment::Seq { index } => {
                value = value.and_then(|value| value.get(*index));
                default = Some(&text);
            }
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    let key = path.to_string();
    let message = one_line(error.inner());
    let problem = match (default, value) {
        (None, _) => no_such_key(parent),
        (Some(_), None) => message,
        (Some(default), Some(value)) => wrong_value(&key, value, default, &message),
    };
    (key, problem)
}

fn no_such_key(parent: &Value) -> String {
    let names: Vec<&str> = parent.as_table().into_iter().flat_map(Table::keys).map(String::as_str).collect();
    format!("no such key; there are {}", names.join(", "))
}

fn wrong_value(key: &str, value: &Value, default: &Value, message: &str) -> String {
    let expected = match (default, value) {
        (Value::Integer(_), Value::Integer(number)) => return out_of_range(key, *number),
        (Value::String(_), Value::String(text)) => return none_of(text, message),
        (Value::Integer(_), _) => "a whole number",
        (Value::Float(_), _) => "a number",
        (Value::Boolean(_), _) => "true or false",
        (Value::String(_) | Value::Datetime(_), _) => "text in quotes",
        (Value::Array(_), _) => "a list in brackets",
        (Value::Table(_), _) => "a table",
    };
    match value {
        // what stands there may be the password itself
        _ if key == "store.password" => format!("{expected} is expected"),
        Value::Array(_) => format!("{expected} is expected, not a list"),
        Value::Table(_) => format!("{expected} is expected, not a table"),
        value => format!("{expected} is expected, not {value}"),
    }
}

/// A number that its type cannot hold is told as one that its range does not.
fn out_of_range(key: &str, number: i64) -> String {
    let Config { server, limits, tracing, .. } = Config::default();
    let ranges = [server.ranges(), limits.ranges(), tracing.ranges()].concat();
    match ranges.iter().find(|range| range.key == key) {
        Some(range) => format!("{number} is not in {} to {}", range.min, range.max),
        None if number < 0 => format!("{number} is less than 0"),
        None => format!("{number} is too large"),
    }
}

/// The message of serde has the names in backquotes, the wrong one first.
fn none_of(text: &str, message: &str) -> String {
    let names: Vec<String> = message.split('`').skip(3).step_by(2).map(|name| format!("{name:?}")).collect();
    if names.is_empty() { message.to_owned() } else { format!("{text:?} is none of {}", names.join(", ")) }
}

pub(super) fn one_line(error: &toml::de::Error) -> String {
    error.message().split_whitespace().collect::<Vec<_>>().join(" ")
}
