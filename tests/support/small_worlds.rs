//! Worlds of a few rows, and the trees that they make.

use std::collections::BTreeMap;

use trace_completion::{
    completion::{self, Completion},
    config::{AppSpanDuplicates, Compatibility, Tracing},
    contract::{answer, proto::CompleteTraceResponse},
    flow::{AppSpan, CompletionRequest, SpanKind},
    flow_log::{MemoryStore, StoredRow},
    store::ReadContext,
};

pub const SECOND: i64 = 1_767_000_000;
pub const BASE_US: i64 = SECOND * 1_000_000;

/// A captured row that ends in the first seconds of the world. `n` names it in [`Tree`].
pub fn row(n: u64, point: &str, agent: u16, start_us: i64, end_us: i64) -> StoredRow {
    let (start_time, end_time) = (BASE_US + start_us, BASE_US + end_us);
    let time = (end_time / 1_000_000) as u32;
    let process = if point.ends_with("-p") { 1000 + i32::from(agent) } else { 0 };
    StoredRow {
        _id: u64::from(time) << 32 | n,
        time,
        agent_id: agent,
        observation_point: point.to_owned(),
        signal_source: if point.ends_with("-p") { 3 } else { 0 },
        protocol: 6,
        l7_protocol: 20,
        r#type: 2,
        start_time,
        end_time,
        response_duration: (end_us - start_us) as u64,
        process_id_0: if point == "c-p" { process } else { 0 },
        process_id_1: if point == "s-p" { process } else { 0 },
        ..StoredRow::default()
    }
}

/// The captures of one call from the process on agent `from` to that on agent `to`: `c-p`, `c`, `s`, `s-p`,
/// named `n` to `n + 3`. Sequence numbers are made of `n`.
pub fn call(n: u64, from: u16, to: u16, span_id: &str, start_us: i64, end_us: i64) -> [StoredRow; 4] {
    [("c-p", from), ("c", from), ("s", to), ("s-p", to)].map(|(point, agent)| {
        let at = match point {
            "c-p" => 0,
            "c" => 1,
            "s" => 2,
            _ => 3,
        };
        StoredRow {
            req_tcp_seq: n as u32 * 10 + 1,
            resp_tcp_seq: n as u32 * 10 + 2,
            span_id: span_id.to_owned(),
            trace_id: if span_id.is_empty() { String::new() } else { "t".to_owned() },
            auto_instance_type_0: 10,
            auto_instance_id_0: u32::from(from),
            auto_instance_type_1: 10,
            auto_instance_id_1: u32::from(to),
            ..row(n + at, point, agent, start_us + at as i64, end_us - at as i64)
        }
    })
}

pub fn syscalls(mut rows: [StoredRow; 4], client: [u64; 2], server: [u64; 2]) -> [StoredRow; 4] {
    [rows[0].syscall_trace_id_request, rows[0].syscall_trace_id_response] = client;
    [rows[3].syscall_trace_id_request, rows[3].syscall_trace_id_response] = server;
    rows
}

pub fn app(span_id: &str, parent: &str, span_kind: SpanKind, start_us: i64, end_us: i64) -> AppSpan {
    AppSpan {
        trace_id: "t".to_owned(),
        span_id: span_id.to_owned(),
        parent_span_id: parent.to_owned(),
        span_kind,
        start_time_us: BASE_US + start_us,
        end_time_us: BASE_US + end_us,
        ..AppSpan::default()
    }
}

pub fn default_mode() -> Tracing {
    Tracing { network_delay_us: 50_000, ..Tracing::default() }
}

pub fn original() -> Tracing {
    Tracing {
        compatibility: Compatibility::Original,
        app_span_duplicates: AppSpanDuplicates::Keep,
        ..default_mode()
    }
}

pub fn complete(rows: &[StoredRow], app_spans: &[AppSpan], tracing: &Tracing) -> Completion {
    let request = CompletionRequest {
        max_iteration: tracing.max_iteration,
        network_delay_us: tracing.network_delay_us,
        host_clock_offset_us: tracing.host_clock_offset_us,
        explain: false,
        app_spans: app_spans.to_vec(),
    };
    let context = ReadContext::new("test", tracing.l7_tracing_limit);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime
        .block_on(completion::complete(&MemoryStore::new(rows.to_vec()), tracing, &request, &context))
        .unwrap()
}

pub fn answer_of(rows: &[StoredRow], app_spans: &[AppSpan], tracing: &Tracing) -> CompleteTraceResponse {
    answer::response(&complete(rows, app_spans, tracing), "")
}

/// Parent by span. A stored row is `#<n>` (merged ones joined with `+`), a request span its span id; a root
/// has the parent `-`.
pub type Tree = BTreeMap<String, String>;

pub fn tree(rows: &[StoredRow], app_spans: &[AppSpan], tracing: &Tracing) -> Tree {
    let answer = answer_of(rows, app_spans, tracing);
    let spans = answer.data.unwrap().tracing;
    let name = |span: &trace_completion::contract::proto::Span| {
        let ids: Vec<u64> = span.ids.iter().map(|id| id.parse().unwrap()).collect();
        match ids[0] >> 32 {
            second if second >= SECOND as u64 => {
                ids.iter().map(|id| format!("#{}", id & 0xffff_ffff)).collect::<Vec<_>>().join("+")
            }
            _ => span.span_id.clone(),
        }
    };
    let names: BTreeMap<&str, String> =
        spans.iter().map(|s| (s.deepflow_span_id.as_str(), name(s))).collect();
    spans
        .iter()
        .map(|span| {
            let parent = names.get(span.deepflow_parent_span_id.as_str()).cloned();
            (name(span), parent.unwrap_or_else(|| "-".to_owned()))
        })
        .collect()
}

/// Demands some links of a tree, as `child parent`.
pub fn check(tree: &Tree, links: &str) {
    for link in links.split(',').map(str::trim) {
        let (child, parent) = link.split_once(' ').unwrap();
        assert_eq!(tree.get(child).map(String::as_str), Some(parent), "parent of {child} in {tree:#?}");
    }
}
