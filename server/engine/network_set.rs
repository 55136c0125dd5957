//! Network span sets: the captures of one exchange along its path, in order (algorithm 7).

use super::{
    completed::{Relation, Resource},
    flows::{Class, Flow},
    relations::Relations,
    resource::NetworkMemory,
};
use crate::flow::{LogType, ObservationPoint, Text, Texts};

/// The captures of one exchange.
#[derive(Debug)]
pub(super) struct NetworkSet {
    /// The captures, from client to server once ordered; never empty.
    pub(super) members: Vec<u32>,
    /// The span id that the exchange carries, if any capture saw one.
    pub(super) span_id: Text,
}

impl NetworkSet {
    /// R-NET-8: the capture next to the client.
    pub(super) fn root(&self) -> Option<u32> {
        self.members.first().copied()
    }

    /// R-NET-8: the capture next to the server.
    pub(super) fn leaf(&self) -> Option<u32> {
        self.members.last().copied()
    }
}

/// Builds the sets (R-NET-1 to -4), and tells each network span its service. Not ordered yet.
pub(super) fn build(
    flows: &[Flow],
    relations: &Relations<'_>,
    resources: &mut [Resource],
    texts: &Texts,
) -> Vec<NetworkSet> {
    let mut sets = Vec::new();
    let mut taken = vec![false; flows.len()];
    let mut related = Vec::new();
    for seed in seeds(flows) {
        if std::mem::replace(&mut taken[seed as usize], true) {
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
            if joins && !std::mem::replace(&mut taken[other as usize], true) {
                members.push(other);
            }
        }
        let mut memory = NetworkMemory::default();
        let mut span_id = Text::EMPTY;
        for &member in &members {
            let flow = &flows[member as usize];
            span_id = span_id.or(flow.key().span_id);
            if flow.class() == Class::Network {
                memory.service(flow, &mut resources[member as usize]);
            }
        }
        sets.push(NetworkSet { members, span_id });
    }
    sets
}

/// R-NET-1: network spans, then server and client processes; sessions, then responses, then requests.
fn seeds(flows: &[Flow]) -> Vec<u32> {
    let place = |flow: &Flow| match flow.class() {
        Class::Network => Some(0),
        Class::System if flow.point == ObservationPoint::ServerProcess => Some(1),
        Class::System => Some(2),
        Class::App | Class::Other => None,
    };
    let mut seeds: Vec<(std::cmp::Reverse<LogType>, u8, u32)> = flows
        .iter()
        .zip(0u32..)
        .filter_map(|(flow, i)| Some((std::cmp::Reverse(flow.key().kind), place(flow)?, i)))
        .collect();
    seeds.sort_unstable();
    seeds.into_iter().map(|(_, _, i)| i).collect()
}
