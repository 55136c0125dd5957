//! What goes in comes out.

use std::net::{Ipv4Addr, Ipv6Addr};

use trace_completion::{
    flow::{RowId, Texts},
    flow_log::StoredRow,
    search::{AssociationKeys, Question, Window},
    store::{FlowStore, Page},
};

use crate::fixture::{Fixture, SECOND, WINDOW, by_trace_id, context, counters, entry, row, text};

/// A row in which every column has a value of its own.
fn full_row(is_ipv4: u8) -> StoredRow {
    StoredRow {
        agent_id: 101,
        observation_point: "s-p".into(),
        signal_source: 3,
        capture_network_type_id: 3,
        capture_network_type: "cloud".into(),
        capture_nic: "aa:bb:00:02:01:01".into(),
        capture_nic_type: 7,
        is_ipv4,
        ip4_0: Some(Ipv4Addr::new(10, 1, 2, 3)),
        ip4_1: Some(Ipv4Addr::new(10, 1, 2, 4)),
        ip6_0: Some(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1)),
        ip6_1: Some(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2)),
        protocol: 6,
        client_port: 40_001,
        server_port: 65_535,
        flow_id: u64::MAX - 1,
        req_tcp_seq: u32::MAX,
        resp_tcp_seq: 4_000_000_002,
        gprocess_id_0: 700_001,
        gprocess_id_1: 700_002,
        gprocess_0: "shop".into(),
        gprocess_1: "cart".into(),
        process_id_0: -1,
        process_id_1: i32::MAX,
        process_kname_0: "java".into(),
        process_kname_1: "nginx".into(),
        syscall_trace_id_request: u64::MAX,
        syscall_trace_id_response: 1 << 63,
        syscall_cap_seq_0: 11,
        syscall_cap_seq_1: 12,
        subnet_id_0: 21,
        subnet_id_1: 22,
        subnet_0: "net-21".into(),
        subnet_1: "net-22".into(),
        auto_instance_id_0: 31,
        auto_instance_id_1: 32,
        auto_instance_type_0: 10,
        auto_instance_type_1: 1,
        auto_instance_0: "shop-0".into(),
        auto_instance_1: "host-1".into(),
        auto_service_id_0: 41,
        auto_service_id_1: u32::MAX,
        auto_service_type_0: 102,
        auto_service_type_1: 130,
        auto_service_0: "shop".into(),
        auto_service_1: "cart".into(),
        l7_protocol: 21,
        biz_protocol: "HTTP2_TLS".into(),
        version: "2".into(),
        r#type: 2,
        is_tls: 1,
        is_async: 1,
        is_reversed: 1,
        request_type: "POST".into(),
        request_domain: "shop.example".into(),
        request_resource: "/buy?item=1&x='".into(),
        endpoint: "/buy".into(),
        request_id: Some(u64::MAX),
        response_status: 3,
        response_code: Some(-500),
        response_exception: "boom".into(),
        response_result: "none".into(),
        biz_response_code: "E42".into(),
        http_proxy_client: "192.0.2.1".into(),
        x_request_id_0: "xr-0".into(),
        x_request_id_1: "xr-1".into(),
        trace_id: "trace-1".into(),
        _trace_id_2: "trace-2".into(),
        span_id: "span-1".into(),
        parent_span_id: "span-0".into(),
        span_kind: Some(2),
        app_service: "svc".into(),
        app_instance: "svc-7".into(),
        response_duration: 500,
        ..row(u64::from(is_ipv4))
    }
}

#[tokio::test]
async fn every_column_makes_the_round_trip() {
    let mut bare = full_row(1);
    bare._id += 5;
    (bare.auto_instance_type_0, bare.auto_service_type_1) = (0, 255);
    bare.resolve_bare_addresses();
    let rows = [full_row(0), full_row(1), bare, row(9)].map(|mut row| {
        row.resolve_bare_addresses();
        row
    });
    let (fixture, memory) = Fixture::with_rows(&rows).await;
    let mut texts = Texts::new();
    let ids: Vec<RowId> = rows.iter().map(|row| RowId(row._id)).collect();

    let found = fixture.store.fetch(&context(1), &ids, &mut texts).await.unwrap();
    let want = memory.fetch(&context(1), &ids, &mut texts).await.unwrap();
    assert_eq!(found.rows.len(), 4);
    assert_eq!(found.rows, want.rows);
    assert!(!found.truncated);
    assert!(found.read_rows >= 4, "{}", found.read_rows);

    let question = by_trace_id(["trace-2"]);
    let found = fixture.store.search(&context(10), &question, &mut texts).await.unwrap();
    let want = memory.search(&context(10), &question, &mut texts).await.unwrap();
    assert_eq!(found.rows.len(), 3);
    assert_eq!(found.rows, want.rows);

    let first = &found.rows[0];
    assert_eq!(text(&texts, first.trace_id), "trace-1, trace-2");
}

