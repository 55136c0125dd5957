//! Merging: the request half and the response half of an exchange become one flow (algorithm 4).
//!
//! The rules look for a partner from the last flow to the first. Only flows of one key matter for this, so
//! each key keeps its flows on stacks. Then the last partner and the last flow that ends the search are
//! compared by position, and no search reads all flows.

use rustc_hash::FxHashMap;

use super::{
    flows::Flow,
    index::{Id, IndexVec, NodeId},
};
use crate::flow::{AgentId, FlowRow, KeyRow, L7Protocol, LogType, Side, Text, Texts};

/// Merges the flows, in order (R-MERGE-1).
pub(super) fn merge(rows: Vec<Flow>, texts: &Texts) -> IndexVec<NodeId, Flow> {
    let mut merger = Merger {
        flows: IndexVec::with_capacity(rows.len()),
        streams: FxHashMap::default(),
        async_requests: FxHashMap::default(),
    };
    for flow in rows {
        merger.add(flow, texts);
    }
    merger.flows
}

/// R-MERGE-4 step 3: agent, `flow_id`, `request_id`.
type StreamKey = (AgentId, u64, Option<u64>);

/// R-MERGE-5: protocol, `tap_side`, one trace id, `span_id`.
type AsyncKey = (L7Protocol, Text, Text, Text);

struct Merger {
    flows: IndexVec<NodeId, Flow>,
    streams: FxHashMap<StreamKey, Stream>,
    async_requests: FxHashMap<AsyncKey, Vec<NodeId>>,
}

/// The flows of one key that are not asynchronous. A flow that is no longer a request stays on its stack
/// until it is on top, and is dropped then.
#[derive(Default)]
struct Stream {
    /// Requests, by protocol.
    requests: Vec<(L7Protocol, Vec<NodeId>)>,
    /// Requests, by protocol and `syscall_cap_seq_0`.
    requests_by_cap_seq: FxHashMap<(L7Protocol, u32), Vec<NodeId>>,
    /// The last flow that is no request.
    last_other: Option<NodeId>,
    /// The last flow of another protocol than DNS.
    last_not_dns: Option<NodeId>,
    /// DNS flows, by the sequence number that their next response follows (R-MERGE-4 step 5).
    dns_by_anchor: FxHashMap<u32, Vec<NodeId>>,
}

impl Merger {
    fn add(&mut self, flow: Flow, texts: &Texts) {
        // Two stored spans that are both in the request are two spans, not halves of one (D-7).
        let are_two = |merger: &Self, partner: NodeId| {
            flow.request.is_some() && merger.flows[partner].request.is_some()
        };
        if let Some((partner, frame)) =
            self.session_partner(&flow).filter(|&(partner, _)| !are_two(self, partner))
        {
            self.absorb_session(partner, flow, frame);
        } else if let Some(partner) = self.async_partner(&flow).filter(|&partner| !are_two(self, partner)) {
            self.absorb_async(partner, flow, texts);
        } else {
            self.append(flow);
        }
    }

    fn append(&mut self, flow: Flow) {
        let at = NodeId::of(self.flows.len());
        let key = flow.key();
        if flow.row.is_async == 0 {
            let stream = self.streams.entry(stream_key(&flow)).or_default();
            if key.kind == LogType::REQUEST {
                stream.push_request(key.l7_protocol, flow.row.key.syscall_cap_seq[0], at);
            } else {
                stream.last_other = Some(at);
            }
            if key.l7_protocol == L7Protocol::DNS {
                stream.dns_by_anchor.entry(dns_anchor(&flow)).or_default().push(at);
            } else {
                stream.last_not_dns = Some(at);
            }
        } else if key.kind == LogType::REQUEST && merges_async(&flow) {
            for id in flow.trace_ids.iter() {
                let key = (key.l7_protocol, key.tap_side, id, key.span_id);
                self.async_requests.entry(key).or_default().push(at);
            }
        }
        self.flows.push(flow);
    }

