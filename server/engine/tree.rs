//! The tree while links are made: the parent of each node, and the rule that chose it (R-LINK).

use super::{
    clock::ClockObserver,
    flows::{Flow, Flows},
    index::{IndexVec, NodeId},
    rule::Rule,
};

/// The tree after the last link.
pub(super) struct Grown {
    /// Parent of each node.
    pub(super) parents: IndexVec<NodeId, Option<NodeId>>,
    /// The rule that chose the parent. Where a ring was opened, the node has no parent any more but still the
    /// rule.
    pub(super) rules: IndexVec<NodeId, Option<Rule>>,
    pub(super) clock: ClockObserver,
}

/// The parents of all nodes.
pub(super) struct Tree<'a> {
    pub(super) flows: Flows<'a>,
    parents: IndexVec<NodeId, Option<NodeId>>,
    rules: IndexVec<NodeId, Option<Rule>>,
    child_counts: IndexVec<NodeId, u32>,
    pub(super) clock: ClockObserver,
}

impl<'a> Tree<'a> {
    /// No links yet.
    pub(super) fn new(flows: Flows<'a>, clock: ClockObserver) -> Self {
        Tree {
            flows,
            parents: IndexVec::filled(None, flows.len()),
            rules: IndexVec::filled(None, flows.len()),
            child_counts: IndexVec::filled(0, flows.len()),
            clock,
        }
    }

    pub(super) fn flow(&self, node: NodeId) -> &'a Flow {
        self.flows.at(node)
    }

    pub(super) fn parent(&self, node: NodeId) -> Option<NodeId> {
        self.parents[node]
    }

    pub(super) fn child_count(&self, node: NodeId) -> u32 {
        self.child_counts[node]
    }

    /// R-PSS-8: lowers the child count of a node. Nothing else lowers it.
    pub(super) fn forget_child(&mut self, node: NodeId) {
        let count = &mut self.child_counts[node];
        *count = count.saturating_sub(1);
    }

    /// R-LINK. A later link of the same child replaces the earlier one. A node is never its own parent.
    pub(super) fn link(&mut self, child: NodeId, parent: NodeId, rule: Rule) {
        if child == parent {
            return;
        }
        self.clock.observe(self.flow(parent), self.flow(child), (parent, child));
        self.parents[child] = Some(parent);
        self.rules[child] = Some(rule);
        self.child_counts[parent] += 1;
    }

    /// R-TREE-3: the parents, with every ring opened at its weakest link, or of equally weak ones at the child that
    /// starts first (B-3; the original loses the spans of a ring, Q-18).
    pub(super) fn into_forest(self) -> Grown {
        let Tree { flows, mut parents, rules, clock, .. } = self;
        // The start of the walk that came to each node first.
        let mut walks: IndexVec<NodeId, Option<NodeId>> = IndexVec::filled(None, parents.len());
        for walk in parents.ids() {
            let mut at = walk;
            while walks[at].is_none() {
                walks[at] = Some(walk);
                match parents[at] {
                    Some(parent) => at = parent,
                    None => break,
                }
            }
            if walks[at] != Some(walk) || parents[at].is_none() {
                continue;
            }
            let mut ring = vec![at];
            let mut next = parents[at];
            while let Some(node) = next.filter(|&node| node != at) {
                ring.push(node);
                next = parents[node];
            }
            let weakest = ring.into_iter().min_by_key(|&node| {
                let key = flows[node].key();
                (rules[node], key.start_us, std::cmp::Reverse(key.end_us), node)
            });
            if let Some(weakest) = weakest {
                parents[weakest] = None;
            }
        }
        Grown { parents, rules, clock }
    }
}
