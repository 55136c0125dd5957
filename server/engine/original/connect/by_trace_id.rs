//! Scenarios 7 and 8: sets of one trace, each only where `span_set_connection_strategies` asks for it.

use rustc_hash::FxHashMap;

use super::{
    candidates::{Pending, Places},
    state::Connect,
};
use crate::engine::{index::NodeId, rule::Rule};

impl Connect<'_, '_> {
    /// Scenarios 7 and 8, each only where configured, and R-CONN-6.
    pub(super) fn by_trace_id(&mut self, networks: bool, processes: bool) {
        let mut weak = Pending::default();
        let mut best: FxHashMap<NodeId, NodeId> = FxHashMap::default();
        if networks {
            self.networks_by_trace_id(&mut weak, &mut best);
        }
        if processes {
            self.processes_by_trace_id(&mut weak);
        }
        for (child, parent, rule) in weak.into_links() {
            if best.get(&parent).is_none_or(|&chosen| chosen == child) {
                self.tree.link(child, parent, rule);
            }
        }
    }

    /// Scenario 7.
    fn networks_by_trace_id(&self, weak: &mut Pending, best: &mut FxHashMap<NodeId, NodeId>) {
        let roots = self
            .network_roots
            .numbered()
            .filter(|&(_, &node)| self.is_orphan(node) && self.flow(node).point.starts_with_s());
        let roots = Places::by_trace_id(roots.map(|(place, &node)| (self.flow(node), place)));
        for &parent in &self.network_leafs {
            let p = self.flow(parent);
            if self.tree.child_count(parent) != 0 || !p.point.starts_with_c() {
                continue;
            }
            for place in roots.of(p) {
                let child = self.network_roots[place];
                let c = self.flow(child);
                let (pk, ck) = (p.key(), c.key());
                let other_exchange = (pk.req_tcp_seq.is_none() || pk.req_tcp_seq != ck.req_tcp_seq)
                    && (pk.resp_tcp_seq.is_none() || pk.resp_tcp_seq != ck.resp_tcp_seq);
                if child == parent
                    || pk.l7_protocol != ck.l7_protocol
                    || self.same_set(parent, child)
                    || !self.start_guard(parent, child)
                    || !other_exchange
                    || p.row.duration_us < c.row.duration_us
                {
                    continue;
                }
                weak.offer(child, parent, Rule::NetworkByTraceId, |chosen| {
                    self.duration_us(chosen) > p.row.duration_us
                });
                let longest = best.entry(parent).or_insert(child);
                if self.duration_us(*longest) < c.row.duration_us {
                    *longest = child;
                }
            }
        }
    }

    /// Scenario 8.
    fn processes_by_trace_id(&self, weak: &mut Pending) {
        const CLOUD_HOST: u8 = 1;
        const POD_NODE: u8 = 14;
        let roots = self.process_roots.numbered().filter(|&(_, &node)| {
            self.is_process_root[node] && self.is_orphan(node) && self.flow(node).point.starts_with_c()
        });
        let roots = Places::by_trace_id(roots.map(|(place, &node)| (self.flow(node), place)));
        for &parent in &self.process_leafs {
            let p = self.flow(parent);
            let host = matches!(p.instance_type(), CLOUD_HOST | POD_NODE);
            if !p.point.starts_with_s() || !host {
                continue;
            }
            for place in roots.of(p) {
                let child = self.process_roots[place];
                let c = self.flow(child);
                if child != parent
                    && c.instance() == p.instance()
                    && c.instance_type() == p.instance_type()
                    && self.cover_guard(parent, child)
                    && !self.same_set(parent, child)
                {
                    weak.offer(child, parent, Rule::SystemByTraceId, |chosen| {
                        self.duration_us(chosen) > p.row.duration_us
                    });
                }
            }
        }
    }
}
