//! R-SEARCH-9: the keys of the rows found last, without those that were asked for already.

use rustc_hash::FxHashSet;

use super::question::AssociationKeys;
use crate::{
    config::{Compatibility, Tracing, TracingSource},
    flow::{KeyRow, LogType, Text, Texts},
    relation,
};

/// Keys to ask for, and those asked for already.
pub(super) struct NewKeys {
    follow: Follow,
    req_tcp_seq: Once<u32>,
    resp_tcp_seq: Once<u32>,
    syscall: Once<u64>,
    x_request_id: Once<Text>,
    dns: Once<u64>,
    response_flow: Once<u64>,
}

struct Follow {
    tcp_seq: bool,
    syscall: bool,
    x_request_id: bool,
    dns: bool,
    halves: bool,
}

/// Values, each handed out once.
struct Once<T> {
    used: FxHashSet<T>,
    fresh: Vec<T>,
}

impl<T: Copy + Eq + std::hash::Hash + Default> Once<T> {
    fn new() -> Self {
        Once { used: FxHashSet::default(), fresh: Vec::new() }
    }

    /// `T::default()` stands for "no key".
    fn add(&mut self, key: T) {
        if key != T::default() && !self.used.contains(&key) {
            self.fresh.push(key);
        }
    }

    fn take(&mut self) -> Vec<T> {
        let used = &mut self.used;
        let mut fresh = std::mem::take(&mut self.fresh);
        fresh.retain(|&key| used.insert(key));
        fresh
    }
}

impl NewKeys {
    pub(super) fn new(tracing: &Tracing) -> Self {
        NewKeys {
            follow: Follow {
                tcp_seq: tracing.follows(TracingSource::TcpSeq),
                syscall: tracing.follows(TracingSource::Syscall),
                x_request_id: tracing.follows(TracingSource::XRequestId),
                dns: tracing.follows(TracingSource::Dns),
                halves: tracing.compatibility == Compatibility::Off,
            },
            req_tcp_seq: Once::new(),
            resp_tcp_seq: Once::new(),
            syscall: Once::new(),
            x_request_id: Once::new(),
            dns: Once::new(),
            response_flow: Once::new(),
        }
    }

    /// Notes the keys of a row.
    pub(super) fn add(&mut self, row: &KeyRow) {
        if self.follow.tcp_seq {
            self.req_tcp_seq.add(row.req_tcp_seq.0);
            self.resp_tcp_seq.add(row.resp_tcp_seq.0);
        }
        if self.follow.syscall {
            self.syscall.add(row.syscall_request.0);
            self.syscall.add(row.syscall_response.0);
        }
        if self.follow.x_request_id {
            self.x_request_id.add(row.x_request_id_0);
            self.x_request_id.add(row.x_request_id_1);
        }
        if self.follow.dns && relation::filed_by_dns(row) {
            self.dns.add(relation::dns_key(row).unwrap_or(0));
        }
        if self.follow.halves && row.kind == LogType::REQUEST {
            self.response_flow.add(row.flow_id);
        }
    }

    /// Forgets the keys not asked for, and notes those of `rows`.
    pub(super) fn replace(&mut self, rows: &[KeyRow]) {
        let NewKeys { follow: _, req_tcp_seq, resp_tcp_seq, syscall, x_request_id, dns, response_flow } =
            self;
        req_tcp_seq.fresh.clear();
        resp_tcp_seq.fresh.clear();
        syscall.fresh.clear();
        x_request_id.fresh.clear();
        dns.fresh.clear();
        response_flow.fresh.clear();
        for row in rows {
            self.add(row);
        }
    }

    /// All keys that were asked for and name one exchange. Not DNS transaction ids, which are soon used again
    /// for other lookups, and not flow ids, which name a connection.
    pub(super) fn asked(&self, texts: &Texts) -> AssociationKeys {
        fn ordered<T: Ord + Copy>(keys: &FxHashSet<T>) -> Vec<T> {
            let mut keys: Vec<T> = keys.iter().copied().collect();
            keys.sort_unstable();
            keys
        }
        let mut x_request_ids: Vec<String> =
            self.x_request_id.used.iter().map(|&id| texts.get(id).to_owned()).collect();
        x_request_ids.sort_unstable();
        AssociationKeys {
            req_tcp_seqs: ordered(&self.req_tcp_seq.used),
            resp_tcp_seqs: ordered(&self.resp_tcp_seq.used),
            syscall_trace_ids: ordered(&self.syscall.used),
            x_request_ids,
            dns_request_ids: Vec::new(),
            response_flow_ids: Vec::new(),
        }
    }

    /// Hands out the noted keys; they count as asked for from now on.
    pub(super) fn take(&mut self, texts: &Texts) -> AssociationKeys {
        fn ordered<T: Ord>(mut keys: Vec<T>) -> Vec<T> {
            keys.sort_unstable();
            keys
        }
        AssociationKeys {
            req_tcp_seqs: ordered(self.req_tcp_seq.take()),
            resp_tcp_seqs: ordered(self.resp_tcp_seq.take()),
            syscall_trace_ids: ordered(self.syscall.take()),
            x_request_ids: ordered(
                self.x_request_id.take().into_iter().map(|id| texts.get(id).to_owned()).collect(),
            ),
            dns_request_ids: ordered(self.dns.take()),
            response_flow_ids: ordered(self.response_flow.take()),
        }
    }
}
