//! Pruning: which trees belong to the request (algorithm 10.3, 10.4).

use rustc_hash::{FxHashMap, FxHashSet};

use super::flows::Flow;
use crate::flow::Text;

/// The root of each node.
pub(super) fn roots(parents: &[Option<u32>]) -> Vec<u32> {
    let mut root: Vec<Option<u32>> = vec![None; parents.len()];
    let mut path = Vec::new();
    for start in 0..parents.len() {
        let mut at = start;
        let found = loop {
            if let Some(known) = root[at] {
                break known;
            }
            path.push(at);
            match parents[at] {
                Some(parent) => at = parent as usize,
                None => break at as u32,
            }
        };
        for at in path.drain(..) {
            root[at] = Some(found);
        }
    }
    root.into_iter().zip(0u32..).map(|(root, node)| root.unwrap_or(node)).collect()
}

/// What a tree spans.
struct Tree {
    start_us: i64,
    end_us: i64,
}

/// R-PRUNE-1 to -4: whether each node stays. `entry` is the node of the entry application span. With
/// `keep_requests` a tree with a request span in it always stays (deviation D-8).
pub(super) fn keep(
    flows: &[Flow],
    roots: &[u32],
    shown: &[bool],
    entry: Option<u32>,
    host_clock_offset_us: i64,
    keep_requests: bool,
) -> Vec<bool> {
    let mut keep = shown.to_vec();
    let Some(entry) = entry.filter(|&entry| shown[entry as usize]) else { return keep };

    let mut groups = Groups::default();
    let mut trees: FxHashMap<u32, Tree> = FxHashMap::default();
    for ((flow, &root), _) in flows.iter().zip(roots).zip(shown).filter(|(_, shown)| **shown) {
        let mut ids = flow.trace_ids.iter();
        if let Some(first) = ids.next() {
            ids.for_each(|id| groups.unite(first, id));
        }
        let tree = trees.entry(root).or_insert(Tree { start_us: i64::MAX, end_us: i64::MIN });
        tree.start_us = tree.start_us.min(flow.key().start_us);
        tree.end_us = tree.end_us.max(flow.key().end_us);
    }
    let mut initial: FxHashSet<u32> = FxHashSet::from_iter([roots[entry as usize]]);
    if keep_requests {
        // All of the request, so that the order of its spans means nothing.
        let given =
            flows.iter().zip(roots).zip(shown).filter(|((flow, _), shown)| **shown && flow.request.is_some());
        initial.extend(given.map(|((_, &root), _)| root));
    }
    let spans = || initial.iter().filter_map(|root| trees.get(root));
    let start_us = spans().map(|tree| tree.start_us).min().unwrap_or(i64::MAX);
    let end_us = spans().map(|tree| tree.end_us).max().unwrap_or(i64::MIN);

    // Groups that occur in the initial trees, then trees in which one of them occurs.
    let mut initial_groups = FxHashSet::default();
    for (node, flow) in flows.iter().enumerate() {
        if shown[node] && initial.contains(&roots[node]) {
            initial_groups.extend(flow.trace_ids.iter().map(|id| groups.find(id)));
        }
    }
    let mut related = FxHashSet::default();
    for (node, flow) in flows.iter().enumerate() {
        if shown[node]
            && (initial.contains(&roots[node])
                || flow.trace_ids.iter().any(|id| initial_groups.contains(&groups.find(id))))
        {
            related.insert(roots[node]);
        }
    }
    for (node, keep) in keep.iter_mut().enumerate() {
        *keep = *keep
            && trees.get(&roots[node]).is_some_and(|tree| {
                let meets = tree.end_us.saturating_add(host_clock_offset_us) >= start_us
                    && end_us.saturating_add(host_clock_offset_us) >= tree.start_us;
                meets || related.contains(&roots[node])
            });
    }
    keep
}

/// R-PRUNE-3: trace ids that spans tie together.
#[derive(Default)]
struct Groups(FxHashMap<Text, Text>);

impl Groups {
    fn find(&mut self, id: Text) -> Text {
        let mut at = id;
        while let Some(&next) = self.0.get(&at).filter(|next| **next != at) {
            at = next;
        }
        // Shorten the way for the next one.
        let mut way = id;
        while let Some(next) = self.0.insert(way, at).filter(|next| *next != way && way != at) {
            way = next;
        }
        at
    }

    fn unite(&mut self, a: Text, b: Text) {
        let (a, b) = (self.find(a), self.find(b));
        self.0.insert(a, b);
    }
}
