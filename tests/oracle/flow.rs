//! Rows into flows: R-APP, R-ROW-2 to -5, and the two merges of section 4.

use trace_completion::flow::{
    AgentId, AppSpan, CompletionRequest, FlowRow, KeyRow, L4Protocol, L7Protocol, LogType, Side,
    SignalSource, SyscallTraceId, TcpSeq, Text, Texts,
};

/// Where a row comes from: the flow log, or the request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RowName {
    Stored(u64),
    Request(usize),
}

/// One exchange: one row, or several merged.
#[derive(Clone, Debug)]
pub struct Flow {
    pub row: FlowRow,
    /// Rows in merge order.
    pub ids: Vec<RowName>,
    /// R-ROW-5: distinct, ascending by code point.
    pub trace_ids: Vec<Text>,
}

impl Flow {
    fn new(row: FlowRow, id: RowName, texts: &mut Texts) -> Self {
        let trace_ids = tokens(row.key.trace_id, texts);
        Flow { row, ids: vec![id], trace_ids }
    }

    pub fn shares_trace_id(&self, other: &Flow) -> bool {
        self.trace_ids.iter().any(|id| other.trace_ids.contains(id))
    }

    pub fn is_grpc_like(&self) -> bool {
        [21, 41].contains(&self.row.key.l7_protocol.0)
    }

    pub fn is_request(&self) -> bool {
        self.row.key.kind.0 == 0
    }

    pub fn is_response(&self) -> bool {
        self.row.key.kind.0 == 1
    }

    pub fn is_session(&self) -> bool {
        self.row.key.kind.0 == 2
    }
}

/// Parts between commas, trimmed, without empty ones, ascending.
fn tokens(joined: Text, texts: &mut Texts) -> Vec<Text> {
    let whole = texts.get(joined).to_owned();
    let mut parts: Vec<&str> = whole.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    parts.sort_unstable();
    parts.dedup();
    parts.into_iter().map(|part| texts.intern(part)).collect()
}

/// R-ROW-2, R-ROW-3: rows by (start, `_id`), request spans behind rows of the same start.
pub fn collect(mut rows: Vec<FlowRow>, request: &CompletionRequest, texts: &mut Texts) -> Vec<Flow> {
    rows.sort_by_key(|row| (row.key.start_us, row.key.id));
    let mut flows: Vec<Flow> = Vec::new();
    for row in rows {
        let id = RowName::Stored(row.key.id.0);
        flows.push(Flow::new(row, id, texts));
    }
    for (position, span) in request.app_spans.iter().enumerate() {
        let row = request_row(span, texts);
        flows.push(Flow::new(row, RowName::Request(position), texts));
    }
    flows.sort_by_key(|flow| flow.row.key.start_us);
    flows
}

/// R-APP-1. Name, service and instance are additions of our own contract.
fn request_row(span: &AppSpan, texts: &mut Texts) -> FlowRow {
    let both_set = span.start_time_us != 0 && span.end_time_us != 0;
    let key = KeyRow {
        signal_source: SignalSource(4),
        tap_side: texts.intern(span.span_kind.tap_side()),
        start_us: span.start_time_us,
        end_us: span.end_time_us,
        trace_id: texts.intern(&span.trace_id),
        span_id: texts.intern(&span.span_id),
        parent_span_id: texts.intern(&span.parent_span_id),
        request_id: Some(0),
        kind: LogType(0),
        ..KeyRow::default()
    };
    FlowRow {
        key,
        name: texts.intern(&span.name),
        duration_us: if both_set { span.end_time_us.saturating_sub(span.start_time_us) } else { 0 },
        response_code: Some(0),
        app_service: texts.intern(&span.app_service),
        app_instance: texts.intern(&span.app_instance),
        ..FlowRow::default()
    }
}

/// R-MERGE-1: each row is absorbed by an earlier flow, or becomes one.
pub fn merge(rows: Vec<Flow>, texts: &Texts) -> Vec<Flow> {
    let mut flows: Vec<Flow> = Vec::new();
    for f in rows {
        if let Some(p) = session_partner(&flows, &f, texts) {
            let frame = is_frame(&f);
            let p = &mut flows[p];
            absorb(p, &f);
            if !frame {
                p.row.key.resp_tcp_seq = f.row.key.resp_tcp_seq;
                p.row.key.syscall_cap_seq[1] = f.row.key.syscall_cap_seq[1];
            }
        } else if let Some(p) = asynchronous_partner(&flows, &f) {
            let p = &mut flows[p];
            let mut union = p.trace_ids.clone();
            union.extend(f.trace_ids.iter().filter(|id| !p.trace_ids.contains(id)));
            union.sort_by(|&a, &b| texts.get(a).cmp(texts.get(b)));
            let later = p.row.key.end_us < f.row.key.end_us;
            absorb(p, &f);
            p.trace_ids = union;
            if later {
                p.row.key.resp_tcp_seq = f.row.key.resp_tcp_seq;
                p.row.key.syscall_cap_seq[1] = f.row.key.syscall_cap_seq[1];
            }
        } else {
            flows.push(f);
        }
    }
    flows
}

fn is_frame(f: &Flow) -> bool {
    f.is_grpc_like() && f.row.duration_us == 0
}

