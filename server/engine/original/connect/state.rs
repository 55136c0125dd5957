//! What all scenarios work on: the tree, the ends of the sets, and the tests that several scenarios make.

use super::candidates::{Orphans, Pending};
use crate::{
    engine::{
        flows::Flow,
        index::{IndexVec, NetworkId, NodeId, Place},
        network_set::{NetworkSet, Networks},
        original::process_set::ProcessSets,
        relations::Relations,
        tree::Tree,
    },
    flow::Text,
};

/// The state shared by the scenarios.
pub(super) struct Connect<'a, 'b> {
    pub(super) tree: &'b mut Tree<'a>,
    pub(super) relations: &'b Relations<'a>,
    pub(super) processes: &'b ProcessSets,
    /// The network set of each node.
    pub(super) network_of: IndexVec<NodeId, Option<NetworkId>>,
    /// `PR`, `PL`, `NR`, `NL` of R-CONN-1.
    pub(super) process_roots: IndexVec<Place, NodeId>,
    pub(super) process_leafs: Vec<NodeId>,
    pub(super) network_roots: IndexVec<Place, NodeId>,
    pub(super) network_leafs: Vec<NodeId>,
    pub(super) is_process_root: IndexVec<NodeId, bool>,
    /// Parents chosen by scenarios 5 and 6 that are not linked yet, in the order in which the children were
    /// added.
    pub(super) pending: Pending,
}

impl<'a, 'b> Connect<'a, 'b> {
    /// R-CONN-1.
    pub(super) fn new(
        tree: &'b mut Tree<'a>,
        relations: &'b Relations<'a>,
        processes: &'b ProcessSets,
        networks: &Networks,
    ) -> Self {
        let nodes = tree.flows.len();
        let mut network_of = IndexVec::filled(None, nodes);
        for (number, set) in networks.numbered() {
            for &member in &set.members {
                network_of[member] = Some(number);
            }
        }
        let mut is_process_root: IndexVec<NodeId, bool> = IndexVec::filled(false, nodes);
        let mut is_process_leaf: IndexVec<NodeId, bool> = IndexVec::filled(false, nodes);
        // The number of the last set, from 1, in which the node is a parent. 0: of none so far.
        let mut parent_in: IndexVec<NodeId, u32> = IndexVec::filled(0, nodes);
        for (set, stamp) in processes.in_order().zip(1u32..) {
            for &node in &set.spans {
                match tree.parent(node) {
                    Some(parent) => parent_in[parent] = stamp,
                    None => is_process_root[node] = true,
                }
            }
            for &node in &set.spans {
                if parent_in[node] != stamp {
                    is_process_leaf[node] = true;
                }
            }
        }
        let members = || processes.in_order().flat_map(|set| set.spans.iter().copied());
        Connect {
            process_roots: members().filter(|&node| is_process_root[node]).collect(),
            process_leafs: members().filter(|&node| is_process_leaf[node]).collect(),
            network_roots: networks.iter().filter_map(NetworkSet::root).collect(),
            network_leafs: networks.iter().filter_map(NetworkSet::leaf).collect(),
            tree,
            relations,
            processes,
            network_of,
            is_process_root,
            pending: Pending::default(),
        }
    }

    pub(super) fn flow(&self, node: NodeId) -> &'a Flow {
        self.tree.flow(node)
    }

    pub(super) fn is_orphan(&self, node: NodeId) -> bool {
        self.tree.parent(node).is_none()
    }

    /// R-PSS-0: in one process set, or in one network set.
    pub(super) fn same_set(&self, a: NodeId, b: NodeId) -> bool {
        let network = self.network_of[a];
        network.is_some() && network == self.network_of[b] || self.processes.same_set(a, b)
    }

    /// R-CONN-3: on one host the parent covers the child.
    pub(super) fn cover_guard(&self, parent: NodeId, child: NodeId) -> bool {
        let (p, c) = (self.flow(parent), self.flow(child));
        p.key().agent != c.key().agent || p.covers(c)
    }

    /// R-CONN-3: on one host the parent starts no later than the child.
    pub(super) fn start_guard(&self, parent: NodeId, child: NodeId) -> bool {
        let (p, c) = (self.flow(parent), self.flow(child));
        p.is_app() || c.is_app() || p.key().agent != c.key().agent || p.key().start_us <= c.key().start_us
    }

    pub(super) fn duration_us(&self, node: NodeId) -> i64 {
        self.flow(node).row.duration_us
    }

    /// Whether the parent is shorter than the child. Never where `known` has no duration, since its response
    /// may be lost.
    pub(super) fn outlasted(&self, parent: NodeId, child: NodeId, known: NodeId) -> bool {
        self.duration_us(known) != 0 && self.duration_us(parent) < self.duration_us(child)
    }

    /// Puts candidates in the order of the left node's relations (R-REL-10): by the first kind that
    /// relates them, then by index.
    pub(super) fn in_relation_order(&self, left: NodeId, candidates: &mut Vec<NodeId>) {
        candidates.sort_by_cached_key(|&other| {
            let kind = if self.relations.tcp_weak(left, other) {
                0
            } else if self.relations.span_id(left, other) {
                1
            } else {
                2
            };
            (kind, other)
        });
        candidates.dedup();
    }

    pub(super) fn network_root_orphans(&self, value: impl Fn(&Flow) -> Text) -> Orphans<Text> {
        let roots = self.network_roots.iter().filter(|&&node| self.is_orphan(node));
        Orphans::new(roots.map(|&node| (value(self.flow(node)), node)).filter(|(text, _)| !text.is_empty()))
    }

    pub(super) fn process_root_orphans(&self, value: impl Fn(&Flow) -> Text) -> Orphans<Text> {
        let roots = self.process_roots.iter().filter(|&&node| self.is_orphan(node));
        Orphans::new(roots.map(|&node| (value(self.flow(node)), node)).filter(|(text, _)| !text.is_empty()))
    }

    /// R-CONN-5.
    pub(super) fn link_pending(&mut self) {
        for (child, parent, rule) in std::mem::take(&mut self.pending).into_links() {
            self.tree.link(child, parent, rule);
        }
    }
}
