//! An outcome dressed as the engine's answer, so that it can be compared with recorded answers.

use smallvec::SmallVec;
use trace_completion::{
    engine::{Completed, CompletedSpan, Related, Relation},
    flow::{AgentId, RowId},
};

use super::{Outcome, flow::RowName};

/// Spans are in index order; of each ring, the first member becomes a root.
pub fn completed(outcome: &Outcome) -> Completed {
    let id = |name: &RowName| match name {
        RowName::Stored(id) => RowId(*id),
        RowName::Request(position) => RowId(*position as u64 + 1),
    };
    let spans = &outcome.spans;
    let shown = |place: usize| {
        let span = &spans[place];
        let opened = span.in_ring && ring(outcome, place).iter().min() == Some(&place);
        CompletedSpan {
            row: span.row.clone(),
            ids: span.ids.iter().map(id).collect::<SmallVec<_>>(),
            deepflow_span_id: format!("span {}", span.index),
            parent: span.parent.filter(|_| !opened).map(|parent| parent as u32),
            related: span
                .related
                .iter()
                .map(|&(other, bits)| Related {
                    index: spans[other].index as u32,
                    relation: Relation::from_bits_retain(bits),
                    id: id(&spans[other].ids[0]),
                })
                .collect(),
            resource: span.resource,
            auto_instance_id: span.auto_instance_id,
            auto_instance_type: span.auto_instance_type,
            clock_correction_us: span.clock_correction_us,
        }
    };
    Completed {
        spans: (0..spans.len()).map(shown).collect(),
        host_clock_correction: outcome.corrections.iter().map(|(&agent, &us)| (AgentId(agent), us)).collect(),
        ..Completed::default()
    }
}

fn ring(outcome: &Outcome, from: usize) -> Vec<usize> {
    let mut ring = vec![from];
    while let Some(parent) = outcome.spans[ring[ring.len() - 1]].parent.filter(|&parent| parent != from) {
        ring.push(parent);
    }
    ring
}
