//! How the default mode decides (`docs/differences.md`) if there is little evidence, or if it is contradictory
//! or late. Each test is a small world in which a simpler rule goes wrong.

#![allow(clippy::unwrap_used)]

mod support;

use support::small_worlds::{BASE_US, answer_of, app, call, check, default_mode, row, syscalls, tree};
use trace_completion::{
    completion,
    flow::{AppSpan, CompletionRequest, SpanKind},
    flow_log::{MemoryStore, StoredRow},
    store::ReadContext,
};

/// Whether each link is strong, by the span id of the child.
fn confidence(rows: &[StoredRow], spans: &[AppSpan]) -> Vec<(String, String)> {
    let tracing = default_mode();
    let request = CompletionRequest {
        max_iteration: tracing.max_iteration,
        network_delay_us: tracing.network_delay_us,
        host_clock_offset_us: tracing.host_clock_offset_us,
        explain: true,
        app_spans: spans.to_vec(),
    };
    let context = ReadContext::new("test", tracing.l7_tracing_limit);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let store = MemoryStore::new(rows.to_vec());
    let done = runtime.block_on(completion::complete(&store, &tracing, &request, &context)).unwrap();
    let reasons = done.completed.explanation.unwrap().spans;
    let spans = done.completed.spans.iter().zip(reasons);
    let of_request = spans.filter(|(span, _)| span.ids.iter().all(|id| id.0 >> 32 < 1_767_000_000));
    of_request
        .map(|(span, reason)| {
            let confidence = if reason.strong == Some(true) { "strong" } else { "weak" };
            (done.texts.get(span.row.key.span_id).to_owned(), confidence.to_owned())
        })
        .collect()
}

fn confidence_of(span_id: &str, rows: &[StoredRow], spans: &[AppSpan]) -> String {
    confidence(rows, spans).into_iter().find(|(id, _)| id == span_id).unwrap().1
}

#[test]
fn a_server_span_may_end_after_its_response() {
    // The tracer ends the span when all work is done, and the response was written before.
    let rows = call(1, 1, 2, "c", 110, 890);
    let client = app("c", "", SpanKind::Client, 100, 900);
    let server = app("s", "c", SpanKind::Server, 120, 890);
    check(&tree(&rows, &[client, server.clone()], &default_mode()), "#1 c, #4 #3, s #4");
    check(&tree(&rows, &[server], &default_mode()), "s #4");
    // But a server span does not begin before its request.
    let early = [app("c", "", SpanKind::Client, 100, 900), app("s", "c", SpanKind::Server, 105, 890)];
    check(&tree(&rows, &early, &default_mode()), "s c");

    let outer = syscalls(call(1, 1, 2, "", 100, 900), [0, 0], [1, 2]);
    let inner = syscalls(call(11, 2, 3, "q", 310, 590), [1, 2], [0, 0]);
    let rows = [outer, inner].concat();
    let spans = [app("e", "", SpanKind::Server, 200, 899), app("q", "e", SpanKind::Client, 300, 600)];
    check(&tree(&rows, &spans, &default_mode()), "e #4, q e, #11 q");
}

#[test]
fn what_a_host_sees_of_itself_is_between_client_and_server() {
    for between in ["local", "rest", "c"] {
        let capture =
            |n: u64, span_id: &str, start: i64, end: i64, processes: [i32; 2], ids: [[u64; 2]; 2]| {
                [("c-p", 0), (between, 1), ("s-p", 2)].map(|(point, at)| {
                    let side = match point {
                        "c-p" => Some(0),
                        "s-p" => Some(1),
                        _ => None,
                    };
                    let syscalls = side.map_or([0, 0], |side: usize| ids[side]);
                    StoredRow {
                        req_tcp_seq: n as u32 * 10 + 1,
                        resp_tcp_seq: n as u32 * 10 + 2,
                        span_id: span_id.to_owned(),
                        trace_id: if span_id.is_empty() { String::new() } else { "t".to_owned() },
                        process_id_0: if side == Some(0) { processes[0] } else { 0 },
                        process_id_1: if side == Some(1) { processes[1] } else { 0 },
                        syscall_trace_id_request: syscalls[0],
                        syscall_trace_id_response: syscalls[1],
                        ..row(n + at as u64, point, 1, start + at, end - at)
                    }
                })
            };
        let outer = capture(1, "c", 110, 890, [10, 20], [[0, 0], [7, 8]]);
        let inner = capture(11, "", 210, 290, [20, 30], [[7, 9], [0, 0]]);
        let rows = [outer, inner.map(|row| StoredRow { l7_protocol: 60, ..row })].concat();
        let spans = [app("c", "", SpanKind::Client, 100, 900), app("s", "c", SpanKind::Server, 120, 880)];
        check(&tree(&rows, &spans, &default_mode()), "#1 c, #2 #1, #3 #2, s #3, #11 s, #12 #11, #13 #12");
    }
}