    /// R-MERGE-3, R-MERGE-4: the flow that absorbs `f`, and whether `f` is a frame.
    fn session_partner(&mut self, f: &Flow) -> Option<(NodeId, bool)> {
        let key = f.key();
        let eligible =
            (key.kind == LogType::RESPONSE || key.l7_protocol.is_grpc_like()) && f.row.is_async == 0;
        if !eligible {
            return None;
        }
        let stream = self.streams.get_mut(&stream_key(f))?;
        let system = f.point.is_process();
        let frame = key.l7_protocol.is_grpc_like() && f.row.duration_us == 0;
        // `anchor + 1 = cap_seq_1`
        let anchor = f.row.key.syscall_cap_seq[1].checked_sub(1);
        let flows = &self.flows;
        let is_request = |at: NodeId| flows[at].key().kind == LogType::REQUEST;

        if system && key.l7_protocol == L7Protocol::DNS {
            let anchor = anchor?;
            let partner =
                last_valid(stream.dns_by_anchor.get_mut(&anchor)?, |at| dns_anchor(&flows[at]) == anchor)?;
            return (Some(partner) > stream.last_not_dns).then_some((partner, frame));
        }
        let mut partner = None;
        let mut barrier = if frame { stream.last_other } else { None };
        for (protocol, requests) in &mut stream.requests {
            if !frame && *protocol != key.l7_protocol {
                barrier = barrier.max(last_valid(requests, is_request));
            } else if !system {
                partner = partner.max(last_valid(requests, is_request));
            } else if let Some(anchor) = anchor
                && let Some(stack) = stream.requests_by_cap_seq.get_mut(&(*protocol, anchor))
            {
                partner = partner.max(last_valid(stack, is_request));
            }
        }
        partner.filter(|_| partner > barrier).map(|partner| (partner, frame))
    }

    fn absorb_session(&mut self, at: NodeId, f: Flow, frame: bool) {
        let (resp_tcp_seq, cap_seq) = (f.row.key.resp_tcp_seq, f.row.key.syscall_cap_seq[1]);
        let partner = &mut self.flows[at];
        let was_request = partner.key().kind == LogType::REQUEST;
        absorb(partner, f);
        if !frame {
            partner.row.key.resp_tcp_seq = resp_tcp_seq;
            partner.row.key.syscall_cap_seq[1] = cap_seq;
        }
        let partner = &self.flows[at];
        if let Some(stream) = self.streams.get_mut(&stream_key(partner)) {
            if was_request {
                stream.last_other = stream.last_other.max(Some(at));
            }
            if partner.key().l7_protocol == L7Protocol::DNS {
                let stack = stream.dns_by_anchor.entry(dns_anchor(partner)).or_default();
                // Keeps the stack ascending: an earlier flow may get the number of a later one.
                let place = stack.partition_point(|&other| other < at);
                if stack.get(place) != Some(&at) {
                    stack.insert(place, at);
                }
            }
        }
    }

    /// R-MERGE-5.
    fn async_partner(&mut self, f: &Flow) -> Option<NodeId> {
        let key = f.key();
        if key.kind != LogType::RESPONSE || !merges_async(f) {
            return None;
        }
        let flows = &self.flows;
        let mut partner = None;
        for id in f.trace_ids.iter() {
            if let Some(stack) =
                self.async_requests.get_mut(&(key.l7_protocol, key.tap_side, id, key.span_id))
            {
                partner = partner.max(last_valid(stack, |at| flows[at].key().kind == LogType::REQUEST));
            }
        }
        partner
    }

    fn absorb_async(&mut self, at: NodeId, f: Flow, texts: &Texts) {
        let partner = &mut self.flows[at];
        let trace_ids = partner.trace_ids.union(&f.trace_ids, texts);
        let later = f.row.key.end_us > partner.row.key.end_us;
        let (resp_tcp_seq, cap_seq) = (f.row.key.resp_tcp_seq, f.row.key.syscall_cap_seq[1]);
        absorb(partner, f);
        partner.trace_ids = trace_ids;
        if later {
            partner.row.key.resp_tcp_seq = resp_tcp_seq;
            partner.row.key.syscall_cap_seq[1] = cap_seq;
        }
    }
}

impl Stream {
    fn push_request(&mut self, protocol: L7Protocol, cap_seq: u32, at: NodeId) {
        match self.requests.iter_mut().find(|(known, _)| *known == protocol) {
            Some((_, stack)) => stack.push(at),
            None => self.requests.push((protocol, vec![at])),
        }
        self.requests_by_cap_seq.entry((protocol, cap_seq)).or_default().push(at);
    }
}

fn stream_key(flow: &Flow) -> StreamKey {
    (flow.row.key.agent, flow.row.key.flow_id, flow.row.key.request_id)
}

/// R-MERGE-4 step 5: the number that the next DNS response of this flow follows.
fn dns_anchor(flow: &Flow) -> u32 {
    flow.row.key.syscall_cap_seq[usize::from(flow.key().kind != LogType::REQUEST)]
}

