//! Reads the body of a REST request (api section 3), strictly and in one pass: duplicates and unknown
//! keys are seen, because nothing goes through a map first, and what is refused is not kept in memory.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::proto::CompleteTraceRequest;
use super::validate::{Checked, Draft, KINDS, Numbers, Rules, SpanDraft, Spelling, Violations, quote};
use crate::flow::{CompletionRequest, SpanKind};

/// Integers beyond this have no exact float: 2^53.
const EXACT_FLOAT: f64 = 9_007_199_254_740_992.0;

/// Validates the body of a REST request.
pub fn body(bytes: &[u8], rules: Rules<'_>) -> Result<CompletionRequest, Violations> {
    Ok(read(bytes, rules)?.request(rules))
}

/// Validates the same body for sending it on over gRPC. What it leaves out is left to the server.
pub fn message(bytes: &[u8], rules: Rules<'_>) -> Result<CompleteTraceRequest, Violations> {
    Ok(read(bytes, rules)?.message())
}

fn read(bytes: &[u8], rules: Rules<'_>) -> Result<Checked, Violations> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Violations::one("", "the body is empty, a JSON object is expected"));
    }
    let text = std::str::from_utf8(bytes).map_err(|e| {
        Violations::one("", format!("the body is not UTF-8: invalid byte at offset {}", e.valid_up_to()))
    })?;
    let mut reader =
        Reader { draft: Draft::new(rules), numbers: Numbers::default(), names: Spelling::default() };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    // The visitors refuse nothing by error, so that an error is one of syntax, with line and column.
    Top(&mut reader)
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end())
        .map_err(|e| Violations::one("", format!("the body is not JSON: {e}")))?;
    reader.draft.finish(reader.numbers, reader.names)
}

struct Reader<'a> {
    draft: Draft<'a>,
    numbers: Numbers,
    names: Spelling,
}

/// A field of the body or of a span: its accepted spellings and whether it must be there.
struct Field {
    spellings: &'static [&'static str],
    required: bool,
}

const fn field(spellings: &'static [&'static str], required: bool) -> Field {
    Field { spellings, required }
}

const BODY: [Field; 5] = [
    field(&["app_spans", "APP_SPANS"], true),
    field(&["max_iteration", "MAX_ITERATION"], false),
    field(&["network_delay_us", "NETWORK_DELAY_US"], false),
    field(&["host_clock_offset_us"], false),
    field(&["explain"], false),
];
const SPAN: [Field; 9] = [
    field(&["trace_id"], true),
    field(&["span_id"], true),
    field(&["parent_span_id"], true),
    field(&["span_kind"], true),
    field(&["start_time_us"], true),
    field(&["end_time_us"], true),
    field(&["name"], false),
    field(&["app_service"], false),
    field(&["app_instance"], false),
];

/// Keys of one object, as they come: which field each is, and what is wrong with it.
struct Keys<const N: usize> {
    fields: &'static [Field; N],
    seen: [Option<&'static str>; N],
}

enum Key {
    /// Read the value as this field, spelt so.
    Field(usize, &'static str),
    /// Skip the value.
    Refused,
}

impl<const N: usize> Keys<N> {
    fn new(fields: &'static [Field; N]) -> Self {
        Keys { fields, seen: [None; N] }
    }

    /// What to do with a key of the object at `prefix`, which is empty or ends with a dot.
    fn key(&mut self, prefix: &str, key: &str, violations: &mut Violations) -> Key {
        let found = self.fields.iter().enumerate().find_map(|(i, field)| {
            field.spellings.iter().find(|&&spelling| spelling == key).map(|&spelling| (i, spelling))
        });
        let Some((i, spelling)) = found else {
            violations.push(format!("{prefix}{}", path_part(key)), "unknown field");
            return Key::Refused;
        };
        match self.seen[i].replace(spelling) {
            None => return Key::Field(i, spelling),
            Some(before) if before == spelling => {
                violations.push(format!("{prefix}{spelling}"), "given more than once");
            }
            Some(before) => {
                violations
                    .push(format!("{prefix}{spelling}"), format!("given more than once, also as {before}"));
            }
        }
        Key::Refused
    }

