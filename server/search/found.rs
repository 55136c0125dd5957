//! The rows that a search has found, filed by their keys, so that the rows related to a new row are looked up
//! rather than searched for.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::{
    flow::{AgentId, KeyRow, LogType, ObservationPoint, RowId, Text, Texts, TraceIds},
    relation::{self, Tolerance, conflict},
};

/// A row under consideration: found, or just returned by the store.
struct Record {
    row: KeyRow,
    trace_ids: TraceIds,
    point: ObservationPoint,
    /// False once the row was dropped; the files still hold it.
    alive: bool,
}

/// The rows found so far, with their files (algorithm 3.1).
#[derive(Default)]
pub(super) struct Found {
    records: Vec<Record>,
    known: FxHashSet<RowId>,
    by_req_seq: FxHashMap<u32, Vec<u32>>,
    by_resp_seq: FxHashMap<u32, Vec<u32>>,
    by_span_id: FxHashMap<Text, Vec<u32>>,
    by_parent_span_id: FxHashMap<Text, Vec<u32>>,
    by_x_request_id_0: FxHashMap<Text, Vec<u32>>,
    by_x_request_id_1: FxHashMap<Text, Vec<u32>>,
    by_syscall: FxHashMap<u64, Vec<u32>>,
    by_dns: FxHashMap<u64, Vec<u32>>,
    /// Requests of processes, by what the response that follows them would carry.
    open_requests: FxHashMap<HalfKey, Vec<u32>>,
}

/// Agent, socket, request id and capture sequence number of a response.
type HalfKey = (AgentId, u64, Option<u64>, u32);

impl Found {
    /// Whether the row is among the found ones.
    pub(super) fn knows(&self, id: RowId) -> bool {
        self.known.contains(&id)
    }

    /// Number of rows found.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// The ids, ascending.
    pub(super) fn into_ids(self) -> Vec<RowId> {
        let mut ids: Vec<RowId> = self.known.into_iter().collect();
        ids.sort_unstable();
        ids
    }

    /// Adds a row; false if it is known already.
    pub(super) fn add(&mut self, row: KeyRow, trace_ids: TraceIds, texts: &Texts) -> bool {
        let new = self.known.insert(row.id);
        if new {
            self.file(row, trace_ids, texts);
        }
        new
    }

    /// R-SEARCH-12: of `rows`, adds those that are related to another found row or to one another, and
    /// returns them. With `halves`, the response of a request found alone is related to it (D-9).
    pub(super) fn add_related(
        &mut self,
        rows: Vec<(KeyRow, TraceIds)>,
        tolerance: Tolerance,
        follow_dns: bool,
        halves: bool,
        texts: &Texts,
    ) -> Vec<KeyRow> {
        let first = self.records.len();
        for (row, trace_ids) in rows {
            self.file(row, trace_ids, texts);
        }
        let mut related: Vec<bool> =
            (first..self.records.len()).map(|i| self.has_relative(i as u32, tolerance, follow_dns)).collect();
        if halves {
            let stays = |request: usize| match request.checked_sub(first) {
                Some(new) => related[new],
                None => self.records[request].alive,
            };
            let other_halves: Vec<usize> =
                (first..self.records.len()).filter(|&i| self.is_other_half(i, stays)).collect();
            other_halves.into_iter().for_each(|i| related[i - first] = true);
        }
        let mut kept = Vec::new();
        for (record, related) in self.records[first..].iter_mut().zip(related) {
            // A store may return one row twice; the first counts.
            record.alive = related && self.known.insert(record.row.id);
            if record.alive {
                kept.push(record.row);
            }
        }
        kept
    }

