//! Relations and conflicts: section 3.

use trace_completion::flow::{Text, Texts};

use super::{Options, flow::Flow};

pub const TCP: u8 = 1;
pub const XREQ: u8 = 2;
pub const SYSCALL: u8 = 4;
pub const SPAN: u8 = 8;
pub const DNS: u8 = 16;

/// `R[a]`: related flows with the relation's bits, in the order in which they were first met.
pub type Relations = Vec<Vec<(usize, u8)>>;

/// R-REL-10.
pub fn relations(flows: &[Flow], options: &Options, texts: &Texts) -> Relations {
    let mut map: Relations = vec![Vec::new(); flows.len()];
    for (a, left) in flows.iter().enumerate() {
        for kind in [TCP, SPAN, XREQ, SYSCALL, DNS] {
            for (b, right) in flows.iter().enumerate() {
                if a == b || !holds(kind, left, right, options, texts) {
                    continue;
                }
                match map[a].iter_mut().find(|(known, _)| *known == b) {
                    Some((_, bits)) => *bits |= kind,
                    None => map[a].push((b, kind)),
                }
            }
        }
    }
    map
}

fn holds(kind: u8, a: &Flow, b: &Flow, options: &Options, texts: &Texts) -> bool {
    match kind {
        TCP => tcp_candidate(a, b) && tcp_weak(a, b, options),
        SPAN => span_candidate(a, b) && span(a, b),
        XREQ => x_request_id(a, b),
        SYSCALL => syscall(a, b, texts),
        _ => options.follow_dns && b.row.key.l7_protocol.0 == 120 && dns(a, b, options),
    }
}

/// R-REL-2 for tcp: b is filed under one of a's sequence numbers, on whichever side.
fn tcp_candidate(a: &Flow, b: &Flow) -> bool {
    let (a_key, b_key) = (&a.row.key, &b.row.key);
    if a_key.signal_source.0 == 4 || b_key.signal_source.0 == 4 || b_key.protocol.0 != 6 {
        return false;
    }
    let sides = |flow: &Flow| {
        let mut keys = Vec::new();
        if !flow.is_response() {
            keys.push(flow.row.key.req_tcp_seq);
        }
        if !flow.is_request() {
            keys.push(flow.row.key.resp_tcp_seq);
        }
        keys
    };
    let filed_under = sides(b);
    sides(a).iter().any(|key| filed_under.contains(key))
}

/// R-REL-2 for span ids.
fn span_candidate(a: &Flow, b: &Flow) -> bool {
    let (a, b) = (&a.row.key, &b.row.key);
    let filed_under = [b.span_id, b.parent_span_id];
    [a.span_id, a.parent_span_id].iter().any(|key| !key.is_empty() && filed_under.contains(key))
}

/// Times that differ by at most the tolerance of the two agents.
fn near(a: &Flow, b: &Flow, x: i64, y: i64, options: &Options) -> bool {
    let mut tolerance = i128::from(options.network_delay_us);
    if a.row.key.agent != b.row.key.agent {
        tolerance += i128::from(options.host_clock_offset_us);
    }
    (i128::from(x) - i128::from(y)).abs() <= tolerance
}

fn near_starts(a: &Flow, b: &Flow, options: &Options) -> bool {
    near(a, b, a.row.key.start_us, b.row.key.start_us, options)
}

fn near_ends(a: &Flow, b: &Flow, options: &Options) -> bool {
    near(a, b, a.row.key.end_us, b.row.key.end_us, options)
}

/// R-REL-4.
pub fn tcp_strong(a: &Flow, b: &Flow, options: &Options, texts: &Texts) -> bool {
    let same_req = a.row.key.req_tcp_seq == b.row.key.req_tcp_seq;
    let same_resp = a.row.key.resp_tcp_seq == b.row.key.resp_tcp_seq;
    let fits = if a.is_session() && b.is_session() {
        near_starts(a, b, options) && near_ends(a, b, options) && same_req && same_resp
    } else if !a.is_response() && !b.is_response() {
        near_starts(a, b, options) && same_req
    } else if !a.is_request() && !b.is_request() {
        near_ends(a, b, options) && same_resp
    } else {
        false
    };
    fits && !conflict(a, b, texts)
}

/// R-REL-5.
fn tcp_weak(a: &Flow, b: &Flow, options: &Options) -> bool {
    let (a_key, b_key) = (&a.row.key, &b.row.key);
    let by_req =
        a_key.req_tcp_seq.0 != 0 && a_key.req_tcp_seq == b_key.req_tcp_seq && near_starts(a, b, options);
    let by_resp =
        a_key.resp_tcp_seq.0 != 0 && a_key.resp_tcp_seq == b_key.resp_tcp_seq && near_ends(a, b, options);
    by_req || by_resp
}

