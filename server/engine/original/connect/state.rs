//! What all scenarios work on: the tree, the ends of the sets, and the tests that several scenarios make.

use super::candidates::{Orphans, Pending};
use crate::{
    engine::{
        flows::Flow, network_set::NetworkSet, original::process_set::ProcessSets, relations::Relations,
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
    pub(super) network_of: Vec<Option<u32>>,
    /// `PR`, `PL`, `NR`, `NL` of R-CONN-1.
    pub(super) process_roots: Vec<u32>,
    pub(super) process_leafs: Vec<u32>,
    pub(super) network_roots: Vec<u32>,
    pub(super) network_leafs: Vec<u32>,
    pub(super) is_process_root: Vec<bool>,
    /// Parents of 5 and 6 that are not linked yet, in the order in which the children entered.
    pub(super) pending: Pending,
}

impl<'a, 'b> Connect<'a, 'b> {
    /// R-CONN-1.
    pub(super) fn new(
        tree: &'b mut Tree<'a>,
        relations: &'b Relations<'a>,
        processes: &'b ProcessSets,
        networks: &[NetworkSet],
    ) -> Self {
        let nodes = tree.flows.len();
        let mut network_of = vec![None; nodes];
        for (set, number) in networks.iter().zip(0u32..) {
            for &member in &set.members {
                network_of[member as usize] = Some(number);
            }
        }
        let mut is_process_root = vec![false; nodes];
        let mut is_process_leaf = vec![false; nodes];
        // 0: parent of no span of the set at hand.
        let mut parent_in = vec![0u32; nodes];
        for (set, stamp) in processes.in_order().zip(1u32..) {
            for &node in &set.spans {
                match tree.parent(node) {
                    Some(parent) => parent_in[parent as usize] = stamp,
                    None => is_process_root[node as usize] = true,
                }
            }
            for &node in &set.spans {
                if parent_in[node as usize] != stamp {
                    is_process_leaf[node as usize] = true;
                }
            }
        }
        let members = || processes.in_order().flat_map(|set| set.spans.iter().copied());
        Connect {
            process_roots: members().filter(|&node| is_process_root[node as usize]).collect(),
            process_leafs: members().filter(|&node| is_process_leaf[node as usize]).collect(),
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

    pub(super) fn flow(&self, node: u32) -> &'a Flow {
        self.tree.flow(node)
    }

    pub(super) fn is_orphan(&self, node: u32) -> bool {
        self.tree.parent(node).is_none()
    }

    /// R-PSS-0: in one process set, or in one network set.
    pub(super) fn same_set(&self, a: u32, b: u32) -> bool {
        let network = self.network_of[a as usize];
        network.is_some() && network == self.network_of[b as usize] || self.processes.same_set(a, b)
    }

    /// R-CONN-3.
    pub(super) fn cover_guard(&self, parent: u32, child: u32) -> bool {
        let (p, c) = (self.flow(parent), self.flow(child));
        p.key().agent != c.key().agent || p.covers(c)
    }

    /// R-CONN-3.
    pub(super) fn start_guard(&self, parent: u32, child: u32) -> bool {
        let (p, c) = (self.flow(parent), self.flow(child));
        p.is_app() || c.is_app() || p.key().agent != c.key().agent || p.key().start_us <= c.key().start_us
    }

    pub(super) fn duration_us(&self, node: u32) -> i64 {
        self.flow(node).row.duration_us
    }

    /// The request was lost sight of on neither side, and the parent is shorter than the child.
    pub(super) fn outlasted(&self, parent: u32, child: u32, known: u32) -> bool {
        self.duration_us(known) != 0 && self.duration_us(parent) < self.duration_us(child)
    }

    /// Puts candidates in the order of the left node's relations (R-REL-10): by the first kind that
    /// relates them, then by index.
    pub(super) fn in_relation_order(&self, left: u32, candidates: &mut Vec<u32>) {
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
