//! The relations themselves: tests on an ordered pair of records (algorithm 3.2).

use super::{filing::dns_key, tolerance::Tolerance};
use crate::flow::{KeyRow, LogType, ObservationPoint, TraceIds};

/// R-REL-4 without its conflict test: same sequence numbers, close in time.
pub fn tcp_strong(a: &KeyRow, b: &KeyRow, tolerance: Tolerance) -> bool {
    let starts = || tolerance.allows(a, b, a.start_us, b.start_us);
    let ends = || tolerance.allows(a, b, a.end_us, b.end_us);
    if a.kind == LogType::SESSION && b.kind == LogType::SESSION {
        a.req_tcp_seq == b.req_tcp_seq && a.resp_tcp_seq == b.resp_tcp_seq && starts() && ends()
    } else if a.kind != LogType::RESPONSE && b.kind != LogType::RESPONSE {
        a.req_tcp_seq == b.req_tcp_seq && starts()
    } else if a.kind != LogType::REQUEST && b.kind != LogType::REQUEST {
        a.resp_tcp_seq == b.resp_tcp_seq && ends()
    } else {
        false
    }
}

/// R-REL-5: one sequence number shared, close in time. Types and conflicts are not examined.
pub fn tcp_weak(a: &KeyRow, b: &KeyRow, tolerance: Tolerance) -> bool {
    let request = !a.req_tcp_seq.is_none()
        && a.req_tcp_seq == b.req_tcp_seq
        && tolerance.allows(a, b, a.start_us, b.start_us);
    request
        || !a.resp_tcp_seq.is_none()
            && a.resp_tcp_seq == b.resp_tcp_seq
            && tolerance.allows(a, b, a.end_us, b.end_us)
}

/// R-REL-6: the same span, or parent and child by span id, in one trace. Asymmetric.
pub fn span_id(a: &KeyRow, a_ids: &TraceIds, b: &KeyRow, b_ids: &TraceIds) -> bool {
    let same_or_child = a.span_id == b.span_id || a.span_id == b.parent_span_id;
    let parent = !a.parent_span_id.is_empty() && a.parent_span_id == b.span_id;
    !a.span_id.is_empty() && (same_or_child || parent) && a_ids.intersects(b_ids)
}

/// R-REL-7: the X-Request-ID of one's request is that of the other's response.
pub fn x_request_id(a: &KeyRow, b: &KeyRow) -> bool {
    !a.x_request_id_0.is_empty() && a.x_request_id_0 == b.x_request_id_1
        || !a.x_request_id_1.is_empty() && a.x_request_id_1 == b.x_request_id_0
}

/// R-REL-8: data of one was read or written by the thread that wrote or read data of the other.
pub fn syscall(a: &KeyRow, b: &KeyRow) -> bool {
    let (aq, ar) = (a.syscall_request, a.syscall_response);
    let (bq, br) = (b.syscall_request, b.syscall_response);
    if aq == ar || bq == br || a.agent != b.agent {
        return false;
    }
    !aq.is_none() && (aq == bq || aq == br) || !ar.is_none() && (ar == bq || ar == br)
}

/// The exception of R-REL-8: two server processes are never related by syscall.
pub fn both_server_processes(a: ObservationPoint, b: ObservationPoint) -> bool {
    a == ObservationPoint::ServerProcess && b == ObservationPoint::ServerProcess
}