/// R-REL-6.
fn span(a: &Flow, b: &Flow) -> bool {
    let (a_key, b_key) = (&a.row.key, &b.row.key);
    if a.trace_ids.is_empty() || a_key.span_id.is_empty() || !a.shares_trace_id(b) {
        return false;
    }
    a_key.span_id == b_key.span_id
        || a_key.span_id == b_key.parent_span_id
        || !a_key.parent_span_id.is_empty() && a_key.parent_span_id == b_key.span_id
}

/// R-REL-7.
fn x_request_id(a: &Flow, b: &Flow) -> bool {
    let (a, b) = (&a.row.key, &b.row.key);
    !a.x_request_id_0.is_empty() && a.x_request_id_0 == b.x_request_id_1
        || !a.x_request_id_1.is_empty() && a.x_request_id_1 == b.x_request_id_0
}

/// R-REL-8.
fn syscall(a: &Flow, b: &Flow, texts: &Texts) -> bool {
    let (a, b) = (&a.row.key, &b.row.key);
    let (aq, ar) = (a.syscall_request.0, a.syscall_response.0);
    let (bq, br) = (b.syscall_request.0, b.syscall_response.0);
    if aq == ar || bq == br || a.agent != b.agent {
        return false;
    }
    if texts.get(a.tap_side) == "s-p" && texts.get(b.tap_side) == "s-p" {
        return false;
    }
    aq != 0 && [bq, br].contains(&aq) || ar != 0 && [bq, br].contains(&ar)
}

/// R-REL-9.
fn dns(a: &Flow, b: &Flow, options: &Options) -> bool {
    let id = a.row.key.request_id.unwrap_or(0);
    id != 0 && Some(id) == b.row.key.request_id && near_starts(a, b, options) && !dns_conflict(a, b)
}

fn differ(a: Text, b: Text) -> bool {
    !a.is_empty() && !b.is_empty() && a != b
}

fn numbers_differ<T: PartialEq + Default>(a: T, b: T) -> bool {
    a != T::default() && b != T::default() && a != b
}

/// R-CONF-1 to -4.
fn conflict(a: &Flow, b: &Flow, texts: &Texts) -> bool {
    let (ak, bk) = (&a.row.key, &b.row.key);
    if !a.trace_ids.is_empty() && !b.trace_ids.is_empty() {
        return !a.shares_trace_id(b) || ak.span_id != bk.span_id;
    }
    let (al, bl) = (ak.l7_protocol.0, bk.l7_protocol.0);
    let two_names = al != bl && a.is_grpc_like() && b.is_grpc_like();
    let (a, b) = (&a.row, &b.row);
    !two_names && numbers_differ(al, bl)
        || differ(ak.x_request_id_0, bk.x_request_id_0)
        || differ(ak.x_request_id_1, bk.x_request_id_1)
        || differ(a.http_proxy_client, b.http_proxy_client)
        || numbers_differ(ak.protocol, bk.protocol)
        || !two_names && differ(a.l7_protocol_str, b.l7_protocol_str)
        || differ(a.version, b.version)
        || numbers_differ(ak.request_id.unwrap_or(0), bk.request_id.unwrap_or(0))
        || !two_names && differ(a.endpoint, b.endpoint)
        || differ(a.request_type, b.request_type)
        || differ(a.request_domain, b.request_domain)
        || !two_names && resources_differ(a.request_resource, b.request_resource, texts)
        || numbers_differ(a.response_code.unwrap_or(0), b.response_code.unwrap_or(0))
        || differ(a.response_exception, b.response_exception)
        || differ(a.response_result, b.response_result)
}

/// R-CONF-4.
fn resources_differ(a: Text, b: Text, texts: &Texts) -> bool {
    let (a, b) = (texts.get(a), texts.get(b));
    if a.is_empty() || b.is_empty() {
        return false;
    }
    if a.chars().count() > 1024 && b.chars().count() > 1024 {
        return !a.chars().take(1024).eq(b.chars().take(1024));
    }
    a != b
}

/// R-CONF-5.
fn dns_conflict(a: &Flow, b: &Flow) -> bool {
    let (ak, bk) = (&a.row.key, &b.row.key);
    let (a, b) = (&a.row, &b.row);
    numbers_differ(ak.protocol, bk.protocol)
        || differ(a.endpoint, b.endpoint)
        || differ(a.request_resource, b.request_resource)
        || differ(a.request_type, b.request_type)
        || numbers_differ(ak.request_id.unwrap_or(0), bk.request_id.unwrap_or(0))
        || numbers_differ(a.response_code.unwrap_or(0), b.response_code.unwrap_or(0))
        || differ(a.response_exception, b.response_exception)
        || differ(a.response_result, b.response_result)
        || numbers_differ(ak.l7_protocol, bk.l7_protocol)
}