#[test]
fn a_process_that_calls_itself_does_not_serve_its_own_call() {
    let rows = call(1, 1, 1, "c", 110, 890).map(|row| StoredRow {
        start_time: BASE_US + 110,
        end_time: BASE_US + 890,
        response_duration: 780,
        ..row
    });
    let spans = [app("c", "", SpanKind::Client, 100, 900), app("s", "c", SpanKind::Server, 120, 880)];
    check(&tree(&rows, &spans, &default_mode()), "c -, #1 c, #2 #1, #3 #2, #4 #3, s #4");
}

#[test]
fn a_span_of_any_kind_may_make_the_call_that_carries_its_id() {
    for kind in [SpanKind::Internal, SpanKind::Server] {
        let rows = call(1, 1, 2, "a", 110, 890);
        let spans = [app("a", "", kind, 100, 900), app("s", "a", SpanKind::Server, 120, 880)];
        check(&tree(&rows, &spans, &default_mode()), "#1 a, #4 #3, s #4");
    }
}

#[test]
fn parallel_calls_without_header_have_a_client_span_each() {
    let mut rows = syscalls(call(1, 1, 2, "c", 10, 990), [0, 0], [7, 8]).to_vec();
    for (n, start, end) in [(11, 150, 900), (21, 160, 850)] {
        let call = syscalls(call(n, 2, 3, "", start, end), [7, 8], [0, 0]);
        rows.extend(call.map(|row| StoredRow { l7_protocol: 60, ..row }));
    }
    let spans = [
        app("c", "", SpanKind::Client, 0, 1000),
        app("s", "c", SpanKind::Server, 20, 980),
        app("x", "s", SpanKind::Client, 100, 950),
        app("y", "s", SpanKind::Client, 120, 940),
    ];
    check(&tree(&rows, &spans, &default_mode()), "#11 y, #21 x");
    // No client span is left for a third call, so it shares one.
    let third = syscalls(call(31, 2, 3, "", 170, 800), [7, 8], [0, 0]);
    rows.extend(third.map(|row| StoredRow { l7_protocol: 60, ..row }));
    check(&tree(&rows, &spans, &default_mode()), "#11 y, #21 x, #31 y");
}

#[test]
fn requests_told_apart_by_time_alone_are_taken_once_and_weak() {
    let mut rows = Vec::new();
    for (n, start, end) in [(1, 100, 900), (11, 110, 890)] {
        rows.extend(call(n, 1, 2, "", start, end).map(|row| StoredRow { trace_id: "t".to_owned(), ..row }));
    }
    rows.extend(call(21, 2, 3, "p", 310, 400));
    rows.extend(call(31, 2, 3, "q", 320, 410));
    let spans = [
        app("a", "", SpanKind::Server, 200, 800),
        app("p", "a", SpanKind::Client, 300, 405),
        app("b", "", SpanKind::Server, 210, 790),
        app("q", "b", SpanKind::Client, 315, 415),
    ];
    check(&tree(&rows, &spans, &default_mode()), "a #4, b #14");
    for span in ["a", "b"] {
        assert_eq!(confidence_of(span, &rows, &spans), "weak");
    }
    assert_eq!(confidence_of("q", &rows, &spans), "strong");
}

#[test]
fn which_of_two_calls_with_one_id_reached_a_server_span_is_weak() {
    // One client span called two servers at once.
    let rows = [call(1, 1, 2, "c", 110, 890), call(11, 1, 3, "c", 115, 880)].concat();
    let client = app("c", "", SpanKind::Client, 100, 900);
    let spans = [
        client.clone(),
        app("s2", "c", SpanKind::Server, 130, 850),
        app("s3", "c", SpanKind::Server, 140, 840),
    ];
    check(&tree(&rows, &spans, &default_mode()), "s2 #4, s3 #14");
    assert_eq!(confidence_of("s2", &rows, &spans), "weak");
    let rows = call(1, 1, 2, "c", 110, 890);
    assert_eq!(confidence_of("s2", &rows, &[client, app("s2", "c", SpanKind::Server, 130, 850)]), "strong");
}

#[test]
fn a_known_process_is_not_served_by_another() {
    // The request of one process and the call of another have nothing but the host and the trace in common.
    let outer = call(1, 1, 2, "", 100, 900).map(|row| StoredRow { trace_id: "t".to_owned(), ..row });
    let inner = call(11, 2, 3, "", 200, 300).map(|row| StoredRow {
        trace_id: "t".to_owned(),
        process_id_0: if row.observation_point == "c-p" { 77 } else { 0 },
        ..row
    });
    let rows = [outer, inner].concat();
    let spans = [app("x", "", SpanKind::Client, 50, 950)];
    check(&tree(&rows, &spans, &default_mode()), "#11 -");
}

