//! The relation map (algorithm 3.4): which flows are related to a flow, and how. Computed when asked, from
//! files of nodes by key, since a thousand flows with one span id have a million relations.

use std::hash::Hash;

use rustc_hash::FxHashMap;

use super::{
    completed::Relation,
    flows::Flows,
    index::{Id, NodeId},
};
use crate::{
    flow::{LogType, Text, Texts},
    relation::{self, Tolerance, conflict},
};

/// Nodes filed under keys, ascending under each.
pub(super) struct Files<K> {
    ranges: FxHashMap<K, (u32, u32)>,
    nodes: Vec<NodeId>,
}

impl<K: Copy + Eq + Hash> Files<K> {
    /// Files `(key, node)` pairs, whose nodes ascend.
    pub(super) fn new(pairs: impl Iterator<Item = (K, NodeId)> + Clone) -> Self {
        let mut ranges: FxHashMap<K, (u32, u32)> = FxHashMap::default();
        let mut total = 0;
        for (key, _) in pairs.clone() {
            ranges.entry(key).or_default().1 += 1;
            total += 1;
        }
        let mut nodes = vec![NodeId::default(); total];
        let mut next = 0;
        for (key, node) in pairs {
            if let Some((start, end)) = ranges.get_mut(&key) {
                // Until its first member comes, `end` is the size of the file; then where it has grown to.
                if *start == 0 {
                    *start = next + 1;
                    next += *end;
                    *end = *start - 1;
                }
                if let Some(slot) = nodes.get_mut(*end as usize) {
                    *slot = node;
                }
                *end += 1;
            }
        }
        Files { ranges, nodes }
    }

    /// The file of a key.
    pub(super) fn get(&self, key: K) -> &[NodeId] {
        self.ranges
            .get(&key)
            .and_then(|&(start, end)| self.nodes.get(start as usize - 1..end as usize))
            .unwrap_or(&[])
    }
}

/// The nodes of several files together, ascending. A node that is in several files comes several times. Lazy,
/// since a file may have thousands of nodes and often only the first few are needed.
struct Merged<'a, const N: usize>([&'a [NodeId]; N]);

impl<const N: usize> Iterator for Merged<'_, N> {
    type Item = NodeId;

    fn next(&mut self) -> Option<NodeId> {
        let file = self.0.iter_mut().filter(|file| !file.is_empty()).min_by_key(|file| file[0])?;
        let (first, rest) = file.split_first()?;
        *file = rest;
        Some(*first)
    }
}

/// The relations of all flows.
pub(super) struct Relations<'a> {
    flows: Flows<'a>,
    tolerance: Tolerance,
    follow_dns: bool,
    by_req_seq: Files<u32>,
    by_resp_seq: Files<u32>,
    by_span_id: Files<Text>,
    by_parent_span_id: Files<Text>,
    by_x_request_id_0: Files<Text>,
    by_x_request_id_1: Files<Text>,
    by_syscall: Files<u64>,
    by_dns: Files<u64>,
}

/// Memory that [`Relations::of`] uses again for each question, so that it allocates nothing.
pub(super) struct Seen {
    stamps: Vec<u32>,
    now: u32,
}

impl Seen {
    pub(super) fn new(flows: usize) -> Self {
        Seen { stamps: vec![0; flows], now: 0 }
    }

    fn restart(&mut self) {
        self.now = self.now.wrapping_add(1);
        if self.now == 0 {
            self.stamps.fill(0);
            self.now = 1;
        }
    }

    /// True the first time.
    fn insert(&mut self, node: NodeId) -> bool {
        match self.stamps.get_mut(node.at()) {
            Some(stamp) if *stamp != self.now => {
                *stamp = self.now;
                true
            }
            _ => false,
        }
    }

    fn forget(&mut self, node: NodeId) {
        if let Some(stamp) = self.stamps.get_mut(node.at()) {
            *stamp = self.now.wrapping_sub(1);
        }
    }
}

