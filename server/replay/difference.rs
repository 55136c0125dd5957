//! Where two answers differ, in words.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

/// Most characters of a value that are shown.
const MAX_VALUE: usize = 80;
/// Most differences that are listed.
const MAX_DIFFERENCES: usize = 1000;

/// Keys of a span that are numbers of spans: one more span changes them everywhere.
const NUMBERING: [&str; 3] = ["deepflow_span_id", "deepflow_parent_span_id", "related_ids"];

/// The differences of two answers in the shape of the REST door. Differences that follow from others, such as
/// the places of spans after a missing one, are left out unless there are no others.
pub(super) fn differences(recorded: &Value, now: &Value) -> Vec<String> {
    if recorded == now {
        return Vec::new();
    }
    let mut found = Differences { list: Vec::new(), all: false };
    found.values("answer", recorded, now);
    if found.list.is_empty() {
        found.all = true;
        found.values("answer", recorded, now);
    }
    found.list
}

struct Differences {
    list: Vec<String>,
    /// Also those that follow from others.
    all: bool,
}

impl Differences {
    fn push(&mut self, path: &str, recorded: &str, now: &str) {
        if self.list.len() < MAX_DIFFERENCES {
            self.list.push(format!("{path}: {recorded} recorded, {now} now"));
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
            if !self.all && (key == "explanation" || NUMBERING.contains(&key.as_str())) {
                continue;
            }
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

    /// Spans are the same span if they are made of the same rows, at whatever place they are.
    fn spans(&mut self, path: &str, recorded: &Spans<'_>, now: &Spans<'_>) {
        if recorded.len() != now.len() {
            self.push(path, &format!("{} spans", recorded.len()), &format!("{} spans", now.len()));
        }
        let (rows_then, rows_now) = (rows_by_id(recorded), rows_by_id(now));
        for (rows, &(at, a)) in recorded {
            match now.get(rows) {
                Some(&(to, b)) => {
                    let parents = (parent_of(a, &rows_then), parent_of(b, &rows_now));
                    if parents.0 != parents.1 {
                        self.push(&format!("{path}[{at}] parent"), &parents.0, &parents.1);
                    }
                    if self.all && at != to {
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

/// The items of a list, if they are spans, each made of different rows.
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

/// The rows of spans, by id.
fn rows_by_id<'a>(spans: &'a Spans<'_>) -> HashMap<&'a str, &'a str> {
    let id = |span: &'a Value| span["deepflow_span_id"].as_str().unwrap_or_default();
    spans.iter().map(|(rows, (_, span))| (id(span), rows.as_str())).collect()
}

/// The parent of a span, by its rows.
fn parent_of(span: &Value, rows_by_id: &HashMap<&str, &str>) -> String {
    match span["deepflow_parent_span_id"].as_str().unwrap_or_default() {
        "" => "none".to_owned(),
        id => match rows_by_id.get(id) {
            Some(rows) => format!("the span of rows {rows}"),
            None => format!("{id:?}"),
        },
    }
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
            "answer[2].name: \"c\" recorded, \"d\" now",
            "answer[2]: none recorded, a span of rows 4 now",
        ];
        assert_eq!(differences(&recorded, &now), expected);
    }

    #[test]
    fn what_follows_from_a_difference_does_not_hide_it() {
        let span = |row: &str, id: &str, parent: &str| json!({"_ids": [row], "deepflow_span_id": id, "deepflow_parent_span_id": parent, "related_ids": [id]});
        let recorded = json!([span("1", "a.0", ""), span("2", "b.1", "a.0"), span("3", "c.2", "b.1")]);
        let now = json!([span("2", "b.0", ""), span("3", "c.1", "b.0"), span("1", "a.2", "c.1")]);
        let expected = [
            "answer[0] parent: none recorded, the span of rows 3 now",
            "answer[1] parent: the span of rows 1 recorded, none now",
        ];
        assert_eq!(differences(&recorded, &now), expected);
        let renamed = json!([span("1", "a.0", ""), span("2", "b.x", "a.0"), span("3", "c.2", "b.x")]);
        let expected = [
            "answer[1].deepflow_span_id: \"b.1\" recorded, \"b.x\" now",
            "answer[1].related_ids[0]: \"b.1\" recorded, \"b.x\" now",
            "answer[2].deepflow_parent_span_id: \"b.1\" recorded, \"b.x\" now",
        ];
        assert_eq!(differences(&recorded, &renamed), expected);
    }
}