/// R-MERGE-3, R-MERGE-4.
fn session_partner(flows: &[Flow], f: &Flow, texts: &Texts) -> Option<usize> {
    if !(f.is_response() || f.is_grpc_like()) || f.row.is_async != 0 {
        return None;
    }
    let frame = is_frame(f);
    let sys = ["s-p", "c-p"].contains(&texts.get(f.row.key.tap_side));
    let dns_sys = sys && f.row.key.l7_protocol.0 == 120;
    let cap_seq_1 = i64::from(f.row.key.syscall_cap_seq[1]);
    for (index, p) in flows.iter().enumerate().rev() {
        let p_cap_seq = p.row.key.syscall_cap_seq.map(i64::from);
        if !p.is_request() && !dns_sys && !frame {
            continue;
        }
        if p.row.is_async != 0 {
            continue;
        }
        if p.row.key.agent != f.row.key.agent
            || p.row.key.flow_id != f.row.key.flow_id
            || p.row.key.request_id != f.row.key.request_id
        {
            continue;
        }
        if p.row.key.l7_protocol != f.row.key.l7_protocol && !frame {
            return None;
        }
        if dns_sys {
            let anchor = if p.is_request() { p_cap_seq[0] } else { p_cap_seq[1] };
            if anchor + 1 != cap_seq_1 {
                continue;
            }
        }
        if !dns_sys && !p.is_request() {
            return None;
        }
        if !dns_sys && sys && p_cap_seq[0] + 1 != cap_seq_1 {
            continue;
        }
        return Some(index);
    }
    None
}

/// R-MERGE-5.
fn asynchronous_partner(flows: &[Flow], f: &Flow) -> Option<usize> {
    let qualifies = |flow: &Flow| {
        [108, 48].contains(&flow.row.key.l7_protocol.0)
            && flow.row.is_async != 0
            && !flow.trace_ids.is_empty()
    };
    if !qualifies(f) || !f.is_response() {
        return None;
    }
    flows.iter().rposition(|p| {
        p.is_request()
            && qualifies(p)
            && p.row.key.l7_protocol == f.row.key.l7_protocol
            && p.row.key.tap_side == f.row.key.tap_side
            && p.shares_trace_id(f)
            && p.row.key.span_id == f.row.key.span_id
    })
}

/// R-MERGE-2.
fn absorb(p: &mut Flow, f: &Flow) {
    if p.is_request() {
        p.row.key.kind = LogType(2);
    }
    p.ids.extend(&f.ids);
    if p.trace_ids.is_empty() {
        p.trace_ids.clone_from(&f.trace_ids);
    }
    fill_key(&mut p.row.key, &f.row.key);
    fill_row(&mut p.row, &f.row);
    for (p_side, f_side) in p.row.sides.iter_mut().zip(&f.row.sides) {
        fill_side(p_side, f_side);
    }
    if p.row.key.end_us < f.row.key.end_us {
        p.row.key.end_us = f.row.key.end_us;
        p.row.duration_us = p.row.key.end_us.saturating_sub(p.row.key.start_us);
    }
}

/// Takes the other's value for each field that has none.
macro_rules! fill {
    ($to:expr, $from:expr, { $($field:ident: $none:expr),* $(,)? }) => {
        $( if $to.$field == $none { $to.$field = $from.$field; } )*
    };
}

fn fill_key(p: &mut KeyRow, f: &KeyRow) {
    fill!(p, f, {
        kind: LogType(0), signal_source: SignalSource(0), l7_protocol: L7Protocol(0), protocol: L4Protocol(0),
        tap_side: Text::EMPTY, agent: AgentId(0), start_us: 0, end_us: 0, req_tcp_seq: TcpSeq(0),
        resp_tcp_seq: TcpSeq(0), syscall_request: SyscallTraceId(0), syscall_response: SyscallTraceId(0),
        trace_id: Text::EMPTY, span_id: Text::EMPTY, parent_span_id: Text::EMPTY, x_request_id_0: Text::EMPTY,
        x_request_id_1: Text::EMPTY, flow_id: 0,
    });
    if p.request_id.unwrap_or(0) == 0 {
        p.request_id = f.request_id;
    }
    for (p_seq, f_seq) in p.syscall_cap_seq.iter_mut().zip(f.syscall_cap_seq) {
        if *p_seq == 0 {
            *p_seq = f_seq;
        }
    }
}

fn fill_row(p: &mut FlowRow, f: &FlowRow) {
    fill!(p, f, {
        name: Text::EMPTY, l7_protocol_str: Text::EMPTY, l7_protocol_enum: Text::EMPTY, version: Text::EMPTY,
        is_tls: 0, is_async: 0, server_port: 0, tap_id: 0, tap: Text::EMPTY, response_status: 0,
        duration_us: 0, biz_response_code: Text::EMPTY, response_exception: Text::EMPTY,
        response_result: Text::EMPTY, request_type: Text::EMPTY, request_domain: Text::EMPTY,
        request_resource: Text::EMPTY, http_proxy_client: Text::EMPTY, endpoint: Text::EMPTY,
        app_service: Text::EMPTY, app_instance: Text::EMPTY,
    });
    if p.response_code.unwrap_or(0) == 0 {
        p.response_code = f.response_code;
    }
}

fn fill_side(p: &mut Side, f: &Side) {
    fill!(p, f, {
        process_id: 0, process_kname: Text::EMPTY, gprocess: Text::EMPTY, subnet_id: 0, subnet: Text::EMPTY,
        ip: Text::EMPTY, auto_instance_type: 0, auto_instance_id: 0, auto_instance: Text::EMPTY,
        auto_service_type: 0, auto_service_id: 0, auto_service: Text::EMPTY,
    });
}
