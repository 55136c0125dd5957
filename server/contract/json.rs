//! Reads the body of a REST request (api section 3), strictly and in one pass: duplicates and unknown
//! keys are seen, because nothing goes through a map first, and what is refused is not kept in memory.
//! What is no JSON at all ends the reading; its fault has the path that was being read, and stands after
//! those that were found before it.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{
    proto::CompleteTraceRequest,
    scalar::Scalar,
    validate::{Checked, Draft, Numbers, Rules, SpanDraft, Spelling, quote},
    violations::{Violation, Violations},
};
use crate::flow::CompletionRequest;

/// Validates the body of a REST request.
pub fn body(bytes: &[u8], rules: Rules<'_>) -> Result<CompletionRequest, Violations> {
    Ok(read(bytes, rules)?.request(rules))
}

/// Validates the same body and makes the gRPC message of it. Values that the body leaves out are left out here too, so
/// that the server fills in its own.
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
    let mut reader = Reader {
        draft: Draft::new(rules),
        numbers: Numbers::default(),
        names: Spelling::default(),
        stopped: Stopped::default(),
    };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    // The visitors never return an error of their own, so every error is one of syntax, with line and column.
    let read = Top(&mut reader).deserialize(&mut deserializer).and_then(|()| deserializer.end());
    let fault = read.err().map(|e| {
        let path = reader.stopped.0.unwrap_or_default();
        let what = match path.as_str() {
            "" => "the body".to_owned(),
            _ => refused_word(text, &e).unwrap_or_else(|| "this".to_owned()),
        };
        Violation { path, message: format!("{what} is not JSON: {e}") }
    });
    let read = reader.draft.finish(reader.numbers, reader.names);
    match fault {
        None => read,
        Some(fault) => {
            let mut violations = read.err().unwrap_or_default();
            violations.push_last(fault);
            Err(violations)
        }
    }
}

/// The word that stands in the place of a value, such as NaN, quoted.
fn refused_word(text: &str, error: &serde_json::Error) -> Option<String> {
    let said = error.to_string();
    if !["expected value", "expected ident", "invalid number"].iter().any(|kind| said.starts_with(kind)) {
        return None;
    }
    // Line and column count from 1, and the column counts bytes.
    let line = text.split('\n').nth(error.line().checked_sub(1)?)?;
    let at = error.column().checked_sub(1)?;
    let part = |b: &&u8| b.is_ascii_alphanumeric() || b"_+-.".contains(b);
    let before = line.as_bytes().get(..at)?.iter().rev().take_while(part).count();
    let behind = line.as_bytes().get(at..)?.iter().take_while(part).count();
    line.get(at - before..at + behind).filter(|word| !word.is_empty()).map(quote)
}

struct Reader<'a> {
    draft: Draft<'a>,
    numbers: Numbers,
    names: Spelling,
    stopped: Stopped,
}

/// The path that was being read when the JSON broke off.
#[derive(Default)]
struct Stopped(Option<String>);

impl Stopped {
    /// Notes the path where reading failed. The innermost reader notes it first.
    fn at<T, E>(&mut self, read: Result<T, E>, path: impl FnOnce() -> String) -> Result<T, E> {
        read.inspect_err(|_| {
            self.0.get_or_insert_with(path);
        })
    }
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

    /// Reports the required fields that the object at `prefix` lacks.
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
        let Reader { draft, numbers, names, stopped } = self.0;
        let mut keys = Keys::new(&BODY);
        while let Some(key) = map.next_key::<String>()? {
            let Key::Field(i, spelling) = keys.key("", &key, &mut draft.violations) else {
                stopped.at(map.next_value::<IgnoredAny>(), || path_part(&key))?;
                continue;
            };
            if i == 0 {
                names.app_spans = spelling;
                let spans = Spans { draft, stopped, path: spelling };
                let read = map.next_value_seed(spans);
                stopped.at(read, || spelling.to_owned())?;
                continue;
            }
            let value = Scalar::read(stopped.at(map.next_value::<&RawValue>(), || spelling.to_owned())?);
            let read = match i {
                1 => {
                    names.max_iteration = spelling;
                    value.int(false).map(|v| numbers.max_iteration = v)
                }
                2 => {
                    names.network_delay_us = spelling;
                    value.int(false).map(|v| numbers.network_delay_us = v)
                }
                3 => value.int(false).map(|v| numbers.host_clock_offset_us = v),
                _ => value.flag().map(|v| numbers.explain = v),
            };
            if let Err(fault) = read {
                draft.violations.push(spelling, fault);
            }
        }
        keys.finish("", &mut draft.violations);
        Ok(())
    }
}

/// The list of spans.
struct Spans<'r, 'a> {
    draft: &'r mut Draft<'a>,
    stopped: &'r mut Stopped,
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
            let path = || format!("{}[{count}]", self.path);
            let span = OneSpan { draft: self.draft, stopped: self.stopped, path: path() };
            let read = items.next_element_seed(span);
            if self.stopped.at(read, path)?.is_none() {
                break;
            }
            count += 1;
        }
        while let read = items.next_element::<IgnoredAny>()
            && self.stopped.at(read, || format!("{}[{count}]", self.path))?.is_some()
        {
            count += 1;
        }
        self.draft.span_count(self.path, count, begin);
        Ok(())
    }
}

/// One span.
struct OneSpan<'r, 'a> {
    draft: &'r mut Draft<'a>,
    stopped: &'r mut Stopped,
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
        let mut span = SpanDraft::default();
        let OneSpan { draft, stopped, path } = self;
        let read = read_span(&mut map, &path, &mut span, draft, stopped);
        // The fields that were read before the JSON broke off are checked too.
        draft.span(&path, span);
        read
    }
}

fn read_span<'de, A: MapAccess<'de>>(
    map: &mut A,
    path: &str,
    span: &mut SpanDraft,
    draft: &mut Draft<'_>,
    stopped: &mut Stopped,
) -> Result<(), A::Error> {
    let prefix = format!("{path}.");
    let mut keys = Keys::new(&SPAN);
    while let Some(key) = map.next_key::<String>()? {
        let Key::Field(i, name) = keys.key(&prefix, &key, &mut draft.violations) else {
            stopped.at(map.next_value::<IgnoredAny>(), || format!("{prefix}{}", path_part(&key)))?;
            continue;
        };
        let value = Scalar::read(stopped.at(map.next_value::<&RawValue>(), || format!("{prefix}{name}"))?);
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
    Ok(())
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
