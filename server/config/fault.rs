//! Explains an error of the TOML reader in words that name the key and no type of Rust.

use serde_path_to_error::Segment;
use toml::{Table, Value};

use super::{check::Ranges, tables::Config};

/// Path of the key that an error is about, and what is wrong with its value in this table.
pub(super) fn explain(
    error: &serde_path_to_error::Error<toml::de::Error>,
    table: &Table,
) -> (String, String) {
    let path = error.path();
    // Lists hold texts, so an element is checked like a key whose default is a text.
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
        (Value::Integer(_), Value::Integer(number)) => return out_of_range(key, *number, message),
        (Value::String(_), Value::String(text)) => return none_of(text, message),
        (Value::Integer(_), _) => "a whole number",
        (Value::Float(_), _) => "a number",
        (Value::Boolean(_), _) => "true or false",
        (Value::String(_) | Value::Datetime(_), _) => "text in quotes",
        (Value::Array(_), _) => "a list in brackets",
        (Value::Table(_), _) => "a table",
    };
    match value {
        // The value may be the password itself.
        _ if key == "store.password" => format!("{expected} is expected"),
        Value::Array(_) => format!("{expected} is expected, not a list"),
        Value::Table(_) => format!("{expected} is expected, not a table"),
        value => format!("{expected} is expected, not {value}"),
    }
}

/// A number that does not fit its type gets the same words as one outside of its range.
fn out_of_range(key: &str, number: i64, message: &str) -> String {
    let ranges = Config::default().ranges();
    match ranges.iter().find(|range| range.key == key) {
        Some(range) => range.problem(number),
        None => message.to_owned(),
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
