//! R-PSS-12: client spans that one thread or one trace ties together.

use rustc_hash::FxHashMap;

use crate::{
    engine::flows::{Flow, Instance, POD},
    flow::{AgentId, Text},
};

/// The brothers of client spans, as the places of a list of client spans.
pub(super) struct Brothers {
    /// Group root of each span.
    root: Vec<u32>,
    /// Spans of a group in one process, group roots left out, ascending.
    in_process: FxHashMap<(u32, ProcessKey), Vec<u32>>,
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
        let mut in_process: FxHashMap<(u32, ProcessKey), Vec<u32>> = FxHashMap::default();
        for ((flow, &group), i) in clients.iter().zip(&root).zip(0u32..) {
            if i != group {
                for key in process_keys(flow) {
                    in_process.entry((group, key)).or_default().push(i);
                }
            }
        }
        Brothers { root, in_process }
    }

    /// The brothers of span `i` that may be of `parent`'s process, ascending. Those for which `keep` is
    /// false are not given, now or later.
    pub(super) fn in_process_of(&mut self, i: u32, parent: &Flow, keep: impl Fn(u32) -> bool) -> Vec<u32> {
        let group = self.root[i as usize];
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
fn group_roots(clients: &[&Flow]) -> Vec<u32> {
    let pointers = pointers(clients);
    let mut root: Vec<Option<u32>> = vec![None; clients.len()];
    let mut on_path = vec![false; clients.len()];
    for start in 0..clients.len() {
        let mut path = Vec::new();
        let mut at = start;
        let found = loop {
            if let Some(known) = root[at] {
                break known;
            }
            if on_path[at] {
                let ring = path.iter().position(|&p| p == at).unwrap_or(0);
                break path[ring..].iter().copied().max().unwrap_or(at) as u32;
            }
            on_path[at] = true;
            path.push(at);
            match pointers[at] {
                Some(next) if next as usize != at => at = next as usize,
                _ => break at as u32,
            }
        };
        for at in path {
            root[at] = Some(found);
            on_path[at] = false;
        }
    }
    root.into_iter().zip(0u32..).map(|(root, i)| root.unwrap_or(i)).collect()
}

fn pointers(clients: &[&Flow]) -> Vec<Option<u32>> {
    let mut last_of_trace: FxHashMap<Text, u32> = FxHashMap::default();
    let mut last_of_request: FxHashMap<u64, u32> = FxHashMap::default();
    let mut last_answered: FxHashMap<u64, u32> = FxHashMap::default();
    for (flow, i) in clients.iter().zip(0u32..) {
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
