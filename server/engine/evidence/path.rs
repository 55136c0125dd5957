//! The captures of an exchange along its path: pieces put together, ordered and linked.

use rustc_hash::FxHashMap;

use crate::{
    engine::{
        flows::Flows,
        index::{IndexVec, NetworkId, NodeId},
        network_set::{NetworkSet, Networks},
        rule::Rule,
        tree::Tree,
    },
    flow::{ObservationPoint, TcpSeq, Texts},
    relation::conflict,
};

/// Puts the pieces of one path together (D-11). Clocks that are too far apart for R-NET-2 leave the captures
/// of one exchange in several sets. Two such sets become one if their sequence numbers are equal on both
/// sides, their captures do not conflict, and one of them stands wholly before the other on the path.
pub(super) fn reunite(sets: Networks, flows: Flows<'_>, texts: &Texts) -> Networks {
    let rank = |node: NodeId| place(flows[node].point);
    let mut pieces_of: FxHashMap<(TcpSeq, TcpSeq), Vec<NetworkId>> = FxHashMap::default();
    for (at, set) in sets.numbered() {
        // The seed stands first until the set is ordered.
        if let Some(key) = set.root().map(|seed| flows[seed].key())
            && !key.req_tcp_seq.is_none()
            && !key.resp_tcp_seq.is_none()
        {
            pieces_of.entry((key.req_tcp_seq, key.resp_tcp_seq)).or_default().push(at);
        }
    }
    let mut sets: IndexVec<NetworkId, Option<NetworkSet>> = sets.into_iter().map(Some).collect();
    let mut order: Vec<&Vec<NetworkId>> = pieces_of.values().filter(|pieces| pieces.len() > 1).collect();
    order.sort_unstable();
    for pieces in order {
        let ranks = |set: &NetworkSet| {
            let ranks = || set.members.iter().map(|&node| rank(node));
            (ranks().min(), ranks().max())
        };
        let mut pieces = pieces.clone();
        pieces.sort_by_key(|&at| sets[at].as_ref().map(ranks));
        let mut whole: Option<NetworkId> = None;
        for at in pieces {
            let (Some(into), Some(piece)) = (whole.and_then(|w| sets[w].as_ref()), sets[at].as_ref()) else {
                whole = Some(at);
                continue;
            };
            let seed = |set: &NetworkSet| set.root().map(|node| &flows[node]);
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

/// Orders the members of a set along the path, each by its own values only (D-14): by rank, and within one
/// rank the outermost first. The weights of R-NET-5, R-NET-6 and R-NET-7 misplace halves and gateways (Q-23,
///
pub(super) fn order_by_rank(members: &mut [NodeId], flows: Flows<'_>) {
    members.sort_by_key(|&member| {
        let flow = &flows[member];
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

/// Makes each capture the parent of the next one on the path.
pub(super) fn link(members: &[NodeId], tree: &mut Tree<'_>) {
    for pair in members.windows(2) {
        if let &[parent, child] = pair {
            tree.link(child, parent, Rule::NetworkPath);
        }
    }
}
