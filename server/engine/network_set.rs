//! Network span sets: the captures of one exchange along its path, in order (algorithm 7).

use super::{
    completed::{Relation, Resource},
    flows::{Class, Flow},
    relations::Relations,
    resource::NetworkMemory,
    tree::{Rule, Tree},
};
use rustc_hash::FxHashMap;

use crate::{
    flow::{AgentId, LogType, ObservationPoint, TcpSeq, Text, Texts},
    relation::{Tolerance, conflict},
};

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
                relations.tcp_strong(seed, other)
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

/// Puts the pieces of broken paths together (deviation "broken paths"): captures too far apart in time
/// for R-NET-2, by skewed clocks, whose sequence numbers are equal on both sides, that do not conflict,
/// and of which one piece stands wholly before the other on the path.
pub(super) fn reunite(sets: Vec<NetworkSet>, flows: &[Flow], texts: &Texts) -> Vec<NetworkSet> {
    let rank = |node: u32| place(flows[node as usize].point);
    let mut pieces_of: FxHashMap<(TcpSeq, TcpSeq), Vec<usize>> = FxHashMap::default();
    for (at, set) in sets.iter().enumerate() {
        // The seed stands first until the set is ordered.
        if let Some(key) = set.root().map(|seed| flows[seed as usize].key())
            && !key.req_tcp_seq.is_none()
            && !key.resp_tcp_seq.is_none()
        {
            pieces_of.entry((key.req_tcp_seq, key.resp_tcp_seq)).or_default().push(at);
        }
    }
    let mut sets: Vec<Option<NetworkSet>> = sets.into_iter().map(Some).collect();
    let mut order: Vec<&Vec<usize>> = pieces_of.values().filter(|pieces| pieces.len() > 1).collect();
    order.sort_unstable();
    for pieces in order {
        let ranks = |set: &NetworkSet| {
            let ranks = || set.members.iter().map(|&node| rank(node));
            (ranks().min(), ranks().max())
        };
        let mut pieces = pieces.clone();
        pieces.sort_by_key(|&at| sets[at].as_ref().map(ranks));
        let mut whole: Option<usize> = None;
        for at in pieces {
            let (Some(into), Some(piece)) = (whole.and_then(|w| sets[w].as_ref()), sets[at].as_ref()) else {
                whole = Some(at);
                continue;
            };
            let seed = |set: &NetworkSet| set.root().map(|node| &flows[node as usize]);
            let agree = match (seed(into), seed(piece)) {
                (Some(a), Some(b)) => !conflict::of_rows(&a.row, &a.trace_ids, &b.row, &b.trace_ids, texts),
                _ => false,
            };
            if agree && ranks(into).1 < ranks(piece).0 {
                if let (Some(piece), Some(into)) = (sets[at].take(), whole.and_then(|w| sets[w].as_mut())) {
                    into.span_id = into.span_id.or(piece.span_id);
                    into.members.extend(piece.members);
                }
            } else {
                whole = Some(at);
            }
        }
    }
    sets.into_iter().flatten().collect()
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

/// Orders the members of a set along the path (R-NET-5 to -7).
pub(super) fn order(members: &mut [u32], flows: &[Flow], texts: &Texts) {
    let flow = |member: u32| &flows[member as usize];
    members.sort_by(|&a, &b| {
        let (a, b) = (flow(a), flow(b));
        a.point
            .rank()
            .cmp(&b.point.rank())
            .then_with(|| texts.get(a.key().tap_side).cmp(texts.get(b.key().tap_side)))
    });
    let weights = Weights::of(members, flows);
    let weight = |member: u32| weights.weight(flow(member).key().agent);

    let block = |member: u32| match flow(member).point {
        ObservationPoint::ClientProcess => 0,
        ObservationPoint::ServerProcess => 2,
        _ => 1,
    };
    members.sort_by_key(|&member| {
        let row = &flow(member).row;
        (
            block(member),
            weight(member),
            std::cmp::Reverse(row.duration_us),
            row.key.start_us,
            std::cmp::Reverse(row.key.end_us),
        )
    });

    // R-NET-7: one host, or none known, at both ends.
    if weights.ingress == weights.egress {
        let first_server = members.iter().position(|&member| flow(member).point.is_server_side());
        if let Some(from) = first_server
            && let Some(length) = members[from..].iter().position(|&member| weight(member) != 0)
        {
            members[from..].rotate_left(length);
        }
    }
}

/// Orders the members of a set along the path by what they are alone: rank, and of one rank the outermost
/// first (deviation "path order"). The weights of R-NET-5 to -7 misplace halves and gateways.
pub(super) fn order_by_rank(members: &mut [u32], flows: &[Flow]) {
    members.sort_by_key(|&member| {
        let flow = &flows[member as usize];
        let key = flow.key();
        (place(flow.point), key.start_us, std::cmp::Reverse(key.end_us), member)
    });
}

fn place(point: ObservationPoint) -> u8 {
    match point {
        ObservationPoint::Rest | ObservationPoint::Local => 13,
        other => other.rank() * 2,
    }
}

/// R-NET-5: which hosts the path enters and leaves by.
struct Weights {
    ingress: Option<AgentId>,
    egress: Option<AgentId>,
    of_ingress: u8,
}

impl Weights {
    fn of(members: &[u32], flows: &[Flow]) -> Self {
        use ObservationPoint::{ClientNic, ClientNode, ClientProcess, ServerNic, ServerNode, ServerProcess};
        let mut path = members.iter().map(|&member| &flows[member as usize]);
        let ingress = path.clone().find(|f| matches!(f.point, ClientProcess | ClientNic | ClientNode));
        let egress = path.clone().rev().find(|f| matches!(f.point, ServerProcess | ServerNic | ServerNode));
        let (ingress, egress) = (ingress.map(|f| f.key().agent), egress.map(|f| f.key().agent));
        let response_frame = path.next().is_some_and(|first| {
            let key = first.key();
            key.l7_protocol.is_grpc_like() && key.req_tcp_seq.is_none() && key.kind == LogType::SESSION
        });
        if response_frame {
            // Agent 0 instead of the egress is the original's.
            Weights { ingress, egress: Some(AgentId(0)), of_ingress: 2 }
        } else {
            Weights { ingress, egress, of_ingress: 0 }
        }
    }

    fn weight(&self, agent: AgentId) -> u8 {
        if Some(agent) == self.ingress {
            self.of_ingress
        } else if Some(agent) == self.egress {
            2
        } else {
            1
        }
    }
}

/// R-NET-9: each capture becomes the parent of the next one on the path.
pub(super) fn link(members: &[u32], tree: &mut Tree<'_>, tolerance: Tolerance) {
    let slack = tolerance.network_delay_us.saturating_add(tolerance.host_clock_offset_us);
    for pair in members.windows(2) {
        let &[parent, child] = pair else { continue };
        let (p, c) = (tree.flow(parent), tree.flow(child));
        let meet = c.key().end_us.saturating_add(slack) >= p.key().start_us
            && p.key().end_us.saturating_add(slack) >= c.key().start_us;
        if p.key().agent != c.key().agent && !meet {
            continue;
        }
        let client_to_server =
            p.point == ObservationPoint::ClientProcess && c.point == ObservationPoint::ServerProcess;
        if p.is_system() && c.is_system() && !client_to_server {
            continue;
        }
        tree.link(child, parent, Rule::NetworkPath);
    }
}
