//! A case as text that people and `git diff` can read: a line for each row, question and span.

use serde_json::Value;

/// A JSON object of these members. Lists of objects, and what holds such lists, get a line for each item.
pub(super) fn lay_out(members: &[(&str, Value)]) -> String {
    let mut out = String::from("{\n");
    for (i, (name, value)) in members.iter().enumerate() {
        member(&mut out, name, value, i + 1 < members.len());
    }
    out.push_str("}\n");
    out
}

fn member(out: &mut String, name: &str, value: &Value, more: bool) {
    out.push_str(&Value::from(name).to_string());
    out.push_str(": ");
    any(out, value);
    out.push_str(if more { ",\n" } else { "\n" });
}

fn any(out: &mut String, value: &Value) {
    match value {
        Value::Object(members) if members.values().any(is_tall) => {
            out.push_str("{\n");
            for (i, (name, value)) in members.iter().enumerate() {
                member(out, name, value, i + 1 < members.len());
            }
            out.push('}');
        }
        Value::Array(items) if is_tall(value) => {
            out.push_str("[\n");
            for (i, item) in items.iter().enumerate() {
                out.push_str(&item.to_string());
                out.push_str(if i + 1 < items.len() { ",\n" } else { "\n" });
            }
            out.push(']');
        }
        flat => out.push_str(&flat.to_string()),
    }
}

/// Whether a value takes several lines.
fn is_tall(value: &Value) -> bool {
    match value {
        Value::Array(items) => !items.is_empty() && items.iter().all(Value::is_object),
        Value::Object(members) => members.values().any(is_tall),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_for_each_item() {
        let answer = json!({"DATA": {"tracing": [{"a": [1, 2]}, {"b": [{}]}], "none": [], "x": {}}});
        let text = lay_out(&[("version", json!(1)), ("answer", answer.clone())]);
        let expected = r#"{
"version": 1,
"answer": {
"DATA": {
"none": [],
"tracing": [
{"a":[1,2]},
{"b":[{}]}
],
"x": {}
}
}
}
"#;
        assert_eq!(text, expected);
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read, json!({"version": 1, "answer": answer}));
    }
}
