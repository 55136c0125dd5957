//! Pruning: which trees belong to the request (algorithm 10.3, 10.4).

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    disjoint::{self, Disjoint},
    flows::Flows,
    index::{IndexVec, NodeId, Place},
};
use crate::flow::{CompletionRequest, Text};

/// R-ENTRY-1: the node of the first request span with a trace id, else of the last one.
pub(super) fn entry_node(flows: Flows<'_>, request: &CompletionRequest) -> Option<NodeId> {
    let spans = &request.app_spans;
    let first = spans.iter().position(|span| !span.trace_id.is_empty());
    let position = first.or(spans.len().checked_sub(1))? as u32;
    flows.numbered().find(|(_, flow)| flow.request == Some(position)).map(|(node, _)| node)
}

/// R-TREE-6: the root of each node.
pub(super) fn roots(parents: &IndexVec<NodeId, Option<NodeId>>) -> IndexVec<NodeId, NodeId> {
    // Rings were opened, so there is none to choose from.
    disjoint::roots(parents.len(), |node| parents[node], |ring| ring[0])
}

/// What a tree spans.
struct Tree {
    start_us: i64,
    end_us: i64,
}

/// R-PRUNE-1, R-PRUNE-2, R-PRUNE-3, R-PRUNE-4: whether each node stays. `entry` is the node of the entry
/// application span. With `keep_requests` a tree with a request span in it always stays (D-8).
pub(super) fn keep(
    flows: Flows<'_>,
    roots: &IndexVec<NodeId, NodeId>,
    shown: &IndexVec<NodeId, bool>,
    entry: Option<NodeId>,
    host_clock_offset_us: i64,
    keep_requests: bool,
) -> IndexVec<NodeId, bool> {
    let mut keep = shown.clone();
    let Some(entry) = entry.filter(|&entry| shown[entry]) else { return keep };

    // R-PRUNE-3: trace ids that spans tie together.
    let mut groups: Disjoint<Text, Place> = Disjoint::new();
    let mut trees: FxHashMap<NodeId, Tree> = FxHashMap::default();
    for ((flow, &root), _) in flows.iter().zip(roots).zip(shown).filter(|(_, shown)| **shown) {
        let mut ids = flow.trace_ids.iter();
        if let Some(first) = ids.next() {
            let first = groups.number(first);
            for id in ids {
                let id = groups.number(id);
                groups.unite(first, id);
            }
        }
        let tree = trees.entry(root).or_insert(Tree { start_us: i64::MAX, end_us: i64::MIN });
        tree.start_us = tree.start_us.min(flow.key().start_us);
        tree.end_us = tree.end_us.max(flow.key().end_us);
    }
    let mut initial: FxHashSet<NodeId> = FxHashSet::from_iter([roots[entry]]);
    if keep_requests {
        // All request spans, so that the answer does not depend on their order.
        let given =
            flows.iter().zip(roots).zip(shown).filter(|((flow, _), shown)| **shown && flow.request.is_some());
        initial.extend(given.map(|((_, &root), _)| root));
    }
    let spans = || initial.iter().filter_map(|root| trees.get(root));
    let start_us = spans().map(|tree| tree.start_us).min().unwrap_or(i64::MAX);
    let end_us = spans().map(|tree| tree.end_us).max().unwrap_or(i64::MIN);

    // Groups that occur in the initial trees, then trees in which one of them occurs.
    let mut group_of = |id: Text| {
        let number = groups.number(id);
        groups.group(number)
    };
    let mut initial_groups = FxHashSet::default();
    for (node, flow) in flows.numbered() {
        if shown[node] && initial.contains(&roots[node]) {
            initial_groups.extend(flow.trace_ids.iter().map(&mut group_of));
        }
    }
    let mut related = FxHashSet::default();
    for (node, flow) in flows.numbered() {
        if shown[node]
            && (initial.contains(&roots[node])
                || flow.trace_ids.iter().any(|id| initial_groups.contains(&group_of(id))))
        {
            related.insert(roots[node]);
        }
    }
    for node in flows.ids() {
        keep[node] = keep[node]
            && trees.get(&roots[node]).is_some_and(|tree| {
                let meets = tree.end_us.saturating_add(host_clock_offset_us) >= start_us
                    && end_us.saturating_add(host_clock_offset_us) >= tree.start_us;
                meets || related.contains(&roots[node])
            });
    }
    keep
}