impl<'a> Relations<'a> {
    pub(super) fn new(flows: Flows<'a>, tolerance: Tolerance, follow_dns: bool) -> Self {
        let numbered = || flows.numbered().map(|(node, flow)| (flow.key(), node));
        let texts_of = |value: fn(&crate::flow::KeyRow) -> Text| {
            Files::new(numbered().map(move |(key, i)| (value(key), i)).filter(|(text, _)| !text.is_empty()))
        };
        // Number 0 can tie no two flows here (R-REL-5), so it has no file.
        let by_req_seq = numbered()
            .filter(|(key, _)| relation::filed_by_req_seq(key) || relation::filed_by_resp_seq(key))
            .map(|(key, i)| (key.req_tcp_seq.0, i))
            .filter(|(seq, _)| *seq != 0);
        let by_resp_seq = numbered()
            .filter(|(key, _)| relation::filed_by_req_seq(key) || relation::filed_by_resp_seq(key))
            .map(|(key, i)| (key.resp_tcp_seq.0, i))
            .filter(|(seq, _)| *seq != 0);
        let by_syscall = numbered()
            .flat_map(|(key, i)| {
                let (q, r) = (key.syscall_request.0, key.syscall_response.0);
                [(q, i), (if r == q { 0 } else { r }, i)]
            })
            .filter(|(id, _)| *id != 0);
        let by_dns = numbered()
            .filter(|(key, _)| follow_dns && relation::filed_by_dns(key))
            .map(|(key, i)| (relation::dns_key(key).unwrap_or(0), i))
            .filter(|(id, _)| *id != 0);
        Relations {
            flows,
            tolerance,
            follow_dns,
            by_req_seq: Files::new(by_req_seq),
            by_resp_seq: Files::new(by_resp_seq),
            by_span_id: texts_of(|key| key.span_id),
            by_parent_span_id: texts_of(|key| key.parent_span_id),
            by_x_request_id_0: texts_of(|key| key.x_request_id_0),
            by_x_request_id_1: texts_of(|key| key.x_request_id_1),
            by_syscall: Files::new(by_syscall),
            by_dns: Files::new(by_dns),
        }
    }

    /// The flows to which `a` is related, in the order of R-REL-10, until `each` returns false.
    pub(super) fn of(&self, a: NodeId, seen: &mut Seen, mut each: impl FnMut(NodeId, Relation) -> bool) {
        seen.restart();
        seen.insert(a);
        let key = self.flows[a].key();
        let kinds: [(Relation, [&[NodeId]; 3]); 5] = [
            (
                Relation::TCP_SEQ,
                [self.by_req_seq.get(key.req_tcp_seq.0), self.by_resp_seq.get(key.resp_tcp_seq.0), &[]],
            ),
            (
                Relation::SPAN_ID,
                [
                    self.by_span_id.get(key.span_id),
                    self.by_parent_span_id.get(key.span_id),
                    self.by_span_id.get(key.parent_span_id),
                ],
            ),
            (
                Relation::X_REQUEST_ID,
                [
                    self.by_x_request_id_1.get(key.x_request_id_0),
                    self.by_x_request_id_0.get(key.x_request_id_1),
                    &[],
                ],
            ),
            (
                Relation::SYSCALL,
                [
                    self.by_syscall.get(key.syscall_request.0),
                    self.by_syscall.get(key.syscall_response.0),
                    &[],
                ],
            ),
            (Relation::DNS, [relation::dns_key(key).map_or(&[], |id| self.by_dns.get(id)), &[], &[]]),
        ];
        for (kind, files) in kinds {
            for b in Merged(files) {
                if !seen.insert(b) {
                    continue;
                }
                let relation = self.between(a, b);
                // The first kind that relates the two decides their place, so an unrelated pair is done,
                // and one that only a later kind relates comes again.
                if relation.is_empty() {
                    continue;
                }
                if !relation.contains(kind) {
                    seen.forget(b);
                } else if !each(b, relation) {
                    return;
                }
            }
        }
    }

