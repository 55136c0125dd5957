//! Syscall chains. A thread that reads a request gets a new id, writes its next call with that id, reads
//! the answer with another, writes the next call with that one, and so on to its own response
//! (data-model section 9). So the spans of one request in one thread are chained by equal ids.

use rustc_hash::FxHashMap;

use crate::{engine::flows::Flow, flow::AgentId};

/// Which chain each process span belongs to.
pub(super) struct Threads {
    chain_of: Vec<Option<u32>>,
}

impl Threads {
    pub(super) fn of(flows: &[Flow]) -> Self {
        let mut links: Vec<u32> = Vec::new();
        let mut ids: FxHashMap<(AgentId, u64), u32> = FxHashMap::default();
        let mut chain_of: Vec<Option<u32>> = vec![None; flows.len()];
        for (flow, chain) in flows.iter().zip(&mut chain_of) {
            if !flow.is_system() || !flow.point.is_process() {
                continue;
            }
            let key = flow.key();
            for id in [key.syscall_request, key.syscall_response] {
                if id.is_none() {
                    continue;
                }
                let of_id = *ids.entry((key.agent, id.0)).or_insert_with(|| {
                    links.push(links.len() as u32);
                    links.len() as u32 - 1
                });
                match *chain {
                    None => *chain = Some(of_id),
                    Some(other) => unite(&mut links, other, of_id),
                }
            }
        }
        for chain in chain_of.iter_mut().flatten() {
            *chain = find(&mut links, *chain);
        }
        Threads { chain_of }
    }

    /// The chain of a span.
    pub(super) fn chain(&self, node: u32) -> Option<u32> {
        self.chain_of[node as usize]
    }
}

fn find(links: &mut [u32], mut at: u32) -> u32 {
    while links[at as usize] != at {
        let next = links[links[at as usize] as usize];
        links[at as usize] = next;
        at = next;
    }
    at
}

fn unite(links: &mut [u32], a: u32, b: u32) {
    let (a, b) = (find(links, a), find(links, b));
    links[a.max(b) as usize] = a.min(b);
}
