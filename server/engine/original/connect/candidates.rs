//! Where the scenarios find their candidates, and where chosen parents wait to be linked.

use std::hash::Hash;

use rustc_hash::FxHashMap;

use crate::{
    engine::{
        flows::Flow,
        index::{NodeId, Place},
        rule::Rule,
        tree::Tree,
    },
    flow::Text,
};

/// R-CONN-4: chosen parents, by child, in the order of the first choice.
#[derive(Default)]
pub(super) struct Pending {
    order: Vec<NodeId>,
    parents: FxHashMap<NodeId, (NodeId, Rule)>,
}

impl Pending {
    /// Chooses `parent` if none was chosen yet, or if `better` says that it is better than the chosen one.
    pub(super) fn offer(
        &mut self,
        child: NodeId,
        parent: NodeId,
        rule: Rule,
        better: impl FnOnce(NodeId) -> bool,
    ) {
        match self.parents.get_mut(&child) {
            None => {
                self.order.push(child);
                self.parents.insert(child, (parent, rule));
            }
            Some(chosen) if better(chosen.0) => *chosen = (parent, rule),
            Some(_) => {}
        }
    }

    /// The children and their chosen parents, in the order of the first choice.
    pub(super) fn into_links(self) -> impl Iterator<Item = (NodeId, NodeId, Rule)> {
        let Pending { order, parents } = self;
        order.into_iter().filter_map(move |child| {
            let &(parent, rule) = parents.get(&child)?;
            Some((child, parent, rule))
        })
    }
}

/// Nodes without a parent, filed under a value. Those that got a parent in the meantime are removed when
/// their file is read.
pub(super) struct Orphans<K>(FxHashMap<K, Vec<NodeId>>);

impl<K: Copy + Eq + Hash> Orphans<K> {
    pub(super) fn new(nodes: impl Iterator<Item = (K, NodeId)>) -> Self {
        let mut files: FxHashMap<K, Vec<NodeId>> = FxHashMap::default();
        for (key, node) in nodes {
            let file = files.entry(key).or_default();
            if file.last() != Some(&node) {
                file.push(node);
            }
        }
        Orphans(files)
    }

    pub(super) fn collect(&mut self, key: K, tree: &Tree<'_>, into: &mut Vec<NodeId>) {
        if let Some(file) = self.0.get_mut(&key) {
            file.retain(|&node| tree.parent(node).is_none());
            into.extend_from_slice(file);
        }
    }
}

/// Places in a list, filed under the trace ids of the nodes that stand there.
pub(super) struct Places(FxHashMap<Text, Vec<Place>>);

impl Places {
    pub(super) fn by_trace_id<'f>(nodes: impl Iterator<Item = (&'f Flow, Place)>) -> Self {
        let mut files: FxHashMap<Text, Vec<Place>> = FxHashMap::default();
        for (flow, place) in nodes {
            for id in flow.trace_ids.iter() {
                files.entry(id).or_default().push(place);
            }
        }
        Places(files)
    }

    /// The places of nodes that share a trace id with `flow`, ascending.
    pub(super) fn of(&self, flow: &Flow) -> Vec<Place> {
        let mut places: Vec<Place> =
            flow.trace_ids.iter().filter_map(|id| self.0.get(&id)).flatten().copied().collect();
        places.sort_unstable();
        places.dedup();
        places
    }
}