    /// Reports the required fields of the object at `prefix` that did not come.
    fn finish(&self, prefix: &str, violations: &mut Violations) {
        for (field, seen) in self.fields.iter().zip(self.seen) {
            if field.required && seen.is_none() {
                violations.push(format!("{prefix}{}", field.spellings[0]), "required");
            }
        }
    }
}

/// An unknown key as part of a path: bare where it looks like one of ours, else quoted and cut.
fn path_part(key: &str) -> String {
    let plain = (1..=40).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if plain { key.to_owned() } else { quote(key) }
}

/// Implements the visits of values that are not what a visitor wants.
macro_rules! refuse {
    ($($visit:ident($value:ty) $what:literal),* $(,)?) => {
        $(fn $visit<E>(self, _: $value) -> Result<(), E> {
            self.refuse($what);
            Ok(())
        })*
        fn visit_unit<E>(self) -> Result<(), E> {
            self.refuse("null");
            Ok(())
        }
    };
}

/// The whole body.
struct Top<'r, 'a>(&'r mut Reader<'a>);

impl Top<'_, '_> {
    fn refuse(self, what: &str) {
        self.0.draft.violations.push("", format!("the body is {what}, a JSON object is expected"));
    }
}

impl<'de> DeserializeSeed<'de> for Top<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Top<'_, '_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    refuse! { visit_bool(bool) "a boolean", visit_i64(i64) "a number", visit_u64(u64) "a number",
    visit_f64(f64) "a number", visit_str(&str) "a string" }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        self.refuse("a list");
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Reader { draft, numbers, names } = self.0;
        let mut keys = Keys::new(&BODY);
        while let Some(key) = map.next_key::<String>()? {
            let Key::Field(i, spelling) = keys.key("", &key, &mut draft.violations) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let target = match i {
                0 => {
                    names.app_spans = spelling;
                    map.next_value_seed(Spans { draft, path: spelling })?;
                    continue;
                }
                1 => {
                    names.max_iteration = spelling;
                    &mut numbers.max_iteration
                }
                2 => {
                    names.network_delay_us = spelling;
                    &mut numbers.network_delay_us
                }
                3 => &mut numbers.host_clock_offset_us,
                _ => {
                    match map.next_value_seed(Value)?.flag() {
                        Ok(explain) => numbers.explain = explain,
                        Err(fault) => draft.violations.push(spelling, fault),
                    }
                    continue;
                }
            };
            *target = map.next_value_seed(Value)?.int(false).unwrap_or_else(|fault| {
                draft.violations.push(spelling, fault);
                None
            });
        }
        keys.finish("", &mut draft.violations);
        Ok(())
    }
}

/// The list of spans.
struct Spans<'r, 'a> {
    draft: &'r mut Draft<'a>,
    path: &'static str,
}

impl Spans<'_, '_> {
    fn refuse(self, what: &str) {
        let message =
            if what == "null" { "required".to_owned() } else { format!("{what}, a list is expected") };
        self.draft.violations.push(self.path, message);
    }
}

impl<'de> DeserializeSeed<'de> for Spans<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Spans<'_, '_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }
    refuse! { visit_bool(bool) "a boolean", visit_i64(i64) "a number", visit_u64(u64) "a number",
    visit_f64(f64) "a number", visit_str(&str) "a string" }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        self.refuse("an object");
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let begin = self.draft.violations.list.len();
        let mut count = 0;
        while count < self.draft.max_spans() {
            let path = format!("{}[{count}]", self.path);
            if items.next_element_seed(OneSpan { draft: self.draft, path })?.is_none() {
                break;
            }
            count += 1;
        }
        while items.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        self.draft.span_count(self.path, count, begin);
        Ok(())
    }
}

/// One span.
struct OneSpan<'r, 'a> {
    draft: &'r mut Draft<'a>,
    path: String,
}

impl OneSpan<'_, '_> {
    fn refuse(self, what: &str) {
        self.draft.violations.push(self.path, format!("{what}, an object is expected"));
    }
}

