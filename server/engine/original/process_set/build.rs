//! What all steps work on, and how a span joins a set.

use super::sets::{ProcessSets, SetIndex};
use crate::{
    engine::{
        completed::Resource,
        flows::{Flow, Instance},
        tree::Tree,
    },
    flow::{ObservationPoint, Text, Texts},
};

/// What all steps work on.
pub(super) struct Build<'a, 'b> {
    pub(super) tree: &'b mut Tree<'a>,
    pub(super) resources: &'b mut [Resource],
    pub(super) texts: &'b mut Texts,
    pub(super) sets: ProcessSets,
}

/// R-NODE-1: the nodes that process span sets are made of, by class, in order.
pub(super) struct Nodes {
    pub(super) app: Vec<u32>,
    pub(super) server: Vec<u32>,
    pub(super) client: Vec<u32>,
}

impl Nodes {
    pub(super) fn of(flows: &[Flow]) -> Self {
        let mut nodes = Nodes { app: Vec::new(), server: Vec::new(), client: Vec::new() };
        for (flow, i) in flows.iter().zip(0u32..) {
            if flow.is_app() {
                nodes.app.push(i);
            } else if flow.is_system() && flow.point == ObservationPoint::ServerProcess {
                nodes.server.push(i);
            } else if flow.is_system() {
                nodes.client.push(i);
            }
        }
        nodes
    }
}

impl Build<'_, '_> {
    /// R-PSS-1, end: an application span joins.
    pub(super) fn add_app(&mut self, node: u32, set: SetIndex) {
        self.sets.assigned[node as usize] = Some(set);
        let flow = self.tree.flow(node);
        let set = self.sets.set_mut(set);
        set.spans.push(node);
        set.memory.service(flow, &mut self.resources[node as usize]);
    }

    /// R-PSS-5: a system span joins.
    pub(super) fn add_system(&mut self, node: u32, set: SetIndex) {
        self.sets.assigned[node as usize] = Some(set);
        let flow = self.tree.flow(node);
        let set = self.sets.set_mut(set);
        let position = set.spans.len() as u32;
        set.spans.push(node);
        let resource = &mut self.resources[node as usize];
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
                set.leaf_x_request_ids.entry(id).or_default().push(position);
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
