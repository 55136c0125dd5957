//! The completed trace as the documented answer (api section 4).

use super::{
    explanation,
    proto::{CompleteTraceResponse, CompletedTrace, Span},
};
use crate::{
    completion::Completion,
    engine::{CompletedSpan, Related},
    flow::{AgentId, RowId, SignalSource, Text, Texts},
};

/// Nothing is missing as far as the server knows.
pub const SUCCESS: &str = "SUCCESS";
/// Something is missing; the description says what.
pub const PARTIAL_RESULT: &str = "PARTIAL_RESULT";

/// Row ids of request spans are made up and lie below this. Row ids of the flow log begin with a time and lie above.
const FIRST_STORED_ID: RowId = RowId(1 << 48);

/// The documented answer. `region` is the configured name of the flow log's region.
pub fn response(completion: &Completion, region: &str) -> CompleteTraceResponse {
    let mut response = without_spans(completion);
    if let Some(data) = &mut response.data {
        data.tracing = (0..completion.completed.spans.len()).map(|i| span(completion, i, region)).collect();
    }
    response
}

/// The documented answer, all but its spans.
pub fn without_spans(completion: &Completion) -> CompleteTraceResponse {
    let Completion { completed, shortfalls, notes, .. } = completion;
    let host_clock_correction =
        completed.host_clock_correction.iter().map(|(agent, us)| (agent.to_string(), *us)).collect();
    CompleteTraceResponse {
        opt_status: opt_status(completion).to_owned(),
        description: [shortfalls.as_slice(), notes.as_slice()].concat().join("; "),
        data: Some(CompletedTrace {
            tracing: Vec::new(),
            host_clock_correction,
            explanation: explanation::explanation(completion),
        }),
    }
}

/// `OPT_STATUS` of the answer.
pub fn opt_status(completion: &Completion) -> &'static str {
    if completion.shortfalls.is_empty() { SUCCESS } else { PARTIAL_RESULT }
}

/// One span of the answer, by its index.
pub fn span(completion: &Completion, index: usize, region: &str) -> Span {
    let Completion { completed, texts, .. } = completion;
    let spans = &completed.spans;
    dressed(&spans[index], spans, texts, region)
}

fn dressed(span: &CompletedSpan, spans: &[CompletedSpan], texts: &Texts, region: &str) -> Span {
    let CompletedSpan { row, ids, deepflow_span_id, parent, related, resource, .. } = span;
    let key = &row.key;
    let text = |text: Text| texts.get(text).to_owned();
    let parent = parent.and_then(|parent| spans.get(parent as usize));
    Span {
        start_time_us: key.start_us,
        end_time_us: key.end_us,
        duration: row.duration_us,
        name: text(span.name()),
        signal_source: i32::from(key.signal_source.0),
        tap_side: text(key.tap_side),
        trace_id: text(key.trace_id),
        span_id: text(key.span_id),
        parent_span_id: text(key.parent_span_id),
        deepflow_span_id: deepflow_span_id.clone(),
        deepflow_parent_span_id: parent.map(|parent| parent.deepflow_span_id.clone()).unwrap_or_default(),
        ids: ids.iter().map(ToString::to_string).collect(),
        related_ids: related.iter().map(related_id).collect(),
        flow_id: key.flow_id.to_string(),
        l7_protocol: i32::from(key.l7_protocol.0),
        l7_protocol_str: text(row.l7_protocol_str),
        l7_protocol_enum: text(row.l7_protocol_enum),
        request_type: text(row.request_type),
        request_resource: text(row.request_resource),
        endpoint: text(row.endpoint),
        request_id: key.request_id.map(|id| id.to_string()).unwrap_or_default(),
        response_status: i32::from(row.response_status),
        response_code: row.response_code,
        response_exception: text(row.response_exception),
        biz_response_code: text(row.biz_response_code),
        r#type: i32::from(key.kind.0),
        process_id: resource.process_id,
        process_kname: text(resource.process_kname),
        gprocess: text(resource.gprocess),
        app_service: text(row.app_service),
        app_instance: text(row.app_instance),
        vtap_id: i32::from(key.agent.0),
        req_tcp_seq: i64::from(key.req_tcp_seq.0),
        resp_tcp_seq: i64::from(key.resp_tcp_seq.0),
        x_request_id: text(key.x_request_id_0.or(key.x_request_id_1)),
        x_request_id_0: text(key.x_request_id_0),
        x_request_id_1: text(key.x_request_id_1),
        syscall_trace_id_request: key.syscall_request.to_string(),
        syscall_trace_id_response: key.syscall_response.to_string(),
        syscall_cap_seq_0: i64::from(key.syscall_cap_seq[0]),
        syscall_cap_seq_1: i64::from(key.syscall_cap_seq[1]),
        subnet: text(resource.subnet),
        ip: text(resource.ip),
        auto_service: text(resource.auto_service),
        auto_service_id: i64::from(resource.auto_service_id),
        auto_service_type: i32::from(resource.auto_service_type),
        auto_instance_id: i64::from(span.auto_instance_id),
        auto_instance_type: i32::from(span.auto_instance_type),
        tap: text(row.tap),
        tap_id: i32::from(row.tap_id),
        is_tls: i32::from(row.is_tls),
        is_async: i32::from(row.is_async),
        attribute: None,
        querier_region: if of_request(span) { String::new() } else { region.to_owned() },
        render_start_time_us: key.start_us.saturating_add(span.clock_correction_us),
        render_end_time_us: key.end_us.saturating_add(span.clock_correction_us),
    }
}

/// Whether the span is the caller's own, and in no row of the flow log.
fn of_request(span: &CompletedSpan) -> bool {
    let key = &span.row.key;
    key.signal_source == SignalSource::OTEL
        && key.agent == AgentId(0)
        && span.ids.iter().all(|id| *id < FIRST_STORED_ID)
}

fn related_id(Related { index, relation, id }: &Related) -> String {
    format!("{index}-{}-{id}", relation.names())
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
