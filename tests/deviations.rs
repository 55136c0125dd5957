//! One test for each line of `docs/differences.md` that no other test holds: a small world, what the
//! original makes of it, and what we make of it.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;

use support::small_worlds::*;
use trace_completion::{
    completion,
    config::Tracing,
    contract::answer,
    flow::{AppSpan, CompletionRequest, FlowRow, KeyRow, RowId, SpanKind, Texts},
    flow_log::{MemoryStore, StoredRow},
    search::Question,
    store::{FlowStore, Page, ReadContext, StoreError},
};

#[test]
fn b1_an_unknown_trace_is_answered_with_the_callers_spans() {
    let spans = [app("a", "", SpanKind::Server, 0, 100), app("b", "a", SpanKind::Client, 10, 90)];
    for tracing in [default_mode(), original()] {
        check(&tree(&[], &spans, &tracing), "a -, b a");
        let answer = answer_of(&[], &spans, &tracing);
        assert_eq!((answer.opt_status.as_str(), answer.description.as_str()), ("SUCCESS", ""));
    }
}

#[test]
fn b3_a_ring_is_opened_and_loses_no_span() {
    // Two paths with one span id and equal durations adopt each other in the original (Q-18).
    let path = |n: u64, agent: u16, seq: u32| StoredRow {
        trace_id: "t".to_owned(),
        span_id: "s".to_owned(),
        req_tcp_seq: seq,
        resp_tcp_seq: seq + 1,
        ..row(n, "c", agent, 10, 60)
    };
    let rows = [path(1, 1, 100), path(2, 2, 200)];
    let tree = tree(&rows, &[app("x", "", SpanKind::Client, 0, 100)], &original());
    assert_eq!(tree.len(), 3, "{tree:?}");
    assert_eq!(tree.values().filter(|parent| *parent == "-").count(), 2, "one ring opened: {tree:?}");
}

#[test]
fn b8_large_ids_keep_all_their_bits() {
    // Two ids that are equal as floating-point numbers.
    let (a, b) = (u64::MAX - 1, u64::MAX - 2);
    let rows = [
        StoredRow {
            trace_id: "t".to_owned(),
            syscall_trace_id_request: a,
            flow_id: u64::MAX,
            ..row(1, "c-p", 1, 10, 60)
        },
        StoredRow { syscall_trace_id_request: b, ..row(2, "c-p", 1, 20, 50) },
    ];
    let answer = answer_of(&rows, &[app("x", "", SpanKind::Client, 0, 100)], &original());
    let spans = answer.data.unwrap().tracing;
    let stored: Vec<_> = spans.iter().filter(|span| span.signal_source == 3).collect();
    assert_eq!(stored.len(), 1, "the other row is not related");
    assert_eq!(stored[0].flow_id, u64::MAX.to_string());
    assert_eq!(stored[0].syscall_trace_id_request, a.to_string());
}

#[test]
fn b15_related_ids_are_bounded_and_the_answer_says_so() {
    let rows: Vec<StoredRow> = (1..=20)
        .map(|n| StoredRow {
            trace_id: "t".to_owned(),
            span_id: "s".to_owned(),
            req_tcp_seq: n as u32,
            ..row(n, "c", n as u16, 10, 60)
        })
        .collect();
    let spans = [app("s", "", SpanKind::Client, 0, 100)];
    let all = answer_of(&rows, &spans, &default_mode());
    assert!(all.data.unwrap().tracing.iter().all(|span| span.related_ids.len() == 20));
    assert_eq!(all.description, "");
    let cut = answer_of(&rows, &spans, &Tracing { max_related_ids: 5, ..default_mode() });
    assert!(cut.data.unwrap().tracing.iter().all(|span| span.related_ids.len() == 5));
    assert_eq!(cut.opt_status, "SUCCESS");
    assert_eq!(cut.description, "related_ids of 21 spans were cut (tracing.max_related_ids: 5)");
}

#[test]
fn b17_an_unknown_request_id_conflicts_with_no_number() {
    let capture = |n: u64, trace_id: &str, request_id: Option<u64>| StoredRow {
        trace_id: trace_id.to_owned(),
        request_id,
        req_tcp_seq: 100,
        resp_tcp_seq: 200,
        ..row(n, "c", n as u16, 10, 60)
    };
    let spans = [app("x", "", SpanKind::Client, 0, 100)];
    for tracing in [default_mode(), original()] {
        let found = |other: Option<u64>| {
            let rows = [capture(1, "t", Some(7)), capture(2, "", other)];
            tree(&rows, &spans, &tracing).len()
        };
        assert_eq!(found(None), 3, "null and a number");
        assert_eq!(found(Some(7)), 3, "equal numbers");
        assert_eq!(found(Some(8)), 2, "numbers that differ conflict");
    }
}

