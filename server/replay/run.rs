//! Records a completion, and runs a recorded one again.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde_json::Value;

use super::{
    case::{Case, CaseError},
    difference::differences,
    recording::RecordingStore,
    redaction::with_pseudonyms,
    store::ReplayStore,
};
use crate::{
    completion::{self, Completion},
    config::Tracing,
    contract::{
        answer,
        proto::{CompleteTraceResponse, PrunedTree, Span},
    },
    flow::CompletionRequest,
    store::{FlowStore, ReadContext, StoreError},
};

/// Why there is no recording.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The completion failed.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The case is not valid.
    #[error("{0}")]
    Case(#[from] CaseError),
    /// A replay of the recording gives another answer, which is a bug of this program.
    #[error("a replay of the recording gives another answer: {0}")]
    NotRepeatable(String),
    /// Pseudonyms change the tree, which is a bug of this program.
    #[error("pseudonyms change the tree, so no redacted recording was made: {0}")]
    NotRedactable(String),
}

/// What a replay gave.
pub struct Replayed {
    /// The answer, with an explanation if the recorded question or the replay asks for one.
    pub response: CompleteTraceResponse,
    /// Where it differs from the recorded answer, apart from the times that questions took.
    pub differences: Vec<String>,
    /// How the questions of the search differ from the recorded ones.
    pub remarks: Vec<String>,
    /// The answer in the shape of [`Case::answer`].
    pub answer: Value,
}

/// Completes one trace. Gives the answer and the case, which has been replayed.
pub async fn record<S: FlowStore>(
    store: S,
    tracing: &Tracing,
    region: &str,
    request: &CompletionRequest,
    context: &ReadContext,
) -> Result<(CompleteTraceResponse, Case), RecordError> {
    let store = RecordingStore::new(store);
    let completion: Completion = completion::complete(&store, tracing, request, context).await?;
    let response = answer::response(&completion, region);
    let mut case = store.into_case(&completion, request, tracing, region);
    case.answer = comparable(&response);
    let replayed = replay(&case, false).await?;
    match replayed.differences.first().or(replayed.remarks.first()) {
        Some(difference) => Err(RecordError::NotRepeatable(difference.clone())),
        None => Ok((response, case)),
    }
}

/// Runs search and engine over a case. `explain` asks for an explanation, whatever was recorded.
pub async fn replay(case: &Case, explain: bool) -> Result<Replayed, RecordError> {
    let (response, remarks) = run(case, explain).await?;
    let mut compared = response.clone();
    if !case.request.explain
        && let Some(data) = &mut compared.data
    {
        data.explanation = None;
    }
    let answer = comparable(&compared);
    Ok(Replayed { differences: differences(&case.answer, &answer), response, remarks, answer })
}

async fn run(case: &Case, explain: bool) -> Result<(CompleteTraceResponse, Vec<String>), RecordError> {
    let mut request = case.request.clone();
    request.explain |= explain;
    let context = ReadContext::new("replay", case.tracing.l7_tracing_limit);
    let store = ReplayStore::new(Arc::new(case.clone()))?;
    let completion = completion::complete(&store, &case.tracing, &request, &context).await?;
    Ok((answer::response(&completion, &case.region), store.remarks()))
}

/// The case with pseudonyms instead of what identifies somebody. Its tree has been compared with that of the
/// case.
pub async fn redact(case: &Case) -> Result<Case, RecordError> {
    let mut redacted = with_pseudonyms(case);
    let ((plain, _), (response, remarks)) = (run(case, true).await?, run(&redacted, true).await?);
    if let Some(remark) = remarks.first() {
        return Err(RecordError::NotRedactable(remark.clone()));
    }
    if let Some(difference) = shape_difference(&plain, &response) {
        return Err(RecordError::NotRedactable(difference));
    }
    let (response, _) = run(&redacted, false).await?;
    redacted.answer = comparable(&response);
    Ok(redacted)
}

/// An answer as JSON, without the times that questions took, which differ from run to run.
fn comparable(response: &CompleteTraceResponse) -> Value {
    let mut response = response.clone();
    let explanation = response.data.as_mut().and_then(|data| data.explanation.as_mut());
    for round in explanation.into_iter().flat_map(|explanation| &mut explanation.search) {
        round.elapsed_us = 0;
    }
    // A message of numbers, strings and lists is always JSON.
    serde_json::to_value(&response).unwrap_or_default()
}

/// The first place where two explained answers are not of the same shape.
fn shape_difference(one: &CompleteTraceResponse, other: &CompleteTraceResponse) -> Option<String> {
    let (one, other) = (one.data.clone().unwrap_or_default(), other.data.clone().unwrap_or_default());
    let (a, b) = (shape(&one.tracing), shape(&other.tracing));
    if a.len() != b.len() {
        return Some(format!("{} spans become {}", a.len(), b.len()));
    }
    if let Some(at) = a.iter().zip(&b).position(|(a, b)| a != b) {
        return Some(format!("span {at} is at another place"));
    }
    if one.host_clock_correction != other.host_clock_correction {
        return Some("clocks are corrected differently".to_owned());
    }
    let (one, other) = (one.explanation.unwrap_or_default(), other.explanation.unwrap_or_default());
    let rules = one.spans.iter().zip(&other.spans);
    if let Some(at) =
        rules.map(|(a, b)| (&a.rule, &a.confidence) == (&b.rule, &b.confidence)).position(|same| !same)
    {
        return Some(format!("span {at} has its parent for another reason"));
    }
    let (a, b) = (pruned_shape(&one.pruned), pruned_shape(&other.pruned));
    (a != b).then(|| "different trees are pruned".to_owned())
}

/// Pruned trees without their roots: ids of request spans are made of redacted values.
fn pruned_shape(trees: &[PrunedTree]) -> Vec<(i64, i64, i64)> {
    trees.iter().map(|tree| (tree.spans, tree.start_time_us, tree.end_time_us)).collect()
}

/// A span without anything that is redacted: its parent's place, and what stays.
type Shape<'a> = (Option<usize>, &'a str, Vec<&'a String>, i64, i64, i32);

fn shape(spans: &[Span]) -> Vec<Shape<'_>> {
    let places: FxHashMap<&str, usize> =
        spans.iter().enumerate().map(|(at, span)| (span.deepflow_span_id.as_str(), at)).collect();
    spans
        .iter()
        .map(|span| {
            // Ids of request spans are made of redacted values.
            let stored = span.ids.iter().filter(|_| span.signal_source != 4 || span.vtap_id != 0);
            (
                places.get(span.deepflow_parent_span_id.as_str()).copied(),
                span.tap_side.as_str(),
                stored.collect(),
                span.start_time_us,
                span.end_time_us,
                span.signal_source,
            )
        })
        .collect()
}
