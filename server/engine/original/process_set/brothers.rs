//! R-PSS-12: client spans that one thread or one trace ties together.

use rustc_hash::FxHashMap;

use crate::{
    engine::{
        disjoint,
        flows::{Flow, Instance, POD},
        index::{Id, IndexVec, Place},
    },
    flow::{AgentId, Text},
};

/// Which client spans are brothers. Spans are named by their places in the list of client spans.
pub(super) struct Brothers {
    /// Group root of each span.
    root: IndexVec<Place, Place>,
    /// Spans of a group in one process, group roots left out, ascending.
    in_process: FxHashMap<(Place, ProcessKey), Vec<Place>>,
}

/// What two spans of one process have in common (R-NODE-5).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum ProcessKey {
    Process(AgentId, i32),
    Pod(AgentId, Instance),
}

impl Brothers {
    /// Groups the client spans.
    pub(super) fn of(clients: &[&Flow]) -> Self {
        let root = group_roots(clients);
        let mut in_process: FxHashMap<(Place, ProcessKey), Vec<Place>> = FxHashMap::default();
        for (flow, (i, &group)) in clients.iter().zip(root.numbered()) {
            if i != group {
                for key in process_keys(flow) {
                    in_process.entry((group, key)).or_default().push(i);
                }
            }
        }
        Brothers { root, in_process }
    }

    /// The brothers of span `i` that may be of `parent`'s process, ascending. Those for which `keep` is false
    /// are removed, and are not returned by later calls either.
    pub(super) fn in_process_of(
        &mut self,
        i: Place,
        parent: &Flow,
        keep: impl Fn(Place) -> bool,
    ) -> Vec<Place> {
        let group = self.root[i];
        let mut found = Vec::new();
        for key in process_keys(parent) {
            if let Some(spans) = self.in_process.get_mut(&(group, key)) {
                spans.retain(|&span| keep(span));
                found.extend_from_slice(spans);
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

fn process_keys(flow: &Flow) -> impl Iterator<Item = ProcessKey> {
    let agent = flow.key().agent;
    let process = (flow.process() != 0).then(|| ProcessKey::Process(agent, flow.process()));
    let pod = (flow.instance_type() == POD).then(|| ProcessKey::Pod(agent, flow.instance()));
    process.into_iter().chain(pod)
}

/// Follows each span's pointer to the end, or to the last member of a ring.
fn group_roots(clients: &[&Flow]) -> IndexVec<Place, Place> {
    let pointers = pointers(clients);
    let last = |ring: &[Place]| ring.iter().copied().max().unwrap_or(ring[0]);
    disjoint::roots(clients.len(), |at| pointers[at], last)
}

fn pointers(clients: &[&Flow]) -> IndexVec<Place, Option<Place>> {
    let mut last_of_trace: FxHashMap<Text, Place> = FxHashMap::default();
    let mut last_of_request: FxHashMap<u64, Place> = FxHashMap::default();
    let mut last_answered: FxHashMap<u64, Place> = FxHashMap::default();
    for (i, flow) in clients.iter().enumerate().map(|(i, flow)| (Place::of(i), flow)) {
        for id in flow.trace_ids.iter() {
            last_of_trace.insert(id, i);
        }
        let key = flow.key();
        if !key.syscall_request.is_none() {
            last_of_request.insert(key.syscall_request.0, i);
            if !key.syscall_response.is_none() {
                last_answered.insert(key.syscall_request.0, i);
            }
        }
    }
    let pointer = |flow: &&Flow| {
        let key = flow.key();
        if let Some(id) = flow.trace_ids.last() {
            last_of_trace.get(&id)
        } else if !key.syscall_response.is_none() {
            last_of_request.get(&key.syscall_response.0)
        } else {
            last_answered.get(&key.syscall_request.0)
        }
    };
    clients.iter().map(|flow| pointer(flow).copied()).collect()
}