/// A client span `c` and the server span `s` of one call, and the captures between them.
fn one_call() -> (Vec<StoredRow>, Vec<AppSpan>) {
    let rows = call(1, 1, 2, "c", 110, 890).to_vec();
    (rows, vec![app("c", "", SpanKind::Client, 100, 900), app("s", "c", SpanKind::Server, 120, 880)])
}

#[test]
fn d1_the_path_goes_between_the_two_app_spans_of_a_call() {
    let (rows, spans) = one_call();
    check(&tree(&rows, &spans, &original()), "c -, s c, #1 -, #2 #1, #3 #2, #4 #3");
    check(&tree(&rows, &spans, &default_mode()), "c -, #1 c, #2 #1, #3 #2, #4 #3, s #4");
}

/// The call of [`one_call`], whose server then makes a call without header, as its thread's first.
fn call_without_header(extra: Option<AppSpan>) -> (Vec<StoredRow>, Vec<AppSpan>) {
    let (rows, mut spans) = one_call();
    let rows: [StoredRow; 4] = rows.try_into().unwrap();
    let mut rows = syscalls(rows, [0, 0], [7, 8]).to_vec();
    let mysql = syscalls(call(11, 2, 3, "", 210, 290), [7, 8], [0, 0]);
    rows.extend(mysql.map(|row| StoredRow { l7_protocol: 60, ..row }));
    spans.extend(extra);
    (rows, spans)
}

#[test]
fn d2_a_call_without_header_goes_below_the_client_span_around_it() {
    let (rows, spans) = call_without_header(Some(app("q", "s", SpanKind::Client, 200, 300)));
    check(&tree(&rows, &spans, &original()), "#11 #4");
    check(&tree(&rows, &spans, &default_mode()), "q s, #11 q");
}

#[test]
fn d3_a_call_without_span_goes_below_the_innermost_span_around_it() {
    let (rows, spans) = call_without_header(Some(app("i", "s", SpanKind::Internal, 150, 400)));
    check(&tree(&rows, &spans, &default_mode()), "i s, #11 i");
    let (rows, spans) = call_without_header(Some(app("i", "s", SpanKind::Internal, 300, 400)));
    check(&tree(&rows, &spans, &default_mode()), "i s, #11 s");
}

#[test]
fn d4_a_process_that_serves_twice_gives_each_call_to_its_own_request() {
    // A gateway on agent 2 serves two overlapping requests of one trace in two threads, and passes the header
    // on.
    let mut rows = syscalls(call(1, 1, 2, "c", 100, 900), [0, 0], [1, 2]).to_vec();
    rows.extend(syscalls(call(11, 1, 2, "c", 110, 890), [0, 0], [3, 4]));
    rows.extend(syscalls(call(21, 2, 3, "c", 200, 300), [3, 4], [0, 0]));
    rows.extend(syscalls(call(31, 2, 4, "c", 400, 500), [1, 2], [0, 0]));
    let spans = [app("c", "", SpanKind::Client, 0, 1000)];
    let original = tree(&rows, &spans, &original());
    assert_eq!(original["#21"], original["#31"], "one server span takes both: {original:?}");
    check(&tree(&rows, &spans, &default_mode()), "#21 #14, #31 #4");
}

#[test]
fn d5_an_entry_span_without_traceparent_goes_below_the_server_span_that_its_calls_serve() {
    let outer = syscalls(call(1, 1, 2, "", 100, 900), [0, 0], [1, 2]);
    let inner = syscalls(call(11, 2, 3, "q", 310, 590), [1, 2], [0, 0]);
    let rows = [outer, inner].concat();
    let spans = [app("e", "", SpanKind::Server, 200, 800), app("q", "e", SpanKind::Client, 300, 600)];
    check(&tree(&rows, &spans, &original()), "e -");
    check(&tree(&rows, &spans, &default_mode()), "e #4, q e, #11 q, #4 #3, #1 -");
}

#[test]
fn d5_the_root_of_a_trace_goes_below_the_request_where_the_trace_begins() {
    // Only the root is given, so it is not known whose id the call carries.
    let before = syscalls(call(1, 1, 2, "", 50, 950), [0, 0], [1, 2]);
    let outer = syscalls(call(11, 2, 3, "", 100, 900), [1, 2], [3, 4]);
    let inner = syscalls(call(21, 3, 4, "q", 310, 590), [3, 4], [0, 0]);
    let rows = [before, outer, inner].concat();
    let root = [app("e", "", SpanKind::Server, 200, 800)];
    check(&tree(&rows, &root, &original()), "e -");
    check(&tree(&rows, &root, &default_mode()), "e #14, #21 e, #11 #4, #1 -");
    // A span that names a parent is no root. A span that is not around the call did not make it.
    let below = [app("e", "x", SpanKind::Server, 200, 800)];
    check(&tree(&rows, &below, &default_mode()), "e -, #21 #14");
    let outside = [app("e", "", SpanKind::Server, 20, 930)];
    check(&tree(&rows, &outside, &default_mode()), "e -");
    // Two requests are around it, and both made calls of the trace: nothing says which one is the root's.
    let again = syscalls(call(31, 2, 5, "", 101, 899), [1, 2], [5, 6]);
    let other = syscalls(call(41, 5, 4, "r", 600, 700), [5, 6], [0, 0]);
    let rows = [rows, again.to_vec(), other.to_vec()].concat();
    check(&tree(&rows, &root, &default_mode()), "e -, #21 #14, #41 #34");
}