#[tokio::test]
async fn a_column_of_more_than_an_i64_saturates() {
    let mut rows = [row(1)];
    rows[0].response_duration = u64::MAX;
    let (fixture, _) = Fixture::with_rows(&rows).await;
    let page = fixture.store.fetch(&context(1), &[RowId(rows[0]._id)], &mut Texts::new()).await.unwrap();
    assert_eq!(page.rows[0].duration_us, i64::MAX);
}

#[tokio::test]
async fn an_unknown_protocol_shows_its_number() {
    let rows = [StoredRow { l7_protocol: 99, ..row(1) }, StoredRow { l7_protocol: 41, ..row(2) }];
    let (fixture, _) = Fixture::with_rows(&rows).await;
    let mut texts = Texts::new();
    let ids = rows.each_ref().map(|row| RowId(row._id));
    let page = fixture.store.fetch(&context(1), &ids, &mut texts).await.unwrap();
    let names: Vec<_> = page.rows.iter().map(|row| text(&texts, row.l7_protocol_enum)).collect();
    assert_eq!(names, ["99", "gRPC"]);
}

#[tokio::test]
async fn texts_are_compared_as_they_are() {
    let nasty = [
        "plain",
        "it's",
        "\"double\"",
        "back\\slash",
        "back\\\\slashes\\",
        "question?mark??",
        "tab\tnew\nline\r",
        "nul\0inside",
        "\\N",
        "\\0",
        "{x:String}",
        "ünïcödé-日本-🦀",
        "a, b",
        "' OR 1=1 --",
        "percent%_",
        "`tick`",
        " spaces ",
    ];
    let rows: Vec<StoredRow> = (1..)
        .zip(nasty)
        .map(|(counter, trace_id)| StoredRow {
            trace_id: trace_id.into(),
            x_request_id_1: trace_id.into(),
            ..row(counter)
        })
        .collect();
    let (fixture, memory) = Fixture::with_rows(&rows).await;
    let mut texts = Texts::new();
    for (counter, trace_id) in (1..).zip(nasty) {
        let keys = AssociationKeys { x_request_ids: vec![trace_id.into()], ..AssociationKeys::default() };
        let questions =
            [entry(trace_id), by_trace_id([trace_id]), Question::ByAssociation { keys, window: WINDOW }];
        for question in questions {
            let page = fixture.store.search(&context(100), &question, &mut texts).await.unwrap();
            assert_eq!(counters(&page.rows), [counter], "{question:?}");
            assert_eq!(text(&texts, page.rows[0].trace_id), trace_id);
        }
    }
    let question = by_trace_id(nasty);
    let page = fixture.store.search(&context(100), &question, &mut texts).await.unwrap();
    assert_eq!(page.rows, memory.search(&context(100), &question, &mut texts).await.unwrap().rows);
}

#[tokio::test]
async fn a_payload_that_is_not_utf8_is_mended() {
    let fixture = Fixture::new().await;
    fixture
        .run(&format!(
            "INSERT INTO `$flow_log`.l7_flow_log_local (_id, time, trace_id, request_resource)
             VALUES ({}, {SECOND}, 't', unhex('2Fff62'))",
            row(1)._id
        ))
        .await;
    let mut texts = Texts::new();
    let page = fixture.store.fetch(&context(1), &[RowId(row(1)._id)], &mut texts).await.unwrap();
    assert_eq!(text(&texts, page.rows[0].request_resource), "/\u{fffd}b");
}

#[tokio::test]
async fn a_trace_id_matches_whole_in_either_column() {
    let pair = |counter, first: &str, second: &str| StoredRow {
        trace_id: first.into(),
        _trace_id_2: second.into(),
        ..row(counter)
    };
    let rows = [pair(1, "a", "b"), pair(2, "b", ""), pair(3, "", "a"), pair(4, "a, b", ""), pair(5, "", "")];
    let (fixture, _) = Fixture::with_rows(&rows).await;
    let cases: [(&[&str], &[u64]); 6] = [
        (&["a"], &[1, 3]),
        (&["b"], &[1, 2]),
        (&["a", "b"], &[1, 2, 3]),
        (&["a, b"], &[4]),
        (&[""], &[]),
        (&["", "a"], &[1, 3]),
    ];
    for (trace_ids, want) in cases {
        let page =
            fixture.store.search(&context(10), &by_trace_id(trace_ids), &mut Texts::new()).await.unwrap();
        assert_eq!(counters(&page.rows), want, "{trace_ids:?}");
    }
    for (trace_id, want) in [("a", Some(1)), ("b", Some(1)), ("a, b", Some(4)), ("", None), ("c", None)] {
        let page = fixture.store.search(&context(10), &entry(trace_id), &mut Texts::new()).await.unwrap();
        assert_eq!(counters(&page.rows).first().copied(), want, "{trace_id}");
        assert!(page.rows.len() <= 1 && !page.truncated);
    }
}

