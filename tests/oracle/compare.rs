//! Compares an outcome of the oracle with the engine's answer to the same question.
//!
//! Where links close a ring the original loses spans, and the engine opens the ring somewhere: a span of the
//! ring may then be a root. Everything else must be equal.

use std::collections::{BTreeMap, BTreeSet};

use trace_completion::{
    engine::{Completed, CompletedSpan},
    flow::{RowId, Texts},
};

use super::{Outcome, Shown, flow::RowName};

/// The name that request spans must have for their answers to be recognised.
pub fn request_span_name(position: usize) -> String {
    format!("request span {position}")
}

/// What the two disagree about. It is empty if they agree. `stored` are the ids of the rows.
pub fn differences(
    outcome: &Outcome,
    answer: &Completed,
    stored: &BTreeSet<u64>,
    texts: &Texts,
) -> Vec<String> {
    let names = row_names(answer, stored, texts);
    let name = |id: RowId| names.get(&id.0).copied().unwrap_or(RowName::Stored(id.0));
    let key_of = |span: &CompletedSpan| span.ids.iter().map(|&id| name(id)).collect::<Vec<_>>();
    let mut found = Vec::new();

    let mut actual: BTreeMap<Vec<RowName>, &CompletedSpan> = BTreeMap::new();
    for span in &answer.spans {
        if actual.insert(key_of(span), span).is_some() {
            found.push(format!("{:?} is there twice", key_of(span)));
        }
    }
    let expected: BTreeMap<&Vec<RowName>, &Shown> = outcome.spans.iter().map(|s| (&s.ids, s)).collect();
    for key in expected.keys().filter(|key| !actual.contains_key(**key)) {
        found.push(format!("{key:?} is missing"));
    }
    for key in actual.keys().filter(|key| !expected.contains_key(key)) {
        found.push(format!("{key:?} should not be there"));
    }

    for (key, &want) in &expected {
        let Some(&got) = actual.get(*key) else { continue };
        let parent = got.parent.map(|parent| key_of(&answer.spans[parent as usize]));
        let wanted = want.parent.map(|parent| outcome.spans[parent].ids.clone());
        let opened = want.in_ring && parent.is_none();
        if parent != wanted && !opened {
            found.push(format!("{key:?}: parent should be {wanted:?}, is {parent:?}"));
        }
        let related: BTreeSet<(u8, RowName)> =
            got.related.iter().map(|related| (related.relation.bits(), name(related.id))).collect();
        let should: BTreeSet<(u8, RowName)> =
            want.related.iter().map(|&(other, bits)| (bits, outcome.spans[other].ids[0])).collect();
        if related != should {
            found.push(format!("{key:?}: related should be {should:?}, is {related:?}"));
        }
        found.extend(values(want, got, outcome.has_ring, texts).map(|text| format!("{key:?}: {text}")));
    }
    let corrections: BTreeMap<u16, i64> =
        answer.host_clock_correction.iter().map(|&(agent, us)| (agent.0, us)).collect();
    if corrections != outcome.corrections && !outcome.has_ring {
        found.push(format!("clocks should be {:?}, are {corrections:?}", outcome.corrections));
    }
    found
}

fn values<'a>(
    want: &Shown,
    got: &CompletedSpan,
    has_ring: bool,
    texts: &Texts,
) -> impl Iterator<Item = String> + use<'a> {
    let mut found = Vec::new();
    let mut row = got.row.clone();
    let of_request = want.ids.iter().any(|id| matches!(id, RowName::Request(_)));
    if of_request {
        // A request span has no row: its number is free, and 0 stands for null.
        row.key.id = want.row.key.id;
        row.key.request_id = row.key.request_id.or(want.row.key.request_id);
        row.response_code = row.response_code.or(want.row.response_code);
    }
    if row != want.row {
        found.push(format!("row should be {:?}, is {row:?}", want.row));
    }
    if got.resource != want.resource {
        let service = |resource: &trace_completion::engine::Resource| {
            let name = texts.get(resource.auto_service).to_owned();
            format!("{resource:?} (service {name})")
        };
        found.push(format!("resource should be {}, is {}", service(&want.resource), service(&got.resource)));
    }
    if (got.auto_instance_id, got.auto_instance_type) != (want.auto_instance_id, want.auto_instance_type) {
        found.push("auto_instance differs".to_owned());
    }
    if got.clock_correction_us != want.clock_correction_us && !has_ring {
        let (want, got) = (want.clock_correction_us, got.clock_correction_us);
        found.push(format!("clock correction should be {want}, is {got}"));
    }
    found.into_iter()
}

/// Which made-up id stands for which span of the request. The names of the spans tell it.
fn row_names(answer: &Completed, stored: &BTreeSet<u64>, texts: &Texts) -> BTreeMap<u64, RowName> {
    let mut names = BTreeMap::new();
    for span in &answer.spans {
        let position = texts.get(span.row.name).strip_prefix("request span ").and_then(|n| n.parse().ok());
        for id in span.ids.iter().filter(|id| !stored.contains(&id.0)) {
            if let Some(position) = position {
                names.insert(id.0, RowName::Request(position));
            }
        }
    }
    names
}