fn merges_async(flow: &Flow) -> bool {
    let protocol = flow.key().l7_protocol;
    (protocol == L7Protocol::WEBSPHERE_MQ || protocol == L7Protocol::ISO8583)
        && flow.row.is_async != 0
        && !flow.trace_ids.is_empty()
}

/// The topmost node that is valid. Invalid ones above it are removed.
fn last_valid(stack: &mut Vec<NodeId>, valid: impl Fn(NodeId) -> bool) -> Option<NodeId> {
    while let Some(&top) = stack.last() {
        if valid(top) {
            return Some(top);
        }
        stack.pop();
    }
    None
}

/// R-MERGE-2.
fn absorb(p: &mut Flow, f: Flow) {
    p.ids.extend(f.ids);
    if p.trace_ids.is_empty() {
        p.trace_ids = f.trace_ids;
    }
    p.request = p.request.or(f.request);
    if p.row.key.kind == LogType::REQUEST {
        p.row.key.kind = LogType::SESSION;
    }
    if p.row.key.tap_side.is_empty() {
        p.point = f.point;
    }
    fill_unknown(&mut p.row, &f.row);
    if p.row.key.end_us < f.row.key.end_us {
        p.row.key.end_us = f.row.key.end_us;
        p.row.duration_us = p.row.key.end_us.saturating_sub(p.row.key.start_us);
    }
}

/// Takes from `from` what `own` does not know: fields that are 0, empty or null. The structs are taken apart
/// completely, so that a new column does not compile until somebody has decided about it here.
fn fill_unknown(own: &mut FlowRow, from: &FlowRow) {
    fn take<T: PartialEq + Default + Copy>(own: &mut T, other: T) {
        if *own == T::default() {
            *own = other;
        }
    }
    fn take_option<T: PartialEq + Default + Copy>(own: &mut Option<T>, other: Option<T>) {
        if own.unwrap_or_default() == T::default() {
            *own = other;
        }
    }
    /// Names the fields of a struct, all of them, and how each is taken.
    macro_rules! take_all {
        ($struct:ident, $own:expr, $from:expr; $($field:ident: $take:expr),+ $(,)?) => {
            let $struct { $($field),+ } = $own;
            $( $take($field, $from.$field); )+
        };
    }
    fn take_each<const N: usize>(own: &mut [u32; N], other: [u32; N]) {
        for (own, other) in own.iter_mut().zip(other) {
            take(own, other);
        }
    }
    fn take_sides(own: &mut [Side; 2], from: [Side; 2]) {
        for (own, from) in own.iter_mut().zip(from) {
            take_side(own, from);
        }
    }
    fn take_side(own: &mut Side, from: Side) {
        take_all!(Side, own, from;
            process_id: take,
            process_kname: take,
            gprocess: take,
            subnet_id: take,
            subnet: take,
            ip: take,
            auto_instance_type: take,
            auto_instance_id: take,
            auto_instance: take,
            auto_service_type: take,
            auto_service_id: take,
            auto_service: take,
        );
    }
    fn take_key(own: &mut KeyRow, from: KeyRow) {
        // A merged flow keeps the id of its first row; `Flow::ids` has them all.
        fn keep<T>(_own: &mut T, _other: T) {}
        take_all!(KeyRow, own, from;
            id: keep,
            kind: take,
            signal_source: take,
            l7_protocol: take,
            protocol: take,
            tap_side: take,
            agent: take,
            start_us: take,
            end_us: take,
            req_tcp_seq: take,
            resp_tcp_seq: take,
            syscall_request: take,
            syscall_response: take,
            trace_id: take,
            span_id: take,
            parent_span_id: take,
            x_request_id_0: take,
            x_request_id_1: take,
            request_id: take_option,
            flow_id: take,
            syscall_cap_seq: take_each,
        );
    }
    take_all!(FlowRow, own, from;
        key: take_key,
        name: take,
        l7_protocol_str: take,
        l7_protocol_enum: take,
        version: take,
        is_tls: take,
        is_async: take,
        server_port: take,
        tap_id: take,
        tap: take,
        response_status: take,
        duration_us: take,
        biz_response_code: take,
        response_code: take_option,
        response_exception: take,
        response_result: take,
        request_type: take,
        request_domain: take,
        request_resource: take,
        http_proxy_client: take,
        endpoint: take,
        app_service: take,
        app_instance: take,
        sides: take_sides,
    );
}