    fn file(&mut self, row: KeyRow, trace_ids: TraceIds, texts: &Texts) {
        let index = self.records.len() as u32;
        let text_files = [
            (&mut self.by_span_id, row.span_id),
            (&mut self.by_parent_span_id, row.parent_span_id),
            (&mut self.by_x_request_id_0, row.x_request_id_0),
            (&mut self.by_x_request_id_1, row.x_request_id_1),
        ];
        for (file, key) in text_files {
            if !key.is_empty() {
                file.entry(key).or_default().push(index);
            }
        }
        if relation::filed_by_req_seq(&row) {
            self.by_req_seq.entry(row.req_tcp_seq.0).or_default().push(index);
        }
        if relation::filed_by_resp_seq(&row) {
            self.by_resp_seq.entry(row.resp_tcp_seq.0).or_default().push(index);
        }
        for id in [row.syscall_request, row.syscall_response] {
            if !id.is_none() {
                self.by_syscall.entry(id.0).or_default().push(index);
            }
        }
        if let Some(id) = relation::dns_key(&row).filter(|_| relation::filed_by_dns(&row)) {
            self.by_dns.entry(id).or_default().push(index);
        }
        let point = ObservationPoint::parse(texts.get(row.tap_side));
        if point.is_process() && row.kind == LogType::REQUEST {
            let next = row.syscall_cap_seq[0].wrapping_add(1);
            let key = (row.agent, row.flow_id, row.request_id, next);
            self.open_requests.entry(key).or_default().push(index);
        }
        self.records.push(Record { row, trace_ids, point, alive: true });
    }

    /// Whether the record is the response of a request that stays.
    fn is_other_half(&self, index: usize, stays: impl Fn(usize) -> bool) -> bool {
        let Record { row, point, .. } = &self.records[index];
        let key = (row.agent, row.flow_id, row.request_id, row.syscall_cap_seq[1]);
        point.is_process()
            && row.kind == LogType::RESPONSE
            && self.open_requests.get(&key).is_some_and(|file| file.iter().any(|&at| stays(at as usize)))
    }

    /// Whether the record, as the left operand, is related to any other.
    fn has_relative(&self, index: u32, tolerance: Tolerance, follow_dns: bool) -> bool {
        let a = &self.records[index as usize];
        let row = &a.row;
        let any = |file: Option<&Vec<u32>>, test: &dyn Fn(&Record) -> bool| {
            file.is_some_and(|file| {
                file.iter().any(|&other| {
                    let b = &self.records[other as usize];
                    b.alive && b.row.id != row.id && test(b)
                })
            })
        };
        let tcp = |b: &Record| {
            relation::tcp_strong(row, &b.row, tolerance)
                && !conflict::of_keys(row, &a.trace_ids, &b.row, &b.trace_ids)
        };
        let span = |b: &Record| relation::span_id(row, &a.trace_ids, &b.row, &b.trace_ids);
        let syscall =
            |b: &Record| !relation::both_server_processes(a.point, b.point) && relation::syscall(row, &b.row);
        let dns = |b: &Record| relation::dns(row, &b.row, tolerance) && !conflict::of_dns_keys(row, &b.row);

        let is_app = row.signal_source == crate::flow::SignalSource::OTEL;
        let is_response = row.kind == LogType::RESPONSE;
        let is_request = row.kind == LogType::REQUEST;
        !is_app && !is_response && any(self.by_req_seq.get(&row.req_tcp_seq.0), &tcp)
            || !is_app && !is_request && any(self.by_resp_seq.get(&row.resp_tcp_seq.0), &tcp)
            || any(self.by_span_id.get(&row.span_id), &span)
            || any(self.by_parent_span_id.get(&row.span_id), &span)
            || any(self.by_span_id.get(&row.parent_span_id), &span)
            || any(self.by_x_request_id_1.get(&row.x_request_id_0), &|_| true)
            || any(self.by_x_request_id_0.get(&row.x_request_id_1), &|_| true)
            || any(self.by_syscall.get(&row.syscall_request.0), &syscall)
            || any(self.by_syscall.get(&row.syscall_response.0), &syscall)
            || follow_dns && relation::dns_key(row).is_some_and(|id| any(self.by_dns.get(&id), &dns))
    }
}