#[tokio::test]
async fn keys_find_rows_by_the_columns_they_are_for() {
    let rows = [
        StoredRow { req_tcp_seq: 7, ..row(1) },
        StoredRow { resp_tcp_seq: 7, ..row(2) },
        StoredRow { syscall_trace_id_request: 7, ..row(3) },
        StoredRow { syscall_trace_id_response: 7, ..row(4) },
        StoredRow { x_request_id_0: "7".into(), ..row(5) },
        StoredRow { x_request_id_1: "7".into(), ..row(6) },
        StoredRow { l7_protocol: 120, request_id: Some(7), ..row(7) },
        StoredRow { l7_protocol: 20, request_id: Some(7), ..row(8) },
        StoredRow { l7_protocol: 120, ..row(9) },
        StoredRow { r#type: 1, flow_id: 7, ..row(10) },
        StoredRow { r#type: 2, flow_id: 7, ..row(11) },
    ];
    let (fixture, memory) = Fixture::with_rows(&rows).await;
    let none = AssociationKeys::default;
    let cases: [(AssociationKeys, &[u64]); 7] = [
        (AssociationKeys { req_tcp_seqs: vec![7], ..none() }, &[1]),
        (AssociationKeys { resp_tcp_seqs: vec![7, 8], ..none() }, &[2]),
        (AssociationKeys { syscall_trace_ids: vec![7], ..none() }, &[3, 4]),
        (AssociationKeys { x_request_ids: vec!["7".into()], ..none() }, &[5, 6]),
        (AssociationKeys { dns_request_ids: vec![7], ..none() }, &[7]),
        (AssociationKeys { response_flow_ids: vec![7], ..none() }, &[10]),
        (none(), &[]),
    ];
    for (keys, want) in cases {
        let question = Question::ByAssociation { keys, window: WINDOW };
        let page = fixture.store.search(&context(10), &question, &mut Texts::new()).await.unwrap();
        assert_eq!(counters(&page.rows), want, "{question:?}");
    }
    let keys = AssociationKeys {
        req_tcp_seqs: vec![7],
        resp_tcp_seqs: vec![7],
        syscall_trace_ids: vec![7],
        x_request_ids: vec!["7".into()],
        dns_request_ids: vec![7],
        response_flow_ids: vec![7],
    };
    let question = Question::ByAssociation { keys, window: WINDOW };
    let mut texts = Texts::new();
    let page = fixture.store.search(&context(20), &question, &mut texts).await.unwrap();
    assert_eq!(counters(&page.rows), [1, 2, 3, 4, 5, 6, 7, 10]);
    assert_eq!(page.rows, memory.search(&context(20), &question, &mut texts).await.unwrap().rows);
}

#[tokio::test]
async fn windows_hold_both_their_ends() {
    let at = |second: u32| StoredRow {
        _id: u64::from(second) << 32,
        time: second,
        trace_id: "t".into(),
        ..StoredRow::default()
    };
    let rows = [0, 1, SECOND, SECOND + 1, u32::MAX].map(at);
    let (fixture, memory) = Fixture::with_rows(&rows).await;
    let cases = [
        (i64::MIN, i64::MAX, 5),
        (0, 0, 1),
        (-5, 1, 2),
        (-5, -1, 0),
        (SECOND.into(), SECOND.into(), 1),
        (i64::from(SECOND) + 1, i64::from(u32::MAX) - 1, 1),
        (i64::from(u32::MAX), i64::from(u32::MAX) + 9, 1),
        (i64::from(u32::MAX) + 1, i64::MAX, 0),
        (9, 8, 0),
    ];
    let mut texts = Texts::new();
    for (from_s, to_s, count) in cases {
        let question = Question::ByTraceId { trace_ids: vec!["t".into()], window: Window { from_s, to_s } };
        let page = fixture.store.search(&context(20), &question, &mut texts).await.unwrap();
        assert_eq!(page.rows.len(), count, "{from_s}..={to_s}");
        assert_eq!(page.rows, memory.search(&context(20), &question, &mut texts).await.unwrap().rows);
    }
}

#[tokio::test]
async fn a_row_that_is_there_twice_is_one_row() {
    let twice = |observation_point: &str| StoredRow {
        trace_id: "t".into(),
        observation_point: observation_point.into(),
        ..row(1)
    };
    let rows = [twice("s"), twice("c"), StoredRow { trace_id: "t".into(), ..row(2) }];
    let (fixture, memory) = Fixture::with_rows(&rows).await;
    let mut texts = Texts::new();
    let page = fixture.store.search(&context(10), &by_trace_id(["t"]), &mut texts).await.unwrap();
    assert_eq!(counters(&page.rows), [1, 2]);
    assert_eq!(text(&texts, page.rows[0].tap_side), "c");
    assert_eq!(page.rows, memory.search(&context(10), &by_trace_id(["t"]), &mut texts).await.unwrap().rows);

    let ids = [RowId(row(2)._id), RowId(row(1)._id), RowId(row(2)._id), RowId(row(3)._id)];
    let page = fixture.store.fetch(&context(10), &ids, &mut texts).await.unwrap();
    assert_eq!(page.rows.len(), 2);
    assert_eq!(page.rows, memory.fetch(&context(10), &ids, &mut texts).await.unwrap().rows);
}

#[tokio::test]
async fn no_ids_ask_nothing() {
    let fixture = Fixture::bare();
    let page = fixture.store.fetch(&context(10), &[], &mut Texts::new()).await.unwrap();
    assert_eq!(page, Page::default());
}