    /// The flows to which `a` is related by TCP sequence number or as DNS, in the order of R-REL-10.
    pub(super) fn of_network(&self, a: NodeId, found: &mut Vec<(NodeId, Relation)>) {
        found.clear();
        let key = self.flows[a].key();
        let by_seq = [self.by_req_seq.get(key.req_tcp_seq.0), self.by_resp_seq.get(key.resp_tcp_seq.0)];
        for &b in by_seq.into_iter().flatten() {
            if b != a && self.tcp_weak(a, b) {
                found.push((b, Relation::TCP_SEQ));
            }
        }
        found.sort_unstable_by_key(|&(b, _)| b);
        found.dedup();
        let by_seq = found.len();
        // Of those tied by DNS only, one that an earlier kind relates too comes before the others.
        let place = |b: NodeId| {
            let relation = self.between(a, b);
            let kinds = [Relation::SPAN_ID, Relation::X_REQUEST_ID, Relation::SYSCALL];
            (kinds.iter().position(|kind| relation.contains(*kind)).unwrap_or(kinds.len()), b)
        };
        if let Some(id) = relation::dns_key(key) {
            for &b in self.by_dns.get(id) {
                if b == a || !self.dns(a, b) {
                    continue;
                }
                match found[..by_seq].iter_mut().find(|(other, _)| *other == b) {
                    Some((_, relation)) => *relation |= Relation::DNS,
                    None => found.push((b, Relation::DNS)),
                }
            }
            found[by_seq..].sort_by_cached_key(|&(b, _)| place(b));
        }
    }

    /// All relations of the pair (R-REL-3).
    pub(super) fn between(&self, a: NodeId, b: NodeId) -> Relation {
        let (left, right) = (&self.flows[a], &self.flows[b]);
        let mut relation = Relation::empty();
        relation.set(Relation::TCP_SEQ, self.tcp_weak(a, b));
        relation.set(Relation::SPAN_ID, self.span_id(a, b));
        relation.set(Relation::X_REQUEST_ID, relation::x_request_id(left.key(), right.key()));
        let syscall = !relation::both_server_processes(left.point, right.point)
            && relation::syscall(left.key(), right.key());
        relation.set(Relation::SYSCALL, syscall);
        relation.set(Relation::DNS, self.dns(a, b));
        relation
    }

    /// R-REL-6.
    pub(super) fn span_id(&self, a: NodeId, b: NodeId) -> bool {
        let (left, right) = (&self.flows[a], &self.flows[b]);
        relation::span_id(left.key(), &left.trace_ids, right.key(), &right.trace_ids)
    }

    /// R-REL-7.
    pub(super) fn x_request_id(&self, a: NodeId, b: NodeId) -> bool {
        relation::x_request_id(self.flows[a].key(), self.flows[b].key())
    }

    /// R-REL-5, of a pair whose files meet (R-REL-2).
    pub(super) fn tcp_weak(&self, a: NodeId, b: NodeId) -> bool {
        let (a, b) = (&self.flows[a], &self.flows[b]);
        if a.is_app() || !relation::tcp_weak(a.key(), b.key(), self.tolerance) {
            return false;
        }
        let (a, b) = (a.key(), b.key());
        let looked_up = [
            (a.kind != LogType::RESPONSE).then_some(a.req_tcp_seq),
            (a.kind != LogType::REQUEST).then_some(a.resp_tcp_seq),
        ];
        let filed = [
            relation::filed_by_req_seq(b).then_some(b.req_tcp_seq),
            relation::filed_by_resp_seq(b).then_some(b.resp_tcp_seq),
        ];
        looked_up.iter().flatten().any(|seq| filed.iter().flatten().any(|other| seq == other))
    }

    /// R-REL-4, with all fields (R-NET-2).
    pub(super) fn tcp_strong(&self, a: NodeId, b: NodeId, texts: &Texts) -> bool {
        let (a, b) = (&self.flows[a], &self.flows[b]);
        relation::tcp_strong(a.key(), b.key(), self.tolerance)
            && !conflict::of_rows(&a.row, &a.trace_ids, &b.row, &b.trace_ids, texts)
    }

    fn dns(&self, a: NodeId, b: NodeId) -> bool {
        let (a, b) = (&self.flows[a], &self.flows[b]);
        self.follow_dns
            && relation::filed_by_dns(b.key())
            && relation::dns(a.key(), b.key(), self.tolerance)
            && !conflict::of_dns_rows(&a.row, &b.row)
    }
}
