//! Application spans: whose child each is, as the callers say, and where a process is entered.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::{
    engine::flows::Flow,
    flow::{ObservationPoint, Text},
};

/// The application spans.
pub(super) struct AppTree {
    /// All of them, in order.
    pub(super) nodes: Vec<u32>,
    /// The span that each names as its parent, if it is there.
    parent: Vec<Option<u32>>,
    /// The span at which each one's process was entered: itself, or an ancestor.
    top: Vec<u32>,
    /// By span id.
    by_span_id: FxHashMap<Text, Vec<u32>>,
    /// Span ids that calls carry.
    called: FxHashSet<Text>,
}

/// Application spans of one id that are told apart, at most: more have no meaning.
const MAX_EQUALS: usize = 64;

impl AppTree {
    /// `called` are the span ids that calls carry.
    pub(super) fn of(flows: &[Flow], called: FxHashSet<Text>) -> Self {
        let nodes: Vec<u32> =
            flows.iter().zip(0u32..).filter(|(flow, _)| flow.is_app()).map(|(_, node)| node).collect();
        let mut by_span_id: FxHashMap<Text, Vec<u32>> = FxHashMap::default();
        for &node in &nodes {
            let id = flows[node as usize].key().span_id;
            if !id.is_empty() {
                by_span_id.entry(id).or_default().push(node);
            }
        }
        let mut tree = AppTree {
            nodes,
            parent: vec![None; flows.len()],
            top: (0..flows.len() as u32).collect(),
            by_span_id,
            called,
        };
        for at in 0..tree.nodes.len() {
            let node = tree.nodes[at];
            let flow = &flows[node as usize];
            tree.parent[node as usize] = tree.with_span_id(flow.key().parent_span_id, node, flows);
        }
        tree.find_tops(flows);
        tree
    }

    /// In a ring of parents, the first one met is the top of all.
    fn find_tops(&mut self, flows: &[Flow]) {
        let mut done = vec![false; flows.len()];
        for at in 0..self.nodes.len() {
            let mut way = Vec::new();
            let mut node = self.nodes[at];
            while !std::mem::replace(&mut done[node as usize], true) {
                way.push(node);
                match self.local_parent(node, flows) {
                    Some(parent) => node = parent,
                    None => break,
                }
            }
            let top = self.top[node as usize];
            for node in way {
                self.top[node as usize] = top;
            }
        }
    }

    /// The span at which the process was entered.
    pub(super) fn top(&self, node: u32) -> u32 {
        self.top[node as usize]
    }

    /// The application span with this id in the trace of `other`, which it is not: one of the request
    /// rather than a stored one, one around it rather than beside it, the first of equals.
    pub(super) fn with_span_id(&self, span_id: Text, other: u32, flows: &[Flow]) -> Option<u32> {
        if span_id.is_empty() {
            return None;
        }
        let of = |node: u32| &flows[node as usize];
        let child = of(other);
        let one_trace = |flow: &Flow| {
            flow.trace_ids.intersects(&child.trace_ids)
                || flow.trace_ids.is_empty() && child.trace_ids.is_empty()
        };
        let candidates = self.by_span_id.get(&span_id)?.iter().copied().take(MAX_EQUALS);
        candidates
            .filter(|&node| node != other && one_trace(of(node)))
            .max_by_key(|&node| (of(node).request.is_some(), of(node).covers(child), std::cmp::Reverse(node)))
    }

    /// The parent that the span names, if it is there.
    pub(super) fn parent(&self, node: u32) -> Option<u32> {
        self.parent[node as usize]
    }

    /// The parent, if it is a span of the same process.
    pub(super) fn local_parent(&self, node: u32, flows: &[Flow]) -> Option<u32> {
        self.parent(node).filter(|&parent| {
            let (parent, node) = (&flows[parent as usize], &flows[node as usize]);
            // A server span below another span than a client's: that span made the call itself.
            let is_called =
                node.point == ObservationPoint::ServerApp && self.called.contains(&parent.key().span_id);
            !is_called && !enters_process(parent, node)
        })
    }
}

/// Whether `child` runs in another process than its parent: it serves or receives what the parent sent,
/// or both name their service or instance, and name different ones.
pub(super) fn enters_process(parent: &Flow, child: &Flow) -> bool {
    let differs = |a: Text, b: Text| !a.is_empty() && !b.is_empty() && a != b;
    child.point == ObservationPoint::ServerApp && parent.point == ObservationPoint::ClientApp
        || differs(parent.row.app_service, child.row.app_service)
        || differs(parent.row.app_instance, child.row.app_instance)
}
