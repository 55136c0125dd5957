//! Why an answer looks as it does, as the contract has it (api section 6).

use super::proto;
use crate::{
    completion::Completion,
    engine::{ClockReason, PrunedTree, SpanReason},
    search::Round,
};

/// The explanation of a completion that was asked to explain itself.
pub(super) fn explanation(completion: &Completion) -> Option<proto::Explanation> {
    let explanation = completion.completed.explanation.as_ref()?;
    let spans = &completion.completed.spans;
    Some(proto::Explanation {
        search: completion.rounds.iter().map(round).collect(),
        spans: spans
            .iter()
            .zip(&explanation.spans)
            .map(|(span, why)| reason(&span.deepflow_span_id, why))
            .collect(),
        pruned: explanation.pruned.iter().map(pruned).collect(),
        clocks: explanation.clocks.iter().map(clock).collect(),
    })
}

fn round(round: &Round) -> proto::SearchRound {
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    proto::SearchRound {
        iteration: i32::try_from(round.iteration).unwrap_or(i32::MAX),
        question: round.question.to_owned(),
        keys: count(round.keys),
        rows: count(round.rows),
        read_rows: i64::try_from(round.read_rows).unwrap_or(i64::MAX),
        kept: count(round.kept),
        known: count(round.known),
        foreign_trace: count(round.foreign_trace),
        unrelated: count(round.unrelated),
        truncated: round.truncated,
        elapsed_us: i64::try_from(round.elapsed_us).unwrap_or(i64::MAX),
    }
}

fn reason(deepflow_span_id: &str, why: &SpanReason) -> proto::SpanReason {
    let confidence = match why.strong {
        Some(true) => "strong",
        Some(false) => "weak",
        None => "",
    };
    proto::SpanReason {
        deepflow_span_id: deepflow_span_id.to_owned(),
        rule: why.rule.to_owned(),
        confidence: confidence.to_owned(),
        matched: why.matched.clone(),
        refused: why
            .refused
            .iter()
            .map(|(id, reason)| proto::RefusedParent { deepflow_span_id: id.clone(), reason: reason.clone() })
            .collect(),
    }
}

fn pruned(tree: &PrunedTree) -> proto::PrunedTree {
    proto::PrunedTree {
        root_row_id: tree.root.to_string(),
        spans: i64::try_from(tree.spans).unwrap_or(i64::MAX),
        start_time_us: tree.start_us,
        end_time_us: tree.end_us,
        reason: "apart in time from the request's tree, and without a trace id in common".to_owned(),
    }
}

fn clock(reason: &ClockReason) -> proto::ClockReason {
    let (parent, child) = reason.set_by.clone().unwrap_or_default();
    proto::ClockReason {
        agent: reason.agent.to_string(),
        correction_us: reason.correction_us,
        parent_deepflow_span_id: parent,
        child_deepflow_span_id: child,
    }
}
