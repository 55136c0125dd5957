//! Connecting process span sets and network span sets into trees (algorithm 8).
//!
//! The rules walk the relations of each node. Here each scenario looks its candidates up by the value
//! that its conditions demand, and keeps only those that can still be adopted, so that a span id which
//! thousands of spans share costs no square.

use std::hash::Hash;

use rustc_hash::FxHashMap;

use super::{
    flows::Flow,
    network_set::NetworkSet,
    process_set::ProcessSets,
    relations::Relations,
    tree::{Rule, Tree},
};
use crate::{
    config::{ConnectionStrategy, Tracing},
    flow::{L7Protocol, Text},
};

/// The state shared by the scenarios.
struct Connect<'a, 'b> {
    tree: &'b mut Tree<'a>,
    relations: &'b Relations<'a>,
    processes: &'b ProcessSets,
    /// The network set of each node.
    network_of: Vec<Option<u32>>,
    /// `PR`, `PL`, `NR`, `NL` of R-CONN-1.
    process_roots: Vec<u32>,
    process_leafs: Vec<u32>,
    network_roots: Vec<u32>,
    network_leafs: Vec<u32>,
    is_process_root: Vec<bool>,
    /// Parents of 5 and 6 that are not linked yet, in the order in which the children entered.
    pending: Pending,
}

/// Chosen parents, by child, in the order of the first choice.
#[derive(Default)]
struct Pending {
    order: Vec<u32>,
    parents: FxHashMap<u32, (u32, Rule)>,
}

impl Pending {
    /// Chooses `parent` if there is none yet or `better(chosen)` says so.
    fn offer(&mut self, child: u32, parent: u32, rule: Rule, better: impl FnOnce(u32) -> bool) {
        match self.parents.get_mut(&child) {
            None => {
                self.order.push(child);
                self.parents.insert(child, (parent, rule));
            }
            Some(chosen) if better(chosen.0) => *chosen = (parent, rule),
            Some(_) => {}
        }
    }
}

/// Adoptable nodes, filed under a value; those that found a parent are dropped as they are met.
struct Orphans<K>(FxHashMap<K, Vec<u32>>);

impl<K: Copy + Eq + Hash> Orphans<K> {
    fn new(nodes: impl Iterator<Item = (K, u32)>) -> Self {
        let mut files: FxHashMap<K, Vec<u32>> = FxHashMap::default();
        for (key, node) in nodes {
            let file = files.entry(key).or_default();
            if file.last() != Some(&node) {
                file.push(node);
            }
        }
        Orphans(files)
    }

    fn collect(&mut self, key: K, tree: &Tree<'_>, into: &mut Vec<u32>) {
        if let Some(file) = self.0.get_mut(&key) {
            file.retain(|&node| tree.parent(node).is_none());
            into.extend_from_slice(file);
        }
    }
}

/// Runs all scenarios, in the order of R-CONN-2.
pub(super) fn connect<'a>(
    tree: &mut Tree<'a>,
    relations: &Relations<'a>,
    processes: &ProcessSets,
    networks: &[NetworkSet],
    tracing: &Tracing,
) {
    let mut connect = Connect::new(tree, relations, processes, networks);
    connect.process_leafs_to_network_roots();
    connect.network_leafs_to_process_roots();
    connect.process_leafs_to_process_roots();
    connect.app_spans_to_process_roots();
    connect.network_leafs_to_network_roots();
    connect.message_queue();
    connect.link_pending();
    let by_network = tracing.connects(ConnectionStrategy::NetSpanCToSViaTraceId);
    let by_process = tracing.connects(ConnectionStrategy::SysSpanSToCViaTraceId);
    connect.by_trace_id(by_network, by_process);
}

impl<'a, 'b> Connect<'a, 'b> {
    /// R-CONN-1.
    fn new(
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

    fn flow(&self, node: u32) -> &'a Flow {
        self.tree.flow(node)
    }

    fn is_orphan(&self, node: u32) -> bool {
        self.tree.parent(node).is_none()
    }

    /// R-PSS-0: in one process set, or in one network set.
    fn same_set(&self, a: u32, b: u32) -> bool {
        let network = self.network_of[a as usize];
        network.is_some() && network == self.network_of[b as usize] || self.processes.same_set(a, b)
    }

    /// R-CONN-3.
    fn cover_guard(&self, parent: u32, child: u32) -> bool {
        let (p, c) = (self.flow(parent), self.flow(child));
        p.key().agent != c.key().agent || p.covers(c)
    }

    /// R-CONN-3.
    fn start_guard(&self, parent: u32, child: u32) -> bool {
        let (p, c) = (self.flow(parent), self.flow(child));
        p.is_app() || c.is_app() || p.key().agent != c.key().agent || p.key().start_us <= c.key().start_us
    }

    fn duration_us(&self, node: u32) -> i64 {
        self.flow(node).row.duration_us
    }

    /// The request was lost sight of on neither side, and the parent is shorter than the child.
    fn outlasted(&self, parent: u32, child: u32, known: u32) -> bool {
        self.duration_us(known) != 0 && self.duration_us(parent) < self.duration_us(child)
    }

