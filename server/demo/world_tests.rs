//! The rows look like what agents capture.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::flow::ObservationPoint;

fn trace() -> Vec<StoredRow> {
    let World { rows, of_the_trace, .. } = World::new();
    rows.into_iter().filter(|row| of_the_trace.contains(&row._id)).collect()
}

/// The rows of each exchange, by its resource, in the order of its path.
fn exchanges() -> BTreeMap<(String, String), Vec<StoredRow>> {
    let mut exchanges: BTreeMap<_, Vec<StoredRow>> = BTreeMap::new();
    for row in trace() {
        exchanges.entry((row.auto_service_0.clone(), row.auto_service_1.clone())).or_default().push(row);
    }
    for rows in exchanges.values_mut() {
        rows.sort_by_key(|row| ObservationPoint::parse(&row.observation_point).rank());
    }
    exchanges
}

#[test]
fn it_is_the_same_each_time() {
    assert_eq!(World::new().rows, World::new().rows);
    assert_eq!(World::new().app_spans, World::new().app_spans);
}

#[test]
fn ids_are_unique_and_hold_the_second() {
    let rows = World::new().rows;
    let ids: BTreeSet<u64> = rows.iter().map(|row| row._id).collect();
    assert_eq!(ids.len(), rows.len());
    for row in &rows {
        assert_eq!(row._id >> 32, u64::from(row.time));
        assert_eq!(i64::from(row.time), row.end_time / 1_000_000);
        assert_eq!(row.response_duration, row.end_time.abs_diff(row.start_time));
    }
}

#[test]
fn every_exchange_is_seen_where_agents_are() {
    let points: Vec<(String, String)> = exchanges()
        .into_iter()
        .map(|((from, to), rows)| {
            let points: Vec<String> =
                rows.iter().map(|row| format!("{}@{}", row.observation_point, row.agent_id)).collect();
            (format!("{from}>{to}"), points.join(" "))
        })
        .collect();
    let expected = [
        (">ingress", "s@1 s-p@1"),
        ("ingress>service-a", "c-p@1 c@1 c-nd@1 s-nd@2 s@2 s-p@2"),
        ("service-a>service-b", "c-p@2 c@2 c-nd@2 s-nd@3 s@3 s-p@3"),
        ("service-b>coredns", "c-p@3 c@3 c-nd@3 s-nd@1 s@1 s-p@1"),
        ("service-b>mysql", "c-p@3 c@3 c-nd@3"),
        ("service-b>redis", "c-p@3 c@3 s@3 s-p@3"),
        ("service-b>service-c", "c-p@3 c@3 c-nd@3 s-nd@4 s@4 s-p@4"),
    ];
    assert_eq!(points, expected.map(|(exchange, points)| (exchange.to_owned(), points.to_owned())));
}

#[test]
fn a_path_shares_its_sequence_numbers_and_nests_in_time() {
    for rows in exchanges().values() {
        for pair in rows.windows(2) {
            let [near, far] = pair else { continue };
            let key = |row: &StoredRow| {
                (row.req_tcp_seq, row.resp_tcp_seq, row.request_id, row.trace_id.clone(), row.span_id.clone())
            };
            assert_eq!(key(near), key(far));
            assert!(near.start_time < far.start_time && far.end_time < near.end_time);
            assert_ne!(near.flow_id, far.flow_id);
        }
        let key = &rows[0];
        assert_eq!(key.protocol == 17, key.req_tcp_seq == 0, "only UDP has no sequence numbers");
    }
}

#[test]
fn threads_chain_their_reads_and_writes() {
    let exchanges = exchanges();
    let ids = |from: &str, to: &str, point: &str| {
        let rows = &exchanges[&(from.to_owned(), to.to_owned())];
        let row = rows.iter().find(|row| row.observation_point == point).unwrap();
        (row.syscall_trace_id_request, row.syscall_trace_id_response)
    };
    // The ingress and service-a read a request, make one call, and answer with what that brought.
    assert_eq!(ids("", "ingress", "s-p"), ids("ingress", "service-a", "c-p"));
    assert_eq!(ids("ingress", "service-a", "s-p"), ids("service-a", "service-b", "c-p"));
    // service-b makes four calls in a row.
    let serving = ids("service-a", "service-b", "s-p");
    let calls = ["coredns", "mysql", "redis", "service-c"].map(|to| ids("service-b", to, "c-p"));
    assert_eq!(serving.0, calls[0].0);
    for pair in calls.windows(2) {
        assert_eq!(pair[0].1, pair[1].0);
    }
    assert_eq!(serving.1, calls[3].1);
    // Who calls nobody writes what it read.
    let leaf = ids("service-b", "service-c", "s-p");
    assert_eq!(leaf.0, leaf.1);
    // Packets know of no thread, and eBPF of the process at hand only.
    for row in trace() {
        let process = row.signal_source == 3;
        assert_eq!(row.syscall_trace_id_request != 0, process);
        assert_eq!(row.process_id_0 != 0, row.observation_point == "c-p");
        assert_eq!(row.process_id_1 != 0, row.observation_point == "s-p");
        assert_eq!(row.syscall_cap_seq_1, if process { row.syscall_cap_seq_0 + 1 } else { 0 });
    }
}

#[test]
fn the_apm_sees_two_services_around_the_call_between_them() {
    let World { app_spans, rows, .. } = World::new();
    let services: Vec<&str> = app_spans.iter().map(|span| span.app_service.as_str()).collect();
    assert_eq!(services, ["service-a", "service-a", "service-a", "service-b", "service-b"]);
    for pair in app_spans.windows(2) {
        assert_eq!(pair[1].parent_span_id, pair[0].span_id);
        assert!(pair[0].start_time_us < pair[1].start_time_us && pair[1].end_time_us < pair[0].end_time_us);
    }
    let called: BTreeSet<&str> = rows
        .iter()
        .filter(|row| row.trace_id == app_spans[0].trace_id)
        .map(|row| row.span_id.as_str())
        .collect();
    assert_eq!(called, BTreeSet::from([app_spans[2].span_id.as_str(), app_spans[4].span_id.as_str()]));
}
