//! Every documented field, from a completed trace made by hand.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use smallvec::smallvec;

use super::*;
use crate::{
    engine::{Completed, Relation, Resource},
    flow::{FlowRow, KeyRow, L7Protocol, LogType, Side, SyscallTraceId, TcpSeq},
};

const STORED: RowId = RowId(7_589_207_212_032_000_001);

/// A request span, and below it a system span with a value in every field.
fn completion() -> Completion {
    let mut texts = Texts::new();
    let mut t = |text: &str| texts.intern(text);
    let app = CompletedSpan {
        row: FlowRow {
            key: KeyRow {
                id: RowId(100_000_000_000_000),
                signal_source: SignalSource::OTEL,
                tap_side: t("c-app"),
                start_us: 10,
                end_us: 30,
                trace_id: t("t1"),
                span_id: t("a1"),
                ..KeyRow::default()
            },
            name: t("GET /x"),
            duration_us: 20,
            app_service: t("shop"),
            app_instance: t("shop-0"),
            ..FlowRow::default()
        },
        ids: smallvec![RowId(100_000_000_000_000)],
        deepflow_span_id: "root".into(),
        parent: None,
        related: vec![],
        resource: Resource::default(),
        auto_instance_id: 0,
        auto_instance_type: 0,
        clock_correction_us: 0,
    };
    let system = CompletedSpan {
        row: FlowRow {
            key: KeyRow {
                id: STORED,
                kind: LogType::SESSION,
                signal_source: SignalSource::EBPF,
                l7_protocol: L7Protocol(20),
                tap_side: t("c-p"),
                agent: AgentId(9),
                start_us: 12,
                end_us: 28,
                req_tcp_seq: TcpSeq(u32::MAX),
                resp_tcp_seq: TcpSeq(6),
                syscall_request: SyscallTraceId(u64::MAX),
                syscall_response: SyscallTraceId(8),
                trace_id: t("t1"),
                span_id: t("a2"),
                parent_span_id: t("a1"),
                x_request_id_1: t("xr"),
                request_id: Some(77),
                flow_id: 5,
                syscall_cap_seq: [3, 4],
                ..KeyRow::default()
            },
            l7_protocol_str: t("HTTP"),
            l7_protocol_enum: t("HTTP"),
            is_tls: 1,
            tap_id: 3,
            tap: t("cloud"),
            response_status: 3,
            duration_us: 16,
            biz_response_code: t("B1"),
            response_code: Some(500),
            response_exception: t("boom"),
            request_type: t("GET"),
            request_resource: t("/x \"é\""),
            endpoint: t("/x"),
            sides: [Side::default(); 2],
            ..FlowRow::default()
        },
        ids: smallvec![STORED, RowId(STORED.0 + 1)],
        deepflow_span_id: "child".into(),
        parent: Some(0),
        related: vec![Related {
            index: 2,
            relation: Relation::TCP_SEQ | Relation::SPAN_ID,
            id: RowId(7_225_065_397_752_915_115),
        }],
        resource: Resource {
            process_id: 1234,
            process_kname: t("nginx"),
            gprocess: t("g"),
            subnet: t("net"),
            ip: t("10.0.0.1"),
            auto_service: t("svc"),
            auto_service_id: 11,
            auto_service_type: 10,
        },
        auto_instance_id: 12,
        auto_instance_type: 10,
        clock_correction_us: -2,
    };
    Completion {
        completed: Completed {
            spans: vec![app, system],
            host_clock_correction: vec![(AgentId(9), -2)],
            cut_spans: 0,
            explanation: None,
        },
        texts,
        shortfalls: Vec::new(),
        notes: Vec::new(),
        rounds: Vec::new(),
        queries: 0,
        read_rows: 0,
    }
}

#[test]
fn every_field() {
    let answer = serde_json::to_value(response(&completion(), "r1")).unwrap();
    // As text: the macro is not made for so many keys.
    let expected = r#"{
        "start_time_us": 12, "end_time_us": 28, "duration": 16, "name": "/x \"é\"", "signal_source": 3,
        "tap_side": "c-p", "trace_id": "t1", "span_id": "a2", "parent_span_id": "a1",
        "deepflow_span_id": "child", "deepflow_parent_span_id": "root",
        "_ids": ["7589207212032000001", "7589207212032000002"],
        "related_ids": ["2-network,app-7225065397752915115"], "flow_id": "5", "l7_protocol": 20,
        "l7_protocol_str": "HTTP", "Enum(l7_protocol)": "HTTP", "request_type": "GET",
        "request_resource": "/x \"é\"", "endpoint": "/x", "request_id": "77", "response_status": 3,
        "response_code": 500, "response_exception": "boom", "biz_response_code": "B1", "type": 2,
        "process_id": 1234, "process_kname": "nginx", "gprocess": "g", "app_service": "", "app_instance": "",
        "vtap_id": 9, "req_tcp_seq": 4294967295, "resp_tcp_seq": 6, "x_request_id": "xr",
        "x_request_id_0": "", "x_request_id_1": "xr", "syscall_trace_id_request": "18446744073709551615",
        "syscall_trace_id_response": "8", "syscall_cap_seq_0": 3, "syscall_cap_seq_1": 4, "subnet": "net",
        "ip": "10.0.0.1", "auto_service": "svc", "auto_service_id": 11, "auto_service_type": 10,
        "auto_instance_id": 12, "auto_instance_type": 10, "tap": "cloud", "tap_id": 3, "is_tls": 1,
        "is_async": 0, "attribute": null, "_querier_region": "r1", "render_start_time_us": 10,
        "render_end_time_us": 26
    }"#;
    let expected: Value = serde_json::from_str(expected).unwrap();
    assert_eq!(answer["DATA"]["tracing"][1], expected);
    assert_eq!(answer["OPT_STATUS"], "SUCCESS");
    assert_eq!(answer["DESCRIPTION"], "");
    assert_eq!(answer["DATA"]["host_clock_correction"], json!({"9": -2}));
}

#[test]
fn request_spans_have_all_keys_and_no_region() {
    let answer = serde_json::to_value(response(&completion(), "r1")).unwrap();
    let keys = |span: &Value| span.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let spans = &answer["DATA"]["tracing"];
    assert_eq!(keys(&spans[0]), keys(&spans[1]));
    assert_eq!(spans[0]["name"], "GET /x");
    assert_eq!(spans[0]["_querier_region"], "");
    assert_eq!(spans[0]["request_id"], "");
    assert_eq!(spans[0]["response_code"], Value::Null);
    assert_eq!(spans[0]["deepflow_parent_span_id"], "");
    assert_eq!(spans[0]["syscall_trace_id_request"], "0");
    assert_eq!(spans[0]["app_service"], "shop");
}

#[test]
fn a_span_merged_with_a_row_has_the_region() {
    let mut completion = completion();
    completion.completed.spans[0].ids = smallvec![RowId(100_000_000_000_000), STORED];
    assert_eq!(response(&completion, "r1").data.unwrap().tracing[0].querier_region, "r1");
}

#[test]
fn shortfalls_make_a_partial_result() {
    let completion = Completion { shortfalls: vec!["a".into(), "b".into()], ..completion() };
    let answer = response(&completion, "");
    assert_eq!((answer.opt_status.as_str(), answer.description.as_str()), ("PARTIAL_RESULT", "a; b"));
}
