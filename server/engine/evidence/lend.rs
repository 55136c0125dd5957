//! R-SVC for processes as they were found: what each span is known as, and on which host request spans ran.

use super::app_tree;
use crate::{
    engine::{
        completed::Resource,
        disjoint,
        flows::Flow,
        index::{IndexVec, NodeId, ProcessId},
        resource::ProcessMemory,
        tree::Tree,
    },
    flow::{AgentId, ObservationPoint},
};

/// Tells each span of a process its resource. A process is a system span and all that hangs below it in its
/// own process. Returns the agent of the host of each request span, where its process is known.
pub(super) fn lend_resources(
    tree: &Tree<'_>,
    resources: &mut IndexVec<NodeId, Resource>,
) -> IndexVec<NodeId, Option<AgentId>> {
    let is_member = |flow: &Flow| flow.is_app() || flow.is_system();
    let parent = |node: NodeId| {
        tree.parent(node).filter(|&parent| {
            let (p, c) = (tree.flow(parent), tree.flow(node));
            is_member(p) && is_member(c) && in_one_process(p, c)
        })
    };
    // In a ring of parents any span may stand for the process.
    let roots = disjoint::roots(tree.flows.len(), parent, |ring| ring[0]);
    let mut memories: IndexVec<ProcessId, ProcessMemory> = IndexVec::new();
    let mut number_of_root: IndexVec<NodeId, Option<ProcessId>> = IndexVec::filled(None, roots.len());
    let mut process_of: IndexVec<NodeId, Option<ProcessId>> = IndexVec::filled(None, roots.len());
    for (node, &root) in roots.numbered().filter(|&(node, _)| is_member(tree.flow(node))) {
        let process = number_of_root[root].get_or_insert_with(|| memories.push(ProcessMemory::default()));
        process_of[node] = Some(*process);
    }
    let mut host_of: IndexVec<ProcessId, Option<AgentId>> = IndexVec::filled(None, memories.len());
    // System spans know their process, so they speak first.
    for speak_first in [true, false] {
        for (node, flow) in tree.flows.numbered().filter(|(_, flow)| flow.is_system() == speak_first) {
            if let Some(process) = process_of[node] {
                let memory = &mut memories[process];
                if flow.is_system() {
                    host_of[process].get_or_insert(flow.key().agent);
                    memory.process(flow, &mut resources[node]);
                }
                memory.service(flow, &mut resources[node]);
            }
        }
    }
    let host = |(flow, process): (&Flow, Option<ProcessId>)| {
        process.filter(|_| flow.request.is_some()).and_then(|process| host_of[process])
    };
    tree.flows.iter().zip(process_of).map(host).collect()
}

/// Whether a child and its parent, both application or system spans, are of one process.
fn in_one_process(parent: &Flow, child: &Flow) -> bool {
    match (parent.is_app(), child.is_app()) {
        (true, true) => !app_tree::enters_process(parent, child),
        (false, true) => parent.point == ObservationPoint::ServerProcess,
        (_, false) => child.point == ObservationPoint::ClientProcess,
    }
}
