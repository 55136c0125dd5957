//! The cases: what is asked, what must be answered, and what counts as equal.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Keys of a search round that are measured. They are 0 in the files, and not compared.
const MEASURED: [&str; 2] = ["elapsed_us", "read_rows"];

/// How many faults of one comparison are shown: usually one is the cause of the others.
const SHOWN: usize = 3;

pub(crate) struct Case {
    pub(crate) name: String,
    /// The body of the REST door.
    pub(crate) request: Value,
    pub(crate) expected: Expected,
}

pub(crate) enum Expected {
    Answer(Value),
    Error(ExpectedError),
}

/// What a door must say of an error, in the order of the files.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectedError {
    pub(crate) code: String,
    pub(crate) reason: String,
    pub(crate) http: u16,
    pub(crate) opt_status: String,
    pub(crate) violations: Vec<Violation>,
}

#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Violation {
    pub(crate) field: String,
    pub(crate) description: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    about: String,
    request: Value,
    answer: Option<Value>,
    error: Option<ExpectedError>,
}

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance")
}

/// The files, by name.
pub(crate) fn files() -> Vec<PathBuf> {
    let entries = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "json")).collect();
    files.sort_by_key(|path| name(path));
    assert!(!files.is_empty(), "no cases in {}", folder().display());
    files
}

pub(crate) fn all() -> Vec<Case> {
    files()
        .iter()
        .map(|path| read(path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display())))
        .collect()
}

/// The name of a case: that of its file, without the ending.
fn name(path: &Path) -> String {
    path.file_stem().unwrap().to_str().unwrap().to_owned()
}

fn read(path: &Path) -> Result<Case, String> {
    let text = fs::read_to_string(path).map_err(|e| e.to_string())?;
    let File { about, request, answer, error } = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    if about.is_empty() {
        return Err("about is empty".to_owned());
    }
    let expected = match (answer, error) {
        (Some(answer), None) => Expected::Answer(answer),
        (None, Some(error)) => Expected::Error(error),
        _ => return Err("either an answer or an error is expected".to_owned()),
    };
    Ok(Case { name: name(path), request, expected })
}

/// What a door has given.
pub(crate) enum Given {
    Answer(Value),
    Error(ExpectedError),
}

impl Case {
    /// Whether a door has given what the case expects.
    pub(crate) fn compare(&self, given: Given) -> Result<(), String> {
        match (&self.expected, given) {
            (Expected::Answer(expected), Given::Answer(mut given)) => {
                forget_measured(&mut given)?;
                compare(expected, &given)
            }
            (Expected::Error(expected), Given::Error(given)) => {
                let value = |error| serde_json::to_value(error).unwrap();
                compare(&value(expected), &value(&given))
            }
            (Expected::Answer(_), Given::Error(error)) => {
                Err(format!("an answer is expected, not {error:?}"))
            }
            (Expected::Error(_), Given::Answer(_)) => Err("an error is expected, not an answer".to_owned()),
        }
    }

    /// Checks that the expected answer makes sense. The server wrote it, and is later compared with it: a fault
    /// that the server had at that time would not be seen otherwise.
    pub(crate) fn makes_sense(&self) -> Result<(), String> {
        let Expected::Answer(answer) = &self.expected else { return Ok(()) };
        let list = |value: &Value| value.as_array().cloned().ok_or_else(|| format!("no list: {value}"));
        let spans = list(&answer["DATA"]["tracing"])?;
        let mut above = BTreeSet::from([""]);
        for span in &spans {
            let id = |key: &str| span[key].as_str().ok_or_else(|| format!("{key} of {span}"));
            let (own, parent) = (id("deepflow_span_id")?, id("deepflow_parent_span_id")?);
            if !above.contains(parent) {
                return Err(format!("{own:?} stands before its parent {parent:?}, or without it"));
            }
            if !above.insert(own) {
                return Err(format!("{own:?} is there twice"));
            }
        }
        let given: Vec<&Value> = spans.iter().filter(|span| span["signal_source"] == 4).collect();
        let asked = list(&self.request["app_spans"])?;
        if given.len() != asked.len() {
            return Err(format!("{} spans were asked for, {} came back", asked.len(), given.len()));
        }
        for span in &asked {
            // The span's kind is shown as its observation point.
            let same = |key: &str, found: &Value| key == "span_kind" || found[key] == span[key];
            let keys = span.as_object().ok_or("a span that is no object")?;
            if !given.iter().any(|found| keys.keys().all(|key| same(key, found))) {
                return Err(format!("a span did not come back: {span}"));
            }
        }
        Ok(())
    }
}

fn forget_measured(answer: &mut Value) -> Result<(), String> {
    let Some(rounds) = answer.pointer_mut("/DATA/explanation/search").and_then(Value::as_array_mut) else {
        return Ok(());
    };
    for round in rounds {
        for key in MEASURED {
            match round.get_mut(key) {
                Some(value) if value.is_u64() => *value = 0.into(),
                other => return Err(format!("{key} of a search round is {other:?}")),
            }
        }
    }
    Ok(())
}

/// Checks that two values are equal, with the same keys.
pub(crate) fn compare(expected: &Value, given: &Value) -> Result<(), String> {
    let mut faults = Vec::new();
    differences("", expected, given, &mut faults);
    if faults.is_empty() {
        return Ok(());
    }
    let more = faults.len().saturating_sub(SHOWN);
    faults.truncate(SHOWN);
    Err(faults.join("; ") + &if more > 0 { format!("; and {more} more") } else { String::new() })
}

fn differences(path: &str, expected: &Value, given: &Value, faults: &mut Vec<String>) {
    match (expected, given) {
        (Value::Object(e), Value::Object(g)) => {
            for key in e.keys().chain(g.keys().filter(|key| !e.contains_key(*key))) {
                match (e.get(key), g.get(key)) {
                    (Some(e), Some(g)) => differences(&format!("{path}.{key}"), e, g, faults),
                    (Some(_), None) => faults.push(format!("{path}.{key} is missing")),
                    _ => faults.push(format!("{path}.{key} is not expected")),
                }
            }
        }
        (Value::Array(e), Value::Array(g)) => {
            if e.len() != g.len() {
                faults.push(format!("{path} has {} items, not {}", g.len(), e.len()));
            }
            for (i, (e, g)) in e.iter().zip(g).enumerate() {
                differences(&format!("{path}[{i}]"), e, g, faults);
            }
        }
        _ if expected == given => {}
        _ => faults.push(format!("{path} is {given}, not {expected}")),
    }
}

/// The name of a gRPC code as the specification of gRPC writes it.
pub(crate) fn code_name(code: tonic::Code) -> String {
    let mut name = String::new();
    for c in format!("{code:?}").chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    name
}

/// Whether the text of an error says the violations that its details list.
pub(crate) fn check_message(message: &str, violations: &[Violation]) -> Result<(), String> {
    let texts: Vec<String> = violations.iter().map(|v| format!("{}: {}", v.field, v.description)).collect();
    let expected = texts.join("; ");
    if message == expected { Ok(()) } else { Err(format!("the message is {message:?}, not {expected:?}")) }
}
