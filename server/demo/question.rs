//! The question of the demo in the forms of the two doors.

use serde::Serialize;

use crate::{
    contract::proto::{self, CompleteTraceRequest},
    flow::{AppSpan, SpanKind},
};

/// The question as a message of the gRPC door.
pub fn message(app_spans: &[AppSpan]) -> CompleteTraceRequest {
    CompleteTraceRequest {
        app_spans: app_spans.iter().map(message_span).collect(),
        ..CompleteTraceRequest::default()
    }
}

fn message_span(span: &AppSpan) -> proto::AppSpan {
    let AppSpan {
        trace_id,
        span_id,
        parent_span_id,
        span_kind,
        start_time_us,
        end_time_us,
        name,
        app_service,
        app_instance,
    } = span;
    proto::AppSpan {
        trace_id: trace_id.clone(),
        span_id: span_id.clone(),
        parent_span_id: parent_span_id.clone(),
        span_kind: number(*span_kind),
        start_time_us: *start_time_us,
        end_time_us: *end_time_us,
        name: name.clone(),
        app_service: app_service.clone(),
        app_instance: app_instance.clone(),
    }
}

/// The question as the body of the REST door.
pub fn body(app_spans: &[AppSpan]) -> Body<'_> {
    Body { app_spans: app_spans.iter().map(body_span).collect() }
}

/// A question in JSON, its keys in the order of the documentation.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Body<'a> {
    app_spans: Vec<BodySpan<'a>>,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
struct BodySpan<'a> {
    trace_id: &'a str,
    span_id: &'a str,
    parent_span_id: &'a str,
    span_kind: i32,
    start_time_us: i64,
    end_time_us: i64,
    name: &'a str,
    app_service: &'a str,
    app_instance: &'a str,
}

fn body_span(span: &AppSpan) -> BodySpan<'_> {
    let AppSpan {
        trace_id,
        span_id,
        parent_span_id,
        span_kind,
        start_time_us,
        end_time_us,
        name,
        app_service,
        app_instance,
    } = span;
    BodySpan {
        trace_id,
        span_id,
        parent_span_id,
        span_kind: number(*span_kind),
        start_time_us: *start_time_us,
        end_time_us: *end_time_us,
        name,
        app_service,
        app_instance,
    }
}

fn number(kind: SpanKind) -> i32 {
    SpanKind::ALL.iter().zip(0..).find(|((known, _), _)| *known == kind).map_or(0, |(_, number)| number)
}
