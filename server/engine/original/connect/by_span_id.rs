//! Scenarios 1 to 4: process and network span sets that a span id ties together.

use rustc_hash::FxHashMap;

use super::state::Connect;
use crate::{
    engine::{index::NodeId, rule::Rule},
    flow::Text,
};

impl Connect<'_, '_> {
    /// Scenario 1: the path of a call hangs below the process span that made it.
    pub(super) fn process_leafs_to_network_roots(&mut self) {
        let mut roots = self.network_root_orphans(|flow| flow.key().span_id);
        let mut candidates = Vec::new();
        for parent in self.process_leafs.clone() {
            let p = self.flow(parent);
            if p.point.starts_with_c() && self.tree.child_count(parent) > 0 || p.key().span_id.is_empty() {
                continue;
            }
            candidates.clear();
            roots.collect(p.key().span_id, self.tree, &mut candidates);
            candidates.retain(|&child| {
                child != parent
                    && self.relations.span_id(parent, child)
                    && !self.same_set(parent, child)
                    && (p.is_app()
                        || self.cover_guard(parent, child) && !self.outlasted(parent, child, child))
            });
            self.in_relation_order(parent, &mut candidates);
            for &child in &candidates {
                self.tree.link(child, parent, Rule::ProcessToNetwork);
            }
        }
    }

    /// Scenario 2: the process that serves a call hangs below the end of its path.
    pub(super) fn network_leafs_to_process_roots(&mut self) {
        let mut by_span_id = self.process_root_orphans(|flow| flow.key().span_id);
        let mut by_parent_span_id = self.process_root_orphans(|flow| flow.key().parent_span_id);
        // The original skips one node by accident, and the order of links depends on it.
        let skipped = self.process_leafs.last().copied();
        let mut candidates = Vec::new();
        for parent in self.network_leafs.clone() {
            let p = self.flow(parent);
            let span_id = p.key().span_id;
            if p.point.starts_with_s() && self.tree.child_count(parent) > 0
                || span_id.is_empty()
                || Some(parent) == skipped
            {
                continue;
            }
            candidates.clear();
            by_span_id.collect(span_id, self.tree, &mut candidates);
            by_parent_span_id.collect(span_id, self.tree, &mut candidates);
            candidates.retain(|&child| {
                let c = self.flow(child);
                child != parent
                    && self.relations.span_id(parent, child)
                    && !self.same_set(parent, child)
                    && (c.is_app()
                        || self.cover_guard(parent, child) && !self.outlasted(parent, child, parent))
                    && (!c.is_app() && c.key().span_id == span_id || c.key().parent_span_id == span_id)
            });
            self.in_relation_order(parent, &mut candidates);
            for &child in &candidates {
                self.tree.link(child, parent, Rule::NetworkToProcess);
            }
        }
    }

    /// Scenario 3: the same without a path between them.
    pub(super) fn process_leafs_to_process_roots(&mut self) {
        let mut by_span_id = self.process_root_orphans(|flow| flow.key().span_id);
        let mut by_parent_span_id = self.process_root_orphans(|flow| flow.key().parent_span_id);
        let mut candidates = Vec::new();
        for parent in self.process_leafs.clone() {
            let p = self.flow(parent);
            let span_id = p.key().span_id;
            if span_id.is_empty() {
                continue;
            }
            candidates.clear();
            by_span_id.collect(span_id, self.tree, &mut candidates);
            by_parent_span_id.collect(span_id, self.tree, &mut candidates);
            candidates.retain(|&child| {
                let c = self.flow(child);
                child != parent
                    && self.relations.span_id(parent, child)
                    && !self.same_set(parent, child)
                    && (p.is_app()
                        || c.is_app()
                        || self.cover_guard(parent, child) && !self.outlasted(parent, child, parent))
                    && (!c.is_app() && c.key().span_id == span_id || c.key().parent_span_id == span_id)
            });
            self.in_relation_order(parent, &mut candidates);
            for &child in &candidates {
                self.tree.link(child, parent, Rule::ProcessToProcess);
            }
        }
    }

    /// Scenario 4: what is left hangs below the application span that it names as its parent. Of several such
    /// spans the last one in the order of relations becomes the parent.
    pub(super) fn app_spans_to_process_roots(&mut self) {
        let mut apps: FxHashMap<Text, Vec<NodeId>> = FxHashMap::default();
        for (node, flow) in self.tree.flows.numbered() {
            if flow.is_app() && !flow.key().span_id.is_empty() {
                apps.entry(flow.key().span_id).or_default().push(node);
            }
        }
        for child in self.process_roots.clone() {
            let c = self.flow(child);
            if !self.is_orphan(child) || c.key().parent_span_id.is_empty() {
                continue;
            }
            let mut candidates = apps.get(&c.key().parent_span_id).cloned().unwrap_or_default();
            candidates.retain(|&parent| {
                parent != child
                    && self.relations.span_id(child, parent)
                    && !self.same_set(child, parent)
                    && self.flow(parent).covers(c)
            });
            self.in_relation_order(child, &mut candidates);
            for &parent in &candidates {
                self.tree.link(child, parent, Rule::ProcessRootToApp);
            }
        }
    }
}