impl<'de> DeserializeSeed<'de> for OneSpan<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for OneSpan<'_, '_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    refuse! { visit_bool(bool) "a boolean", visit_i64(i64) "a number", visit_u64(u64) "a number",
    visit_f64(f64) "a number", visit_str(&str) "a string" }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        self.refuse("a list");
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let OneSpan { draft, path } = self;
        let prefix = format!("{path}.");
        let mut keys = Keys::new(&SPAN);
        let mut span = SpanDraft::default();
        while let Some(key) = map.next_key::<String>()? {
            let Key::Field(i, name) = keys.key(&prefix, &key, &mut draft.violations) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value = map.next_value_seed(Value)?;
            let required = SPAN[i].required;
            let read = match i {
                0 => value.text(required).map(|v| span.trace_id = v),
                1 => value.text(required).map(|v| span.span_id = v),
                2 => value.text(required).map(|v| span.parent_span_id = v),
                3 => value.kind().map(|v| span.span_kind = v),
                4 => value.int(required).map(|v| span.start_time_us = v),
                5 => value.int(required).map(|v| span.end_time_us = v),
                6 => value.text(required).map(|v| span.name = v),
                7 => value.text(required).map(|v| span.app_service = v),
                _ => value.text(required).map(|v| span.app_instance = v),
            };
            if let Err(fault) = read {
                draft.violations.push(format!("{prefix}{name}"), fault);
            }
        }
        keys.finish(&prefix, &mut draft.violations);
        draft.span(&path, span);
        Ok(())
    }
}

/// A JSON value as far as a field can use it.
enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    /// An integer beyond i64.
    Large(u64),
    Float(f64),
    Text(String),
    List,
    Object,
}

impl Scalar {
    fn what(&self) -> &'static str {
        match self {
            Scalar::Null => "null",
            Scalar::Bool(_) => "a boolean",
            Scalar::Int(_) | Scalar::Large(_) | Scalar::Float(_) => "a number",
            Scalar::Text(_) => "a string",
            Scalar::List => "a list",
            Scalar::Object => "an object",
        }
    }

    fn null<T>(required: bool) -> Result<Option<T>, String> {
        if required { Err("required".to_owned()) } else { Ok(None) }
    }

    fn text(self, required: bool) -> Result<Option<String>, String> {
        match self {
            Scalar::Text(text) => Ok(Some(text)),
            Scalar::Null => Self::null(required),
            other => Err(format!("{}, a string is expected", other.what())),
        }
    }

    fn int(self, required: bool) -> Result<Option<i64>, String> {
        match self {
            Scalar::Null => Self::null(required),
            Scalar::Int(value) => Ok(Some(value)),
            Scalar::Large(value) => Err(format!("{value} is more than {}", i64::MAX)),
            Scalar::Float(value) if value.fract() == 0.0 && value.abs() <= EXACT_FLOAT => {
                Ok(Some(value as i64))
            }
            Scalar::Float(value) => Err(format!("{value:?} is not an exact integer")),
            Scalar::Text(text) => match decimal(&text) {
                Some(value) => Ok(Some(value)),
                None => Err(format!("{} is not an integer", quote(&text))),
            },
            other => Err(format!("{}, an integer is expected", other.what())),
        }
    }

    /// An optional flag; null is absent, and absent is false.
    fn flag(self) -> Result<bool, String> {
        match self {
            Scalar::Null => Ok(false),
            Scalar::Bool(set) => Ok(set),
            other => Err(format!("{}, true or false is expected", other.what())),
        }
    }

    fn kind(self) -> Result<Option<i64>, String> {
        match self {
            Scalar::Text(text) => match SpanKind::from_name(&text) {
                Some(kind) => Ok(Some(kind as i64)),
                None => Scalar::Text(text).int(true).map_err(|fault| format!("{fault}: {KINDS}")),
            },
            other => other.int(true),
        }
    }
}

/// A quoted integer as proto3 JSON has it: a JSON integer between quotes, and nothing else.
fn decimal(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits == "0" || (digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

/// Reads any value as a [`Scalar`].
struct Value;

impl<'de> DeserializeSeed<'de> for Value {
    type Value = Scalar;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Scalar, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value {
    type Value = Scalar;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::Null)
    }
    fn visit_bool<E>(self, set: bool) -> Result<Scalar, E> {
        Ok(Scalar::Bool(set))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Scalar, E> {
        Ok(Scalar::Int(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Scalar, E> {
        Ok(i64::try_from(value).map_or(Scalar::Large(value), Scalar::Int))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Scalar, E> {
        Ok(Scalar::Float(value))
    }
    fn visit_str<E>(self, value: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(value.to_owned()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Scalar, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::List)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Object)
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
