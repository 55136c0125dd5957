//! What all steps work on, and how a span joins a set.

use super::sets::ProcessSets;
use crate::{
    engine::{
        completed::Resource,
        flows::{Flow, Flows, Instance},
        index::{Id, IndexVec, NodeId, Place, SetId},
        tree::Tree,
    },
    flow::{ObservationPoint, Text, Texts},
};

/// What all steps work on.
pub(super) struct Build<'a, 'b> {
    pub(super) tree: &'b mut Tree<'a>,
    pub(super) resources: &'b mut IndexVec<NodeId, Resource>,
    pub(super) texts: &'b mut Texts,
    pub(super) sets: ProcessSets,
}

/// R-NODE-1: the nodes that process span sets are made of, by class, in order.
pub(super) struct Nodes {
    pub(super) app: Vec<NodeId>,
    pub(super) server: Vec<NodeId>,
    pub(super) client: Vec<NodeId>,
}

impl Nodes {
    pub(super) fn of(flows: Flows<'_>) -> Self {
        let mut nodes = Nodes { app: Vec::new(), server: Vec::new(), client: Vec::new() };
        for (node, flow) in flows.numbered() {
            if flow.is_app() {
                nodes.app.push(node);
            } else if flow.is_system() && flow.point == ObservationPoint::ServerProcess {
                nodes.server.push(node);
            } else if flow.is_system() {
                nodes.client.push(node);
            }
        }
        nodes
    }
}

impl Build<'_, '_> {
    /// R-PSS-1, end: an application span joins.
    pub(super) fn add_app(&mut self, node: NodeId, set: SetId) {
        self.sets.assigned[node] = Some(set);
        let flow = self.tree.flow(node);
        let set = self.sets.set_mut(set);
        set.spans.push(node);
        set.memory.service(flow, &mut self.resources[node]);
    }

    /// R-PSS-5: a system span joins.
    pub(super) fn add_system(&mut self, node: NodeId, set: SetId) {
        self.sets.assigned[node] = Some(set);
        let flow = self.tree.flow(node);
        let set = self.sets.set_mut(set);
        let place = Place::of(set.spans.len());
        set.spans.push(node);
        let resource = &mut self.resources[node];
        set.memory.process(flow, resource);
        set.memory.service(flow, resource);
        if flow.point == ObservationPoint::ClientProcess {
            let key = flow.key();
            if !key.syscall_request.is_none() {
                set.leaf_requests.insert(key.syscall_request.0);
            }
            if !key.syscall_response.is_none() {
                set.leaf_responses.insert(key.syscall_response.0);
            }
            for id in x_request_ids(flow) {
                set.leaf_x_request_ids.entry(id).or_default().push(place);
            }
        }
        set.trace_ids.extend(flow.trace_ids.iter());
    }

    /// The text `<instance>-<n>` as a group key (R-PSS-11, R-PSS-17).
    pub(super) fn numbered_key(&mut self, instance: Instance, n: usize) -> Instance {
        let text = match instance {
            Instance::Number(number) => format!("{number}-{n}"),
            Instance::Name(name) => format!("{}-{n}", self.texts.get(name)),
        };
        Instance::Name(self.texts.intern(&text))
    }
}

/// The X-Request-IDs of a span, without empty and repeated ones.
pub(super) fn x_request_ids(flow: &Flow) -> impl Iterator<Item = Text> {
    let (x0, x1) = (flow.key().x_request_id_0, flow.key().x_request_id_1);
    [x0, if x1 == x0 { Text::EMPTY } else { x1 }].into_iter().filter(|x| !x.is_empty())
}
