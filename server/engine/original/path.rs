//! The original's order of the captures along a path, by weights of their hosts, and the links between them.

use crate::{
    engine::{flows::Flows, index::NodeId, rule::Rule, tree::Tree},
    flow::{AgentId, LogType, ObservationPoint, Texts},
    relation::Tolerance,
};

/// Orders the members of a set along the path (R-NET-5, R-NET-6, R-NET-7).
pub(super) fn order(members: &mut [NodeId], flows: Flows<'_>, texts: &Texts) {
    let flow = |member: NodeId| &flows[member];
    members.sort_by(|&a, &b| {
        let (a, b) = (flow(a), flow(b));
        a.point
            .rank()
            .cmp(&b.point.rank())
            .then_with(|| texts.get(a.key().tap_side).cmp(texts.get(b.key().tap_side)))
    });
    let weights = Weights::of(members, flows);
    let weight = |member: NodeId| weights.weight(flow(member).key().agent);

    let block = |member: NodeId| match flow(member).point {
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

    // R-NET-7: the path enters and leaves by the same host, or both hosts are unknown.
    if weights.ingress == weights.egress {
        let first_server = members.iter().position(|&member| flow(member).point.is_server_side());
        if let Some(from) = first_server
            && let Some(length) = members[from..].iter().position(|&member| weight(member) != 0)
        {
            members[from..].rotate_left(length);
        }
    }
}

/// R-NET-5: the hosts by which the path enters and leaves.
struct Weights {
    ingress: Option<AgentId>,
    egress: Option<AgentId>,
    of_ingress: u8,
}

impl Weights {
    fn of(members: &[NodeId], flows: Flows<'_>) -> Self {
        use ObservationPoint::{ClientNic, ClientNode, ClientProcess, ServerNic, ServerNode, ServerProcess};
        let mut path = members.iter().map(|&member| &flows[member]);
        let ingress = path.clone().find(|f| matches!(f.point, ClientProcess | ClientNic | ClientNode));
        let egress = path.clone().rev().find(|f| matches!(f.point, ServerProcess | ServerNic | ServerNode));
        let (ingress, egress) = (ingress.map(|f| f.key().agent), egress.map(|f| f.key().agent));
        let response_frame = path.next().is_some_and(|first| {
            let key = first.key();
            key.l7_protocol.is_grpc_like() && key.req_tcp_seq.is_none() && key.kind == LogType::SESSION
        });
        if response_frame {
            // The original uses agent 0 here instead of the egress.
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
pub(super) fn link(members: &[NodeId], tree: &mut Tree<'_>, tolerance: Tolerance) {
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
