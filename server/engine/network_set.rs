//! Network span sets (R-NET): the captures of one exchange (algorithm 7). Each mode puts them in path order in its
//! own way.

use super::{
    completed::{Relation, Resource},
    flows::{Class, Flow, Flows},
    index::{IndexVec, NetworkId, NodeId},
    relations::Relations,
    resource::NetworkMemory,
};
use crate::flow::{LogType, ObservationPoint, Text, Texts};

/// The captures of one exchange.
#[derive(Debug)]
pub(super) struct NetworkSet {
    /// The captures; never empty. From client to server once an assembly has ordered them; until then the
    /// seed that started the set comes first.
    pub(super) members: Vec<NodeId>,
    /// The span id that the exchange carries, if any capture saw one.
    pub(super) span_id: Text,
}

/// All network span sets.
pub(super) type Networks = IndexVec<NetworkId, NetworkSet>;

impl NetworkSet {
    /// R-NET-8: the capture next to the client.
    pub(super) fn root(&self) -> Option<NodeId> {
        self.members.first().copied()
    }

    /// R-NET-8: the capture next to the server.
    pub(super) fn leaf(&self) -> Option<NodeId> {
        self.members.last().copied()
    }
}

/// Builds the sets (R-NET-1, R-NET-2, R-NET-3, R-NET-4), and tells each network span its service. The
/// captures are not in path order yet.
pub(super) fn build(
    flows: Flows<'_>,
    relations: &Relations<'_>,
    resources: &mut IndexVec<NodeId, Resource>,
    texts: &Texts,
) -> Networks {
    let mut sets = Networks::new();
    let mut taken: IndexVec<NodeId, bool> = IndexVec::filled(false, flows.len());
    let mut related = Vec::new();
    for seed in seeds(flows) {
        if std::mem::replace(&mut taken[seed], true) {
            continue;
        }
        let mut members = vec![seed];
        relations.of_network(seed, &mut related);
        for &(other, relation) in &related {
            let joins = if relation.contains(Relation::TCP_SEQ) {
                relations.tcp_strong(seed, other, texts)
            } else {
                relation.contains(Relation::DNS)
            };
            if joins && !std::mem::replace(&mut taken[other], true) {
                members.push(other);
            }
        }
        let mut memory = NetworkMemory::default();
        let mut span_id = Text::EMPTY;
        for &member in &members {
            let flow = &flows[member];
            span_id = span_id.or(flow.key().span_id);
            if flow.class() == Class::Network {
                memory.service(flow, &mut resources[member]);
            }
        }
        sets.push(NetworkSet { members, span_id });
    }
    sets
}

/// R-NET-1: the order in which flows start a set: sessions, then responses, then requests; of each kind
/// network spans, then server process spans, then client process spans.
fn seeds(flows: Flows<'_>) -> Vec<NodeId> {
    let place = |flow: &Flow| match flow.class() {
        Class::Network => Some(0),
        Class::System if flow.point == ObservationPoint::ServerProcess => Some(1),
        Class::System => Some(2),
        Class::App | Class::Other => None,
    };
    let mut seeds: Vec<(std::cmp::Reverse<LogType>, u8, NodeId)> = flows
        .numbered()
        .filter_map(|(node, flow)| Some((std::cmp::Reverse(flow.key().kind), place(flow)?, node)))
        .collect();
    seeds.sort_unstable();
    seeds.into_iter().map(|(_, _, node)| node).collect()
}