#[test]
fn d6_a_client_span_without_its_server_span_goes_between_server_process_and_call() {
    let outer = syscalls(call(1, 1, 2, "x", 100, 900), [0, 0], [1, 2]);
    let inner = syscalls(call(11, 2, 3, "q", 310, 590), [1, 2], [0, 0]);
    let rows = [outer, inner].concat();
    let spans = [app("q", "not-given", SpanKind::Client, 300, 600)];
    check(&tree(&rows, &spans, &original()), "q -");
    check(&tree(&rows, &spans, &default_mode()), "q #4, #11 q");
}

#[test]
fn d7_a_request_span_that_the_flow_log_holds_is_one_span() {
    let (mut rows, spans) = one_call();
    rows.push(StoredRow {
        signal_source: 4,
        trace_id: "t".to_owned(),
        span_id: "s".to_owned(),
        parent_span_id: "c".to_owned(),
        app_service: "shop".to_owned(),
        ..row(9, "s-app", 2, 120, 880)
    });
    assert_eq!(tree(&rows, &spans, &original()).len(), 7, "twice in the original");
    let tree = tree(&rows, &spans, &default_mode());
    assert_eq!(tree.len(), 6, "{tree:?}");
    check(&tree, "#9 #4");
    let answer = answer_of(&rows, &spans, &default_mode());
    let span = answer.data.unwrap().tracing.into_iter().find(|span| span.span_id == "s").unwrap();
    assert_eq!((span.app_service.as_str(), span.ids.len()), ("shop", 1));
}

#[test]
fn d8_the_callers_own_parents_stay() {
    // The path of another call seems to lead to `s`, but the caller says that it is below `c`.
    let rows = call(1, 1, 2, "c", 110, 890);
    let spans = [
        app("c", "", SpanKind::Client, 100, 900),
        app("o", "", SpanKind::Client, 100, 900),
        app("s", "o", SpanKind::Server, 120, 880),
    ];
    check(&tree(&rows, &spans, &default_mode()), "s o, #1 c");
}

#[test]
fn d9_the_response_of_a_request_found_alone_is_reunited_with_it() {
    let half = |n: u64, kind: u8, start_us: i64| StoredRow {
        r#type: kind,
        flow_id: 5,
        l7_protocol: 60,
        response_duration: 0,
        ..row(n, "s-p", 1, start_us, start_us)
    };
    let request = StoredRow {
        trace_id: "t".to_owned(),
        req_tcp_seq: 1,
        syscall_trace_id_request: 7,
        syscall_cap_seq_0: 3,
        ..half(1, 0, 10)
    };
    // The response has no trace id, and no key that another row has.
    let response = StoredRow { resp_tcp_seq: 2, syscall_cap_seq_1: 4, ..half(2, 1, 60) };
    // The response of the next exchange on the same socket.
    let other = StoredRow { resp_tcp_seq: 9, syscall_cap_seq_1: 6, ..half(3, 1, 80) };
    let rows = [request, response, other];
    let spans = [app("x", "", SpanKind::Client, 0, 100)];
    assert!(tree(&rows, &spans, &original()).contains_key("#1"));
    let tree = tree(&rows, &spans, &default_mode());
    assert!(tree.contains_key("#1+#2") && tree.len() == 2, "{tree:?}");
}

#[test]
fn d10_all_trace_ids_are_looked_up() {
    let rows = call(1, 1, 2, "c", 110, 890);
    let mut spans =
        vec![app("u", "", SpanKind::Internal, 0, 1000), app("c", "u", SpanKind::Client, 100, 900)];
    spans[0].trace_id = "unknown".to_owned();
    assert_eq!(tree(&rows, &spans, &original()).len(), 2, "the unknown id hides the rest");
    let found = complete(&rows, &spans, &default_mode());
    assert_eq!(found.completed.spans.len(), 6);
    assert_eq!(found.rounds[0].question, "trace_id", "no lookup of a first row");
}