#[test]
fn client_and_server_may_share_a_span_id_and_each_is_merged_with_its_own_row() {
    let mut rows = call(1, 1, 2, "x", 110, 890).to_vec();
    let stored = |n, point, agent, start, end, trace_id: &str| StoredRow {
        signal_source: 4,
        trace_id: trace_id.to_owned(),
        span_id: "x".to_owned(),
        ..row(n, point, agent, start, end)
    };
    // The client's row has a second trace id.
    rows.push(StoredRow { _trace_id_2: "u".to_owned(), ..stored(8, "c-app", 1, 100, 900, "t") });
    rows.push(stored(9, "s-app", 2, 120, 880, "t"));
    let spans = [
        AppSpan { name: "server".to_owned(), ..app("x", "", SpanKind::Server, 120, 880) },
        AppSpan { name: "client".to_owned(), ..app("x", "", SpanKind::Client, 100, 900) },
    ];
    let answer = answer_of(&rows, &spans, &default_mode()).data.unwrap().tracing;
    let mut names: Vec<_> = answer
        .iter()
        .filter(|span| span.tap_side.ends_with("app"))
        .map(|span| (span.tap_side.as_str(), span.name.as_str(), span.ids.len()))
        .collect();
    names.sort_unstable();
    assert_eq!(names, [("c-app", "client", 1), ("s-app", "server", 1)]);
}

#[test]
fn the_half_of_a_dropped_request_is_dropped_too() {
    let half = |n, kind, flow_us| StoredRow {
        flow_id: 5,
        r#type: kind,
        response_duration: 0,
        ..row(n, "s-p", 1, flow_us, flow_us)
    };
    let of_trace =
        StoredRow { trace_id: "t".to_owned(), req_tcp_seq: 1, syscall_cap_seq_0: 3, ..half(1, 0, 10) };
    // A request on the same socket with the same sequence number comes two seconds later, far out of tolerance.
    let later = StoredRow { req_tcp_seq: 1, syscall_cap_seq_0: 20, ..half(2, 0, 2_000_000) };
    let response = StoredRow { resp_tcp_seq: 9, syscall_cap_seq_1: 21, ..half(3, 1, 2_000_050) };
    let spans = [app("x", "", SpanKind::Client, 0, 2_500_000)];
    let tree = tree(&[of_trace, later, response], &spans, &default_mode());
    assert_eq!(tree.keys().map(String::as_str).collect::<Vec<_>>(), ["#1", "x"]);
}

#[test]
fn packets_of_a_proxy_that_nobody_knows_are_joined_by_their_header() {
    let packet = |n, point, agent, start, end| StoredRow {
        trace_id: "t".to_owned(),
        ..row(n, point, agent, start, end)
    };
    let spans = [app("x", "", SpanKind::Client, 50, 950)];
    let tree_of = |a: StoredRow, b: StoredRow| tree(&[a, b], &spans, &default_mode());
    let (a, b) = (packet(1, "s", 2, 100, 900), packet(2, "c", 2, 200, 800));
    let with_x = |row: &StoredRow, ids: [&str; 2]| StoredRow {
        x_request_id_0: ids[0].to_owned(),
        x_request_id_1: ids[1].to_owned(),
        ..row.clone()
    };
    check(&tree_of(with_x(&a, ["", "X"]), with_x(&b, ["X", ""])), "#2 #1");
    let with_span = |row: &StoredRow| StoredRow { span_id: "y".to_owned(), ..row.clone() };
    let far = StoredRow { req_tcp_seq: 5, ..with_span(&b) };
    check(&tree_of(StoredRow { req_tcp_seq: 9, ..with_span(&a) }, far), "#2 #1");
    // If the second is known to be of another instance, it is a call of another proxy.
    let at = |row: &StoredRow, side: usize, id| {
        let mut row = with_x(row, ["X", "X"]);
        [
            (row.auto_instance_type_0, row.auto_instance_id_0),
            (row.auto_instance_type_1, row.auto_instance_id_1),
        ] = if side == 0 { [(10, id), (0, 0)] } else { [(0, 0), (10, id)] };
        row
    };
    check(&tree_of(at(&a, 1, 7), at(&b, 0, 7)), "#2 #1");
    check(&tree_of(at(&a, 1, 7), at(&b, 0, 8)), "#2 -");
}

#[test]
fn stored_spans_of_the_request_that_look_like_halves_of_one_stay_two() {
    let stored = |n, point, span_id: &str, kind, start, end| StoredRow {
        signal_source: 4,
        r#type: kind,
        trace_id: "t".to_owned(),
        span_id: span_id.to_owned(),
        ..row(n, point, 1, start, end)
    };
    let rows = [stored(1, "c-app", "c", 0, 5, 15), stored(2, "s-app", "b", 1, 25, 40)];
    let spans = [app("b", "", SpanKind::Server, 10, 45), app("c", "", SpanKind::Client, 10, 50)];
    check(&tree(&rows, &spans, &default_mode()), "#1 -, #2 -");
}
