//! R-SVC for processes as they were found: what each span is known as, and on which host request spans ran.

use super::app_tree;
use crate::{
    engine::{completed::Resource, flows::Flow, resource::ProcessMemory, tree::Tree},
    flow::{AgentId, ObservationPoint},
};

/// R-SVC for processes as they were found: a system span and all that hangs below it in its own process.
pub(super) fn lend_resources(tree: &Tree<'_>, resources: &mut [Resource]) -> Vec<Option<AgentId>> {
    let is_member = |flow: &Flow| flow.is_app() || flow.is_system();
    let mut process_of: Vec<Option<u32>> = vec![None; tree.flows.len()];
    let mut memories: Vec<ProcessMemory> = Vec::new();
    let mut on_way = vec![false; tree.flows.len()];
    let mut way = Vec::new();
    for node in 0..tree.flows.len() as u32 {
        if !is_member(tree.flow(node)) {
            continue;
        }
        // Walk to the top of the process, then give its number to the whole way.
        let mut at = node;
        let number = loop {
            if let Some(number) = process_of[at as usize] {
                break number;
            }
            way.push(at);
            on_way[at as usize] = true;
            let parent = tree.parent(at).filter(|&parent| {
                let (p, c) = (tree.flow(parent), tree.flow(at));
                !on_way[parent as usize] && is_member(p) && in_one_process(p, c)
            });
            match parent {
                Some(parent) => at = parent,
                None => {
                    memories.push(ProcessMemory::default());
                    break memories.len() as u32 - 1;
                }
            }
        };
        for at in way.drain(..) {
            process_of[at as usize] = Some(number);
            on_way[at as usize] = false;
        }
    }
    let mut host_of: Vec<Option<AgentId>> = vec![None; memories.len()];
    // System spans know their process, so they speak first.
    for speak_first in [true, false] {
        for (node, flow) in tree.flows.iter().enumerate().filter(|(_, flow)| flow.is_system() == speak_first)
        {
            if let Some(number) = process_of[node] {
                let memory = &mut memories[number as usize];
                if flow.is_system() {
                    host_of[number as usize].get_or_insert(flow.key().agent);
                    memory.process(flow, &mut resources[node]);
                }
                memory.service(flow, &mut resources[node]);
            }
        }
    }
    let host = |(flow, number): (&Flow, Option<u32>)| {
        number.filter(|_| flow.request.is_some()).and_then(|number| host_of[number as usize])
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