#[test]
fn d11_pieces_of_a_broken_path_are_put_together() {
    let mut rows = call(1, 1, 2, "c", 110, 890).to_vec();
    // The server's clock is a second ahead, far beyond the tolerance.
    for row in &mut rows[2..] {
        row.start_time += 700_000;
        row.end_time += 700_000;
    }
    let spans = [app("c", "", SpanKind::Client, 100, 900)];
    check(&tree(&rows, &spans, &original()), "#1 c, #3 c");
    check(&tree(&rows, &spans, &default_mode()), "#1 c, #2 #1, #3 #2, #4 #3");
}

#[test]
fn d12_request_spans_are_on_no_host_that_could_be_corrected() {
    // The client's host is 300 ms ahead of the caller's times.
    let mut rows = call(1, 1, 2, "c", 110, 890).to_vec();
    for row in &mut rows {
        row.start_time += 300_000;
        row.end_time += 300_000;
    }
    let spans = [app("c", "", SpanKind::Client, 100, 900)];
    let corrected = |tracing: &Tracing| answer_of(&rows, &spans, tracing).data.unwrap().host_clock_correction;
    assert!(!corrected(&original()).is_empty(), "measured against agent 0");
    assert!(corrected(&default_mode()).is_empty(), "nothing to measure by");
}

#[test]
fn d12_request_spans_are_shown_by_the_clock_of_their_process() {
    // The server's host is a millisecond behind.
    let (mut rows, mut spans) = one_call();
    for row in &mut rows[2..] {
        row.start_time -= 1_000;
        row.end_time -= 1_000;
    }
    spans[1].start_time_us -= 1_000;
    spans[1].end_time_us -= 1_000;
    let data = answer_of(&rows, &spans, &default_mode()).data.unwrap();
    assert_eq!(data.host_clock_correction, BTreeMap::from([("2".to_owned(), 999)]));
    let server = data.tracing.iter().find(|span| span.span_id == "s").unwrap();
    assert_eq!(server.render_start_time_us, server.start_time_us + 999);
}

#[test]
fn d13_a_gateway_that_outlasts_its_caller_is_found() {
    let gateway = syscalls(call(1, 1, 2, "", 0, 9_000_000), [0, 0], [1, 2]);
    let inner = syscalls(call(11, 2, 3, "q", 310, 590), [1, 2], [0, 0]);
    let rows = [gateway, inner].concat();
    let spans = [app("s", "q", SpanKind::Server, 320, 580)];
    assert!(!tree(&rows, &spans, &original()).contains_key("#4"));
    check(&tree(&rows, &spans, &default_mode()), "#1 -, #4 #3, #11 #4, s #14");
    let off = Tracing { late_span_margin_s: 0, ..default_mode() };
    assert!(!tree(&rows, &spans, &off).contains_key("#4"), "only within the margin");
}

#[test]
fn d14_captures_stand_in_path_order() {
    // Only responses were seen, and all at one time except for what the way between the points took.
    let points = ["c-p", "c", "c-nd", "s-nd", "s"];
    let rows: Vec<StoredRow> = points
        .iter()
        .zip(1u64..)
        .map(|(point, n)| StoredRow {
            r#type: 1,
            resp_tcp_seq: 9,
            trace_id: "t".to_owned(),
            span_id: "c".to_owned(),
            response_duration: 0,
            ..row(n, point, 1, 500 - n as i64, 500 - n as i64)
        })
        .collect();
    let spans = [app("c", "", SpanKind::Client, 100, 900)];
    check(&tree(&rows, &spans, &default_mode()), "#1 c, #2 #1, #3 #2, #4 #3, #5 #4");
}

/// A flow log whose rows are gone by the time they are fetched.
struct Forgetful(MemoryStore);

impl FlowStore for Forgetful {
    async fn search(
        &self,
        context: &ReadContext,
        question: &Question,
        texts: &mut Texts,
    ) -> Result<Page<KeyRow>, StoreError> {
        self.0.search(context, question, texts).await
    }

    async fn fetch(&self, _: &ReadContext, _: &[RowId], _: &mut Texts) -> Result<Page<FlowRow>, StoreError> {
        Ok(Page::default())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[tokio::test]
async fn b16_rows_that_are_gone_leave_the_callers_spans() {
    let (rows, app_spans) = one_call();
    let tracing = default_mode();
    let request = CompletionRequest {
        max_iteration: 30,
        network_delay_us: 50_000,
        host_clock_offset_us: 10_000,
        explain: false,
        app_spans,
    };
    let context = ReadContext::new("test", 1000);
    let store = Forgetful(MemoryStore::new(rows));
    let answer =
        answer::response(&completion::complete(&store, &tracing, &request, &context).await.unwrap(), "");
    assert_eq!(answer.opt_status, "PARTIAL_RESULT");
    assert_eq!(answer.description, "4 of 4 rows were gone when fetched");
    assert_eq!(answer.data.unwrap().tracing.len(), 2);
}
