//! Where two answers differ, in words.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Characters of a value that are shown.
const MAX_VALUE: usize = 80;
/// Differences that are looked for.
const MAX_DIFFERENCES: usize = 1000;

/// The differences of two answers in the shape of the REST door, `[]` where there is none.
pub(super) fn differences(recorded: &Value, now: &Value) -> Vec<String> {
    let mut found = Found(Vec::new());
    found.values("answer", recorded, now);
    found.0
}

struct Found(Vec<String>);

impl Found {
    fn push(&mut self, path: &str, recorded: &str, now: &str) {
        if self.0.len() < MAX_DIFFERENCES {
            self.0.push(format!("{path}: {recorded} recorded, {now} now"));
        }
    }

    fn values(&mut self, path: &str, recorded: &Value, now: &Value) {
        match (recorded, now) {
            (Value::Object(a), Value::Object(b)) => self.objects(path, a, b),
            (Value::Array(a), Value::Array(b)) => match (rows_of(a), rows_of(b)) {
                (Some(a), Some(b)) => self.spans(path, &a, &b),
                _ => self.lists(path, a, b),
            },
            (a, b) if a == b => {}
            (a, b) => self.push(path, &shown(a), &shown(b)),
        }
    }

    fn objects(&mut self, path: &str, recorded: &Map<String, Value>, now: &Map<String, Value>) {
        for (key, a) in recorded {
            match now.get(key) {
                Some(b) => self.values(&format!("{path}.{key}"), a, b),
                None => self.push(&format!("{path}.{key}"), &shown(a), "nothing"),
            }
        }
        for (key, b) in now.iter().filter(|(key, _)| !recorded.contains_key(*key)) {
            self.push(&format!("{path}.{key}"), "nothing", &shown(b));
        }
    }

    fn lists(&mut self, path: &str, recorded: &[Value], now: &[Value]) {
        if recorded.len() != now.len() {
            self.push(path, &format!("{} items", recorded.len()), &format!("{} items", now.len()));
        }
        for (i, (a, b)) in recorded.iter().zip(now).enumerate() {
            self.values(&format!("{path}[{i}]"), a, b);
        }
    }

    /// Spans are the same span if they are made of the same rows, wherever they stand.
    fn spans(&mut self, path: &str, recorded: &Spans<'_>, now: &Spans<'_>) {
        if recorded.len() != now.len() {
            self.push(path, &format!("{} spans", recorded.len()), &format!("{} spans", now.len()));
        }
        for (rows, &(at, a)) in recorded {
            match now.get(rows) {
                Some(&(to, b)) => {
                    if at != to {
                        let path = format!("{path} of rows {rows}");
                        self.push(&path, &format!("place {at}"), &format!("place {to}"));
                    }
                    self.values(&format!("{path}[{at}]"), a, b);
                }
                None => self.push(&format!("{path}[{at}]"), &format!("a span of rows {rows}"), "none"),
            }
        }
        for (rows, (at, _)) in now.iter().filter(|(rows, _)| !recorded.contains_key(*rows)) {
            self.push(&format!("{path}[{at}]"), "none", &format!("a span of rows {rows}"));
        }
    }
}

/// Spans by the rows that they are made of, with their places.
type Spans<'a> = BTreeMap<String, (usize, &'a Value)>;

/// The items of a list, where they are spans, each of rows of its own.
fn rows_of(items: &[Value]) -> Option<Spans<'_>> {
    let mut spans = BTreeMap::new();
    for (at, item) in items.iter().enumerate() {
        let ids = item.get("_ids")?.as_array()?;
        let ids: Vec<&str> = ids.iter().filter_map(Value::as_str).collect();
        if spans.insert(ids.join("+"), (at, item)).is_some() {
            return None;
        }
    }
    Some(spans)
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(MAX_VALUE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_difference_has_its_path() {
        let recorded = json!({"a": 1, "b": [1, {"c": "x"}], "gone": null, "same": [true]});
        let now = json!({"a": 2, "b": [1, {"c": "y"}, 3], "new": 1.5, "same": [true]});
        let expected = [
            "answer.a: 1 recorded, 2 now",
            "answer.b: 2 items recorded, 3 items now",
            "answer.b[1].c: \"x\" recorded, \"y\" now",
            "answer.gone: null recorded, nothing now",
            "answer.new: nothing recorded, 1.5 now",
        ];
        assert_eq!(differences(&recorded, &now), expected);
        assert!(differences(&now, &now).is_empty());
    }

    #[test]
    fn spans_are_known_by_their_rows() {
        let span = |row: &str, name: &str| json!({"_ids": [row], "name": name});
        let recorded = json!([span("1", "a"), span("2", "b"), span("3", "c")]);
        let now = json!([span("1", "a"), span("3", "d"), span("4", "e")]);
        let expected = [
            "answer[1]: a span of rows 2 recorded, none now",
            "answer of rows 3: place 2 recorded, place 1 now",
            "answer[2].name: \"c\" recorded, \"d\" now",
            "answer[2]: none recorded, a span of rows 4 now",
        ];
        assert_eq!(differences(&recorded, &now), expected);
    }
}
