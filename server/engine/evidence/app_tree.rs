//! Application spans: the parent that each names, and the span at which its process was entered.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::{
    engine::{
        disjoint,
        flows::{Flow, Flows},
        index::{IndexVec, NodeId},
    },
    flow::{ObservationPoint, Text},
};

/// The application spans.
pub(super) struct AppTree {
    /// All of them, in order.
    pub(super) nodes: Vec<NodeId>,
    /// The span that each names as its parent, if it is there.
    parent: IndexVec<NodeId, Option<NodeId>>,
    /// The span at which each one's process was entered: itself, or an ancestor.
    top: IndexVec<NodeId, NodeId>,
    /// By span id.
    by_span_id: FxHashMap<Text, Vec<NodeId>>,
    /// Span ids that calls carry.
    called: FxHashSet<Text>,
}

/// The most application spans of one id that are looked at. More than this are not told apart.
const MAX_EQUALS: usize = 64;

impl AppTree {
    /// `called` are the span ids that calls carry.
    pub(super) fn of(flows: Flows<'_>, called: FxHashSet<Text>) -> Self {
        let nodes: Vec<NodeId> =
            flows.numbered().filter(|(_, flow)| flow.is_app()).map(|(node, _)| node).collect();
        let mut by_span_id: FxHashMap<Text, Vec<NodeId>> = FxHashMap::default();
        for &node in &nodes {
            let id = flows[node].key().span_id;
            if !id.is_empty() {
                by_span_id.entry(id).or_default().push(node);
            }
        }
        let mut tree = AppTree {
            nodes,
            parent: IndexVec::filled(None, flows.len()),
            top: flows.ids().collect(),
            by_span_id,
            called,
        };
        for at in 0..tree.nodes.len() {
            let node = tree.nodes[at];
            let flow = &flows[node];
            tree.parent[node] = tree.with_span_id(flow.key().parent_span_id, node, flows);
        }
        // In a ring of parents, the first one met is the top of all.
        tree.top = disjoint::roots(flows.len(), |node| tree.local_parent(node, flows), |ring| ring[0]);
        tree
    }

    /// The span at which the process was entered.
    pub(super) fn top(&self, node: NodeId) -> NodeId {
        self.top[node]
    }

    /// The application span with this id in the trace of `other`; never `other` itself. Of several, a span of
    /// the request comes before a stored one, then one that covers `other`, then the first.
    pub(super) fn with_span_id(&self, span_id: Text, other: NodeId, flows: Flows<'_>) -> Option<NodeId> {
        if span_id.is_empty() {
            return None;
        }
        let of = |node: NodeId| &flows[node];
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
    pub(super) fn parent(&self, node: NodeId) -> Option<NodeId> {
        self.parent[node]
    }

    /// The parent, if it is a span of the same process.
    pub(super) fn local_parent(&self, node: NodeId, flows: Flows<'_>) -> Option<NodeId> {
        self.parent(node).filter(|&parent| {
            let (parent, node) = (&flows[parent], &flows[node]);
            // If a call carries the id of a server span's parent, that parent made the call, and the server
            // span is in another process.
            let is_called =
                node.point == ObservationPoint::ServerApp && self.called.contains(&parent.key().span_id);
            !is_called && !enters_process(parent, node)
        })
    }
}

/// Whether `child` runs in another process than its parent: it is the server or consumer span of a call that
/// the parent made, or the two name different services or different instances.
pub(super) fn enters_process(parent: &Flow, child: &Flow) -> bool {
    let differs = |a: Text, b: Text| !a.is_empty() && !b.is_empty() && a != b;
    child.point == ObservationPoint::ServerApp && parent.point == ObservationPoint::ClientApp
        || differs(parent.row.app_service, child.row.app_service)
        || differs(parent.row.app_instance, child.row.app_instance)
}
