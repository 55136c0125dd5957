//! Scenarios 5, 5g and 6: paths of one exchange below the path of another.

use super::{
    candidates::{Orphans, Places},
    state::Connect,
};
use crate::{
    engine::{flows::Flow, rule::Rule},
    flow::{L7Protocol, Text},
};

impl Connect<'_, '_> {
    /// Scenarios 5 and 5g: paths that follow one another, by X-Request-ID or span id, or as one gRPC
    /// stream.
    pub(super) fn network_leafs_to_network_roots(&mut self) {
        let mut by_span_id = self.network_root_orphans(|flow| flow.key().span_id);
        let mut by_parent_span_id = self.network_root_orphans(|flow| flow.key().parent_span_id);
        let mut by_x0 = self.network_root_orphans(|flow| flow.key().x_request_id_0);
        let mut by_x1 = self.network_root_orphans(|flow| flow.key().x_request_id_1);
        let streams = self.network_roots.iter().filter_map(|&node| {
            let key = self.flow(node).key();
            let id = key.request_id.filter(|&id| id > 0 && key.l7_protocol.is_grpc_like())?;
            Some(((key.l7_protocol, id), node))
        });
        let mut by_stream = Orphans::new(streams);
        let mut candidates = Vec::new();
        for parent in self.network_leafs.clone() {
            let p = self.flow(parent);
            let (p0, p1) = (p.key().x_request_id_0, p.key().x_request_id_1);
            candidates.clear();
            by_x0.collect(p1, self.tree, &mut candidates);
            by_x1.collect(p0, self.tree, &mut candidates);
            by_span_id.collect(p.key().span_id, self.tree, &mut candidates);
            by_span_id.collect(p.key().parent_span_id, self.tree, &mut candidates);
            by_parent_span_id.collect(p.key().span_id, self.tree, &mut candidates);
            candidates.retain(|&child| {
                let c = self.flow(child);
                let equal = |left: Text, right: Text| !left.is_empty() && left == right;
                let (c0, c1) = (c.key().x_request_id_0, c.key().x_request_id_1);
                child != parent
                    && (self.relations.span_id(parent, child) || self.relations.x_request_id(parent, child))
                    && !self.same_set(parent, child)
                    && self.start_guard(parent, child)
                    && (equal(p1, c0)
                        || equal(p0, c0)
                        || equal(p1, c1)
                        || equal(p.key().span_id, c.key().span_id))
                    && p.row.duration_us >= c.row.duration_us
            });
            self.in_relation_order(parent, &mut candidates);
            for &child in &candidates {
                let tree = &*self.tree;
                self.pending.offer(child, parent, Rule::NetworkToNetwork, |chosen| {
                    tree.flow(chosen).row.duration_us > p.row.duration_us
                });
            }
            if let Some(id) = p.key().request_id.filter(|&id| id != 0) {
                candidates.clear();
                by_stream.collect((p.key().l7_protocol, id), self.tree, &mut candidates);
                for &child in &candidates {
                    if child != parent
                        && !self.same_set(parent, child)
                        && self.duration_us(child) <= p.row.duration_us
                    {
                        self.tree.link(child, parent, Rule::GrpcRequestId);
                    }
                }
            }
        }
    }

    /// Scenario 6: a queue between two paths of one trace.
    pub(super) fn message_queue(&mut self) {
        let queued =
            |flow: &Flow| flow.key().l7_protocol == L7Protocol::WEBSPHERE_MQ && flow.row.is_async != 0;
        let roots = self.network_roots.numbered().filter(|&(_, &node)| {
            let flow = self.flow(node);
            queued(flow) && self.is_orphan(node) && flow.point.starts_with_s()
        });
        let roots = Places::by_trace_id(roots.map(|(place, &node)| (self.flow(node), place)));
        for parent in self.network_leafs.clone() {
            let p = self.flow(parent);
            if !queued(p) || self.tree.child_count(parent) != 0 || !p.point.starts_with_c() {
                continue;
            }
            for place in roots.of(p) {
                let child = self.network_roots[place];
                if child != parent && !self.same_set(parent, child) && self.start_guard(parent, child) {
                    let tree = &*self.tree;
                    self.pending.offer(child, parent, Rule::MessageQueue, |chosen| {
                        tree.flow(chosen).key().start_us < p.key().start_us
                    });
                }
            }
        }
    }
}
