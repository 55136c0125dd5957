//! Merging: the request half and the response half of an exchange become one flow (algorithm 4).
//!
//! The rules look for a partner "from the last flow to the first". Only flows of one key can decide, so
//! each key keeps its flows on stacks, and the nearest partner and the nearest flow that ends the search
//! are compared by position: no scan over all flows.

use rustc_hash::FxHashMap;

use super::flows::Flow;
use crate::flow::{AgentId, FlowRow, L7Protocol, LogType, Text, Texts};

/// Merges the flows, in order (R-MERGE-1).
pub(super) fn merge(rows: Vec<Flow>, texts: &Texts) -> Vec<Flow> {
    let mut merger = Merger::default();
    for flow in rows {
        merger.add(flow, texts);
    }
    merger.flows
}

/// R-MERGE-4 step 3: agent, `flow_id`, `request_id`.
type StreamKey = (AgentId, u64, Option<u64>);

/// R-MERGE-5: protocol, `tap_side`, one trace id, `span_id`.
type AsyncKey = (L7Protocol, Text, Text, Text);

#[derive(Default)]
struct Merger {
    flows: Vec<Flow>,
    streams: FxHashMap<StreamKey, Stream>,
    async_requests: FxHashMap<AsyncKey, Vec<usize>>,
}

/// The flows of one key that are not asynchronous, by position. Stacks keep flows that are no requests
/// any more until they surface.
#[derive(Default)]
struct Stream {
    /// Requests, by protocol.
    requests: Vec<(L7Protocol, Vec<usize>)>,
    /// Requests, by protocol and `syscall_cap_seq_0`.
    requests_by_cap_seq: FxHashMap<(L7Protocol, u32), Vec<usize>>,
    /// The last flow that is no request.
    last_other: Option<usize>,
    /// The last flow of another protocol than DNS.
    last_not_dns: Option<usize>,
    /// DNS flows, by the sequence number that their next response follows (step 5).
    dns_by_anchor: FxHashMap<u32, Vec<usize>>,
}

impl Merger {
    fn add(&mut self, flow: Flow, texts: &Texts) {
        // Two stored spans that the request has both are two spans (deviation "one span once").
        let are_two =
            |merger: &Self, partner: usize| flow.request.is_some() && merger.flows[partner].request.is_some();
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
        let at = self.flows.len();
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

    /// R-MERGE-3, -4: the flow that absorbs `f`, and whether `f` is a frame.
    fn session_partner(&mut self, f: &Flow) -> Option<(usize, bool)> {
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
        let is_request = |at: usize| flows[at].key().kind == LogType::REQUEST;

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

    fn absorb_session(&mut self, at: usize, f: Flow, frame: bool) {
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
                // Positions stay ascending: an older flow may get a number that a younger one has.
                let place = stack.partition_point(|&other| other < at);
                if stack.get(place) != Some(&at) {
                    stack.insert(place, at);
                }
            }
        }
    }

    /// R-MERGE-5.
    fn async_partner(&mut self, f: &Flow) -> Option<usize> {
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

    fn absorb_async(&mut self, at: usize, f: Flow, texts: &Texts) {
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
    fn push_request(&mut self, protocol: L7Protocol, cap_seq: u32, at: usize) {
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

/// The topmost valid position; invalid ones above it are dropped for good.
fn last_valid(stack: &mut Vec<usize>, valid: impl Fn(usize) -> bool) -> Option<usize> {
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

/// Takes from `f` what `p` does not know: fields that are 0, empty or null.
fn fill_unknown(p: &mut FlowRow, f: &FlowRow) {
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
    macro_rules! take_all {
        ($own:expr, $other:expr, $($field:ident),+) => { $( take(&mut $own.$field, $other.$field); )+ };
    }
    take_all!(
        p.key,
        f.key,
        kind,
        signal_source,
        l7_protocol,
        protocol,
        tap_side,
        agent,
        start_us,
        end_us,
        req_tcp_seq,
        resp_tcp_seq,
        syscall_request,
        syscall_response,
        trace_id,
        span_id,
        parent_span_id,
        x_request_id_0,
        x_request_id_1,
        flow_id
    );
    take_option(&mut p.key.request_id, f.key.request_id);
    take_option(&mut p.response_code, f.response_code);
    take_all!(
        p,
        f,
        name,
        l7_protocol_str,
        l7_protocol_enum,
        version,
        is_tls,
        is_async,
        server_port,
        tap_id,
        tap,
        response_status,
        duration_us,
        biz_response_code,
        response_exception,
        response_result,
        request_type,
        request_domain,
        request_resource,
        http_proxy_client,
        endpoint,
        app_service,
        app_instance
    );
    for side in 0..2 {
        take(&mut p.key.syscall_cap_seq[side], f.key.syscall_cap_seq[side]);
        take_all!(
            p.sides[side],
            f.sides[side],
            process_id,
            process_kname,
            gprocess,
            subnet_id,
            subnet,
            ip,
            auto_instance_type,
            auto_instance_id,
            auto_instance,
            auto_service_type,
            auto_service_id,
            auto_service
        );
    }
}
