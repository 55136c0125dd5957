//! The tree while it grows: who is whose parent, and why (R-LINK).

use super::{clock::ClockObserver, flows::Flow, rule::Rule};

/// What becomes of a tree when it is done.
pub(super) struct Grown {
    /// Parent of each node.
    pub(super) parents: Vec<Option<u32>>,
    /// The rule that chose it; also of a node whose ring was opened there, which has no parent.
    pub(super) rules: Vec<Option<Rule>>,
    pub(super) clock: ClockObserver,
}

/// The parents of all nodes.
pub(super) struct Tree<'a> {
    pub(super) flows: &'a [Flow],
    parents: Vec<Option<u32>>,
    rules: Vec<Option<Rule>>,
    child_counts: Vec<u32>,
    pub(super) clock: ClockObserver,
}

impl<'a> Tree<'a> {
    /// No links yet.
    pub(super) fn new(flows: &'a [Flow], clock: ClockObserver) -> Self {
        Tree {
            flows,
            parents: vec![None; flows.len()],
            rules: vec![None; flows.len()],
            child_counts: vec![0; flows.len()],
            clock,
        }
    }

    pub(super) fn flow(&self, node: u32) -> &'a Flow {
        &self.flows[node as usize]
    }

    pub(super) fn parent(&self, node: u32) -> Option<u32> {
        self.parents[node as usize]
    }

    pub(super) fn child_count(&self, node: u32) -> u32 {
        self.child_counts[node as usize]
    }

    /// R-PSS-8: the one place where a count is taken back.
    pub(super) fn forget_child(&mut self, node: u32) {
        let count = &mut self.child_counts[node as usize];
        *count = count.saturating_sub(1);
    }

    /// R-LINK. The last link of a child decides; none makes a node its own parent.
    pub(super) fn link(&mut self, child: u32, parent: u32, rule: Rule) {
        if child == parent {
            return;
        }
        self.clock.observe(self.flow(parent), self.flow(child), (parent, child));
        self.parents[child as usize] = Some(parent);
        self.rules[child as usize] = Some(rule);
        self.child_counts[parent as usize] += 1;
    }

    /// The parents, with every ring opened at its weakest link; of equal ones at the child that starts
    /// first. (The original loses the spans of a ring, Q-18.)
    pub(super) fn into_forest(self) -> Grown {
        let Tree { flows, mut parents, rules, clock, .. } = self;
        // 0: not visited, otherwise the walk that came here first.
        let mut walks = vec![0u32; parents.len()];
        for start in 0..parents.len() {
            let walk = start as u32 + 1;
            let mut at = start;
            while walks[at] == 0 {
                walks[at] = walk;
                match parents[at] {
                    Some(parent) => at = parent as usize,
                    None => break,
                }
            }
            if walks[at] != walk || parents[at].is_none() {
                continue;
            }
            let mut ring = vec![at];
            let mut next = parents[at];
            while let Some(node) = next.map(|node| node as usize).filter(|&node| node != at) {
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