    /// Puts candidates in the order of the left node's relations (R-REL-10): by the first kind that
    /// relates them, then by index.
    fn in_relation_order(&self, left: u32, candidates: &mut Vec<u32>) {
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

    fn network_root_orphans(&self, value: impl Fn(&Flow) -> Text) -> Orphans<Text> {
        let roots = self.network_roots.iter().filter(|&&node| self.is_orphan(node));
        Orphans::new(roots.map(|&node| (value(self.flow(node)), node)).filter(|(text, _)| !text.is_empty()))
    }

    fn process_root_orphans(&self, value: impl Fn(&Flow) -> Text) -> Orphans<Text> {
        let roots = self.process_roots.iter().filter(|&&node| self.is_orphan(node));
        Orphans::new(roots.map(|&node| (value(self.flow(node)), node)).filter(|(text, _)| !text.is_empty()))
    }

    /// Scenario 1: the path of a call hangs below the process span that made it.
    fn process_leafs_to_network_roots(&mut self) {
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
    fn network_leafs_to_process_roots(&mut self) {
        let mut by_span_id = self.process_root_orphans(|flow| flow.key().span_id);
        let mut by_parent_span_id = self.process_root_orphans(|flow| flow.key().parent_span_id);
        // The original skips one node by accident; it decides the order of links.
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
    fn process_leafs_to_process_roots(&mut self) {
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

    /// Scenario 4: what is left hangs below the application span that it names as its parent. Of several
    /// the last one in the order of relations stays.
    fn app_spans_to_process_roots(&mut self) {
        let mut apps: FxHashMap<Text, Vec<u32>> = FxHashMap::default();
        for (flow, node) in self.tree.flows.iter().zip(0u32..) {
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

    /// Scenarios 5 and 5g: paths that follow one another, by X-Request-ID or span id, or as one gRPC
    /// stream.
    fn network_leafs_to_network_roots(&mut self) {
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
    fn message_queue(&mut self) {
        let queued =
            |flow: &Flow| flow.key().l7_protocol == L7Protocol::WEBSPHERE_MQ && flow.row.is_async != 0;
        let roots = self.network_roots.iter().zip(0u32..).filter(|&(&node, _)| {
            let flow = self.flow(node);
            queued(flow) && self.is_orphan(node) && flow.point.starts_with_s()
        });
        let roots = Places::by_trace_id(roots.map(|(&node, place)| (self.flow(node), place)));
        for parent in self.network_leafs.clone() {
            let p = self.flow(parent);
            if !queued(p) || self.tree.child_count(parent) != 0 || !p.point.starts_with_c() {
                continue;
            }
            for place in roots.of(p) {
                let child = self.network_roots[place as usize];
                if child != parent && !self.same_set(parent, child) && self.start_guard(parent, child) {
                    let tree = &*self.tree;
                    self.pending.offer(child, parent, Rule::MessageQueue, |chosen| {
                        tree.flow(chosen).key().start_us < p.key().start_us
                    });
                }
            }
        }
    }

    /// R-CONN-5.
    fn link_pending(&mut self) {
        let Pending { order, parents } = std::mem::take(&mut self.pending);
        for child in order {
            if let Some(&(parent, rule)) = parents.get(&child) {
                self.tree.link(child, parent, rule);
            }
        }
    }

    /// Scenarios 7 and 8, each only where configured, and R-CONN-6.
    fn by_trace_id(&mut self, networks: bool, processes: bool) {
        let mut weak = Pending::default();
        let mut best: FxHashMap<u32, u32> = FxHashMap::default();
        if networks {
            self.networks_by_trace_id(&mut weak, &mut best);
        }
        if processes {
            self.processes_by_trace_id(&mut weak);
        }
        for child in weak.order {
            if let Some(&(parent, rule)) = weak.parents.get(&child)
                && best.get(&parent).is_none_or(|&chosen| chosen == child)
            {
                self.tree.link(child, parent, rule);
            }
        }
    }

    /// Scenario 7.
    fn networks_by_trace_id(&self, weak: &mut Pending, best: &mut FxHashMap<u32, u32>) {
        let roots = self
            .network_roots
            .iter()
            .zip(0u32..)
            .filter(|&(&node, _)| self.is_orphan(node) && self.flow(node).point.starts_with_s());
        let roots = Places::by_trace_id(roots.map(|(&node, place)| (self.flow(node), place)));
        for &parent in &self.network_leafs {
            let p = self.flow(parent);
            if self.tree.child_count(parent) != 0 || !p.point.starts_with_c() {
                continue;
            }
            for place in roots.of(p) {
                let child = self.network_roots[place as usize];
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
        let roots = self.process_roots.iter().zip(0u32..).filter(|&(&node, _)| {
            self.is_process_root[node as usize]
                && self.is_orphan(node)
                && self.flow(node).point.starts_with_c()
        });
        let roots = Places::by_trace_id(roots.map(|(&node, place)| (self.flow(node), place)));
        for &parent in &self.process_leafs {
            let p = self.flow(parent);
            let host = matches!(p.instance_type(), CLOUD_HOST | POD_NODE);
            if !p.point.starts_with_s() || !host {
                continue;
            }
            for place in roots.of(p) {
                let child = self.process_roots[place as usize];
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

/// Places in a list, filed under the trace ids of the nodes that stand there.
struct Places(FxHashMap<Text, Vec<u32>>);

impl Places {
    fn by_trace_id<'f>(nodes: impl Iterator<Item = (&'f Flow, u32)>) -> Self {
        let mut files: FxHashMap<Text, Vec<u32>> = FxHashMap::default();
        for (flow, place) in nodes {
            for id in flow.trace_ids.iter() {
                files.entry(id).or_default().push(place);
            }
        }
        Places(files)
    }

    /// The places of nodes that share a trace id with `flow`, ascending.
    fn of(&self, flow: &Flow) -> Vec<u32> {
        let mut places: Vec<u32> =
            flow.trace_ids.iter().filter_map(|id| self.0.get(&id)).flatten().copied().collect();
        places.sort_unstable();
        places.dedup();
        places
    }
}
