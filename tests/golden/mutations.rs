//! Whether our comparison of answers judges well. Right answers are changed in many ways. The original's own
//! comparison, which is written in another language, has said of each change whether the answer is still right.
//! Some mutations change the expected answer instead, to try exceptions that no recorded case needs.

use std::collections::BTreeMap;

use libtest_mimic::Failed;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    answer_in_memory,
    support::compare::{canonical, differences},
};

/// A change of the answer to a case, and whether the answer still counts as equal to the expected one.
#[derive(Deserialize)]
pub(crate) struct Mutation {
    case: String,
    what: String,
    r#do: Vec<Operation>,
    equal: bool,
}

/// A step of a mutation. A span is named by its key in the recorded answer: its row ids and observation point.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Operation {
    /// Sets a field of a span.
    Set { span: String, field: String, to: Value },
    /// Sets a field of a span to the id of another span.
    Refer { span: String, field: String, to: String },
    /// Removes a field of a span.
    Drop { span: String, field: String },
    /// Removes a span from the answer.
    Delete(String),
    /// Repeats a span, possibly under another id.
    Repeat { span: String, id: Option<String> },
    /// Exchanges the ids of two spans, wherever these ids are used.
    SwapIds([String; 2]),
    /// Gives each span another number in ids and relations.
    Renumber,
    /// Reverses the order of spans, of their row ids and of their relations.
    Reverse,
    /// Sets a part of the answer by its JSON pointer.
    Put { at: String, to: Value },
    /// Sets a part of the case by its JSON pointer.
    Expect { at: String, to: Value },
}

/// All mutations, by case.
pub(crate) fn by_case() -> BTreeMap<String, Vec<Mutation>> {
    let all: Vec<Mutation> = serde_json::from_str(include_str!("mutations.json")).unwrap();
    let mut by_case: BTreeMap<String, Vec<Mutation>> = BTreeMap::new();
    for mutation in all {
        by_case.entry(mutation.case.clone()).or_default().push(mutation);
    }
    by_case
}

/// Checks that the mutations of this case are judged as they should be.
pub(crate) fn check(case: &Value, mutations: &[Mutation]) -> Result<(), Failed> {
    let right = answer_in_memory(case);
    let mut wrong = Vec::new();
    for Mutation { what, r#do, equal, .. } in mutations {
        let (mut case, mut answer) = (case.clone(), right.clone());
        for operation in r#do {
            operation.run(&mut case, &mut answer).map_err(|fault| format!("{what}: {fault}"))?;
        }
        let found = differences(&case, &answer);
        if found.is_empty() != *equal {
            wrong.push(format!(
                "{what}: should be {}, but {found:?}",
                if *equal { "equal" } else { "different" }
            ));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

/// Checks that there are enough mutations of both verdicts, and none of a case that is gone.
pub(crate) fn check_coverage(left: &BTreeMap<String, Vec<Mutation>>) -> Result<(), Failed> {
    let all = by_case();
    let verdicts = |equal| all.values().flatten().filter(|mutation| mutation.equal == equal).count();
    let (equal, different) = (verdicts(true), verdicts(false));
    println!("mutations: {equal} equal and {different} different, of {} cases", all.len());
    match left.keys().next() {
        Some(case) => Err(format!("there is no case {case}").into()),
        None if equal < 75 || different < 75 || all.len() < 25 => Err("too few".into()),
        None => Ok(()),
    }
}

impl Operation {
    fn run(&self, case: &mut Value, answer: &mut Value) -> Result<(), String> {
        match self {
            Self::Set { span, field, to } => set(one(case, answer, span)?, field, to.clone()),
            Self::Refer { span, field, to } => {
                let id = one(case, answer, to)?["deepflow_span_id"].clone();
                set(one(case, answer, span)?, field, id);
            }
            Self::Drop { span, field } => {
                let span = one(case, answer, span)?.as_object_mut().ok_or("no object")?;
                span.remove(field).ok_or_else(|| format!("no {field}"))?;
            }
            Self::Delete(span) => {
                let place = place(case, answer, span)?;
                spans(answer).remove(place);
            }
            Self::Repeat { span, id } => {
                let mut copy = one(case, answer, span)?.clone();
                if let Some(id) = id {
                    set(&mut copy, "deepflow_span_id", id.as_str().into());
                }
                spans(answer).push(copy);
            }
            Self::SwapIds([a, b]) => {
                let a = one(case, answer, a)?["deepflow_span_id"].clone();
                let b = one(case, answer, b)?["deepflow_span_id"].clone();
                rename(answer, |id| match id {
                    id if *id == a => b.clone(),
                    id if *id == b => a.clone(),
                    id => id.clone(),
                });
            }
            Self::Renumber => renumber(answer),
            Self::Reverse => {
                spans(answer).reverse();
                for span in spans(answer) {
                    for field in ["_ids", "related_ids"] {
                        span[field].as_array_mut().ok_or("no list")?.reverse();
                    }
                }
            }
            Self::Put { at, to } => put(answer, at, to)?,
            Self::Expect { at, to } => put(case, at, to)?,
        }
        Ok(())
    }
}

fn spans(answer: &mut Value) -> &mut Vec<Value> {
    answer["DATA"]["tracing"].as_array_mut().unwrap()
}

fn place(case: &Value, answer: &Value, key: &str) -> Result<usize, String> {
    let keys = canonical(case, answer);
    let span = keys.get(key).ok_or_else(|| format!("no span {key}"))?.span;
    let all = answer["DATA"]["tracing"].as_array().unwrap();
    all.iter().position(|other| std::ptr::eq(other, span)).ok_or_else(|| format!("no span {key}"))
}

fn one<'a>(case: &Value, answer: &'a mut Value, key: &str) -> Result<&'a mut Value, String> {
    let place = place(case, answer, key)?;
    Ok(&mut spans(answer)[place])
}

fn set(span: &mut Value, field: &str, to: Value) {
    span[field] = to;
}

/// Sets what the pointer points at; a last part that is not there yet is added.
fn put(value: &mut Value, pointer: &str, to: &Value) -> Result<(), String> {
    let (parent, last) = pointer.rsplit_once('/').ok_or("no pointer")?;
    let last = last.replace("~1", "/").replace("~0", "~");
    let parent = value.pointer_mut(parent).ok_or_else(|| format!("nothing at {parent}"))?;
    parent.as_object_mut().ok_or("no object")?.insert(last, to.clone());
    Ok(())
}

fn rename(answer: &mut Value, name: impl Fn(&Value) -> Value) {
    for span in spans(answer) {
        for field in ["deepflow_span_id", "deepflow_parent_span_id"] {
            span[field] = name(&span[field]);
        }
    }
}

fn renumber(answer: &mut Value) {
    rename(answer, |id| match id.as_str().and_then(|id| id.rsplit_once('.')) {
        Some((rest, number)) if number.parse::<u32>().is_ok() => format!("{rest}.{number}7").into(),
        _ => id.clone(),
    });
    for span in spans(answer) {
        for related in span["related_ids"].as_array_mut().into_iter().flatten() {
            *related = format!("7{}", related.as_str().unwrap()).into();
        }
    }
}
