//! Recorded cases: files under `tests/`, and how they become questions.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;
use serde_json::{Value, json};
use trace_completion::{
    config::{AppSpanDuplicates, Compatibility, Tracing},
    flow::{AppSpan, CompletionRequest, SpanKind},
    flow_log::StoredRow,
};

/// All case files below a folder of `tests/`, by path.
pub fn files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder)];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.to_string_lossy().ends_with(".json.gz") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A case file, as JSON.
pub fn read(path: &Path) -> Value {
    let mut text = String::new();
    GzDecoder::new(File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The rows of a case.
pub fn rows(case: &Value) -> Vec<StoredRow> {
    serde_json::from_value(case["rows"].clone()).unwrap()
}

/// The original's configuration of a case, as ours.
pub fn tracing(case: &Value) -> Tracing {
    let config = &case["config"];
    let flag = |name: &str| config[name].as_bool().unwrap_or(false);
    let number = |name: &str, default: i64| config[name].as_i64().unwrap_or(default);
    let defaults = Tracing::default();
    let list = |name: &str| config.get(name).cloned().unwrap_or_else(|| json!([]));
    Tracing {
        l7_tracing_limit: number("l7_tracing_limit", 1000) as u32,
        max_iteration: 30,
        network_delay_us: number("network_delay_us", 50_000),
        host_clock_offset_us: number("host_clock_offset_us", 10_000),
        allow_multiple_trace_ids_in_tracing_result: flag("allow_multiple_trace_ids_in_tracing_result"),
        tracing_source: serde_json::from_value(list("tracing_source")).unwrap(),
        span_set_connection_strategies: serde_json::from_value(list("span_set_connection_strategies"))
            .unwrap(),
        iteration_expand_time_range: number("iteration_expand_time_range", 0) as u32,
        app_span_duplicates: AppSpanDuplicates::Keep,
        compatibility: Compatibility::Original,
        ..defaults
    }
}

/// The question of a case.
pub fn request(case: &Value, tracing: &Tracing) -> CompletionRequest {
    let request = &case["request"];
    let spans = request["APP_SPANS"].as_array().unwrap().iter().map(|span| {
        let text = |name: &str| span[name].as_str().unwrap_or("").to_owned();
        AppSpan {
            trace_id: text("trace_id"),
            span_id: text("span_id"),
            parent_span_id: text("parent_span_id"),
            span_kind: SpanKind::from_number(span["span_kind"].as_i64().unwrap()).unwrap(),
            start_time_us: span["start_time_us"].as_i64().unwrap(),
            end_time_us: span["end_time_us"].as_i64().unwrap(),
            name: text("name"),
            app_service: text("app_service"),
            app_instance: text("app_instance"),
        }
    });
    CompletionRequest {
        app_spans: spans.collect(),
        max_iteration: request["MAX_ITERATION"].as_u64().map_or(tracing.max_iteration, |n| n as u32),
        network_delay_us: request["NETWORK_DELAY_US"].as_i64().unwrap_or(tracing.network_delay_us),
        host_clock_offset_us: tracing.host_clock_offset_us,
        explain: false,
    }
}
