//! Syscall chains. A thread that reads a request gets a new id, writes its next call with that id, reads
//! the answer with another, writes the next call with that one, and so on to its own response
//! (data-model section 9). So the spans of one request in one thread are chained by equal ids.

use crate::{
    engine::{
        disjoint::Disjoint,
        flows::Flows,
        index::{ChainId, IndexVec, NodeId},
    },
    flow::AgentId,
};

/// Which chain each process span belongs to.
pub(super) struct Threads {
    chain_of: IndexVec<NodeId, Option<ChainId>>,
}

impl Threads {
    pub(super) fn of(flows: Flows<'_>) -> Self {
        let mut chains: Disjoint<(AgentId, u64), ChainId> = Disjoint::new();
        let mut chain_of: IndexVec<NodeId, Option<ChainId>> = IndexVec::filled(None, flows.len());
        for (flow, chain) in flows.iter().zip(&mut chain_of) {
            if !flow.is_system() || !flow.point.is_process() {
                continue;
            }
            let key = flow.key();
            for id in [key.syscall_request, key.syscall_response] {
                if id.is_none() {
                    continue;
                }
                let of_id = chains.number((key.agent, id.0));
                match *chain {
                    None => *chain = Some(of_id),
                    Some(other) => chains.unite(other, of_id),
                }
            }
        }
        for chain in chain_of.iter_mut().flatten() {
            *chain = chains.group(*chain);
        }
        Threads { chain_of }
    }

    /// The chain of a span.
    pub(super) fn chain(&self, node: NodeId) -> Option<ChainId> {
        self.chain_of[node]
    }
}
