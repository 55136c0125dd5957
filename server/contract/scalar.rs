//! One value of a REST body, as the field that it is for can use it. It is read from its own text: a value
//! that JSON's grammar allows but no type of ours holds, such as 1e999, is a fault of its field only.

use serde_json::value::RawValue;

use super::validate::{KINDS, quote};
use crate::flow::SpanKind;

/// Floats above this, 2^53, cannot represent every integer.
const EXACT_FLOAT: f64 = 9_007_199_254_740_992.0;
/// The first integer that i64 cannot hold: 2^63.
const END_OF_INTEGERS: f64 = 9_223_372_036_854_775_808.0;
/// Characters of a number that a message shows.
const MAX_DIGITS: usize = 40;

/// A JSON value as far as a field can use it.
pub(super) enum Scalar<'a> {
    Null,
    Bool(bool),
    /// As the caller wrote it.
    Number(&'a str),
    Text(String),
    /// A string that holds only one half of a surrogate pair, which is no text.
    NoText,
    List,
    Object,
}

impl<'a> Scalar<'a> {
    /// Tells what a value is. Its grammar has been checked before.
    pub(super) fn read(value: &'a RawValue) -> Self {
        let text = value.get();
        match text.as_bytes().first() {
            Some(b'n') => Scalar::Null,
            Some(b't' | b'f') => Scalar::Bool(text == "true"),
            Some(b'"') => serde_json::from_str(text).map_or(Scalar::NoText, Scalar::Text),
            Some(b'[') => Scalar::List,
            Some(b'{') => Scalar::Object,
            _ => Scalar::Number(text),
        }
    }

    fn what(&self) -> &'static str {
        match self {
            Scalar::Null => "null",
            Scalar::Bool(_) => "a boolean",
            Scalar::Number(_) => "a number",
            Scalar::Text(_) | Scalar::NoText => "a string",
            Scalar::List => "a list",
            Scalar::Object => "an object",
        }
    }

    fn null<T>(required: bool) -> Result<Option<T>, String> {
        if required { Err("required".to_owned()) } else { Ok(None) }
    }

    pub(super) fn text(self, required: bool) -> Result<Option<String>, String> {
        match self {
            Scalar::Text(text) => Ok(Some(text)),
            Scalar::NoText => Err("a surrogate (\\ud800 to \\udfff) without its other half".to_owned()),
            Scalar::Null => Self::null(required),
            other => Err(format!("{}, a string is expected", other.what())),
        }
    }

    pub(super) fn int(self, required: bool) -> Result<Option<i64>, String> {
        match self {
            Scalar::Null => Self::null(required),
            Scalar::Number(text) => number(text).map(Some),
            Scalar::Text(text) if is_integer(&text) => number(&text).map(Some),
            Scalar::Text(text) => Err(format!("{} is not an integer", quote(&text))),
            other => Err(format!("{}, an integer is expected", other.what())),
        }
    }

    /// An optional flag; null is absent, and absent is false.
    pub(super) fn flag(self) -> Result<bool, String> {
        match self {
            Scalar::Null => Ok(false),
            Scalar::Bool(set) => Ok(set),
            other => Err(format!("{}, true or false is expected", other.what())),
        }
    }

    pub(super) fn kind(self) -> Result<Option<i64>, String> {
        match self {
            Scalar::Text(text) => match SpanKind::from_name(&text) {
                Some(kind) => Ok(Some(kind as i64)),
                None => Scalar::Text(text).int(true).map_err(|fault| format!("{fault}: {KINDS}")),
            },
            other => other.int(true),
        }
    }
}

/// The integer that a JSON number is.
fn number(text: &str) -> Result<i64, String> {
    if let Ok(value) = text.parse() {
        return Ok(value);
    }
    // For an integer that is too large, the nearest float is enough to say on which side it is. Rust reads every number
    // that JSON allows; one that is too large becomes infinite.
    let value: f64 = text.parse().unwrap_or(f64::NAN);
    let too_far = value.abs() > END_OF_INTEGERS || is_integer(text);
    match value {
        _ if value.fract() == 0.0 && value.abs() <= EXACT_FLOAT => Ok(value as i64),
        _ if too_far && value > 0.0 => Err(format!("{} is more than {}", cut(text), i64::MAX)),
        _ if too_far => Err(format!("{} is less than {}", cut(text), i64::MIN)),
        _ => Err(format!("{} is not an exact integer", cut(text))),
    }
}

/// A number, cut so that a message can show it. All its characters are ASCII.
fn cut(text: &str) -> String {
    match text.get(..MAX_DIGITS) {
        Some(start) if start.len() < text.len() => format!("{start}…"),
        _ => text.to_owned(),
    }
}

/// Whether the text of a string is an integer as proto3 JSON quotes it: a JSON integer, and nothing else.
fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits == "0"
        || (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0'))
}