/// R-REL-9 without its conflict test: one DNS transaction.
pub fn dns(a: &KeyRow, b: &KeyRow, tolerance: Tolerance) -> bool {
    dns_key(a).is_some_and(|_| a.request_id == b.request_id) && tolerance.allows(a, b, a.start_us, b.start_us)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{AgentId, SyscallTraceId, TcpSeq, Texts};

    const TOLERANCE: Tolerance = Tolerance { network_delay_us: 100, host_clock_offset_us: 10 };

    fn capture(kind: LogType, req: u32, resp: u32, start_us: i64, end_us: i64) -> KeyRow {
        KeyRow {
            kind,
            req_tcp_seq: TcpSeq(req),
            resp_tcp_seq: TcpSeq(resp),
            start_us,
            end_us,
            ..KeyRow::default()
        }
    }

    /// R-REL-4, line by line: types, then which times and numbers count.
    #[test]
    fn tcp_strong_lines() {
        let session = capture(LogType::SESSION, 1, 2, 1000, 2000);
        let check =
            |b: KeyRow, expected: bool| assert_eq!(tcp_strong(&session, &b, TOLERANCE), expected, "{b:?}");
        check(capture(LogType::SESSION, 1, 2, 1100, 2100), true);
        check(capture(LogType::SESSION, 1, 2, 1101, 2000), false);
        check(capture(LogType::SESSION, 1, 2, 1000, 2101), false);
        check(capture(LogType::SESSION, 1, 3, 1000, 2000), false);
        check(capture(LogType::REQUEST, 1, 0, 1100, 9000), true);
        check(capture(LogType::REQUEST, 2, 0, 1000, 1000), false);
        check(capture(LogType::RESPONSE, 0, 2, 0, 2100), true);
        check(capture(LogType::RESPONSE, 0, 2, 0, 2101), false);
        let zero = capture(LogType::SESSION, 0, 0, 0, 0);
        assert!(tcp_strong(&zero, &zero, TOLERANCE), "0 = 0 counts");
        let request = capture(LogType::REQUEST, 1, 2, 0, 0);
        let response = capture(LogType::RESPONSE, 1, 2, 0, 0);
        assert!(!tcp_strong(&request, &response, TOLERANCE));
    }

    #[test]
    fn another_agent_widens_the_tolerance() {
        let a = capture(LogType::REQUEST, 1, 0, 0, 0);
        let mut b = capture(LogType::REQUEST, 1, 0, 110, 0);
        assert!(!tcp_strong(&a, &b, TOLERANCE));
        b.agent = AgentId(2);
        assert!(tcp_strong(&a, &b, TOLERANCE));
        b.start_us = i64::MIN;
        assert!(!tcp_strong(&a, &b, TOLERANCE), "no overflow");
    }

    #[test]
    fn tcp_weak_needs_a_number() {
        let a = capture(LogType::SESSION, 0, 2, 0, 50);
        assert!(tcp_weak(&a, &capture(LogType::REQUEST, 9, 2, 9999, 150), TOLERANCE));
        assert!(!tcp_weak(&a, &capture(LogType::SESSION, 0, 3, 0, 50), TOLERANCE), "0 = 0 does not count");
    }

    #[test]
    fn span_relation_is_one_sided() {
        let mut texts = Texts::new();
        let (t, s, p) = (texts.intern("t"), texts.intern("s"), texts.intern("p"));
        let ids = TraceIds::parse(t, &mut texts);
        let other = TraceIds::parse(s, &mut texts);
        let child = KeyRow { span_id: s, parent_span_id: p, ..KeyRow::default() };
        let parent = KeyRow { span_id: p, ..KeyRow::default() };
        let spanless = KeyRow { parent_span_id: p, ..KeyRow::default() };
        assert!(span_id(&child, &ids, &parent, &ids));
        assert!(span_id(&parent, &ids, &child, &ids));
        assert!(span_id(&parent, &ids, &spanless, &ids));
        assert!(!span_id(&spanless, &ids, &parent, &ids), "no span id, never on the left");
        assert!(!span_id(&child, &ids, &parent, &other), "another trace");
    }

    #[test]
    fn syscall_needs_two_ids_and_one_agent() {
        let row = |q, r| KeyRow {
            syscall_request: SyscallTraceId(q),
            syscall_response: SyscallTraceId(r),
            ..KeyRow::default()
        };
        assert!(syscall(&row(1, 0), &row(1, 2)));
        assert!(syscall(&row(1, 2), &row(2, 0)));
        assert!(!syscall(&row(1, 1), &row(1, 0)), "equal ids mean no correlation");
        assert!(!syscall(&row(0, 1), &row(0, 2)), "0 = 0 does not count");
        assert!(!syscall(&row(1, 0), &KeyRow { agent: AgentId(1), ..row(1, 0) }));
    }

    #[test]
    fn x_request_id_crosses_sides() {
        let mut texts = Texts::new();
        let x = texts.intern("x");
        let request = KeyRow { x_request_id_0: x, ..KeyRow::default() };
        let response = KeyRow { x_request_id_1: x, ..KeyRow::default() };
        assert!(x_request_id(&request, &response));
        assert!(x_request_id(&response, &request));
        assert!(!x_request_id(&request, &request));
    }
}
