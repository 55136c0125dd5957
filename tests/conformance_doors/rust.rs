//! The generated Rust client.

use serde::Deserialize;
use serde_json::Value;
use tonic::{Status, transport::Channel};
use tonic_types::StatusExt;
use trace_completion::contract::proto::{
    AppSpan, CompleteTraceRequest, CompleteTraceResponse, PACKAGE,
    trace_completion_service_client::TraceCompletionServiceClient,
};

use super::case::{Case, Expected, ExpectedError, Given, Violation, check_message, code_name};

pub(crate) fn ask(case: &Case, address: &str) -> Result<(), String> {
    let given = match answer(&case.request, address)? {
        // All fields of all messages, under their documented names.
        Ok(answer) => Given::Answer(serde_json::to_value(answer).map_err(|e| e.to_string())?),
        Err(status) => Given::Error(error(&status, &case.expected)?),
    };
    case.compare(given)
}

/// What the server answers over gRPC.
pub(crate) fn answer(
    request: &Value,
    address: &str,
) -> Result<Result<CompleteTraceResponse, Status>, String> {
    let request = message(request)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let channel = Channel::from_shared(format!("http://{address}")).unwrap();
        let channel = channel.connect().await.map_err(|e| format!("{address}: {e}"))?;
        let answer = TraceCompletionServiceClient::new(channel).complete_trace(request).await;
        Ok(answer.map(tonic::Response::into_inner))
    })
}

/// The request as a message. The reader of the library is not used, because it would refuse what the server has
/// to refuse.
fn message(request: &Value) -> Result<CompleteTraceRequest, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Request {
        max_iteration: Option<i32>,
        network_delay_us: Option<i64>,
        host_clock_offset_us: Option<i64>,
        #[serde(default)]
        explain: bool,
        app_spans: Vec<Span>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Span {
        trace_id: String,
        span_id: String,
        parent_span_id: String,
        span_kind: i32,
        start_time_us: i64,
        end_time_us: i64,
        #[serde(default)]
        name: String,
        #[serde(default)]
        app_service: String,
        #[serde(default)]
        app_instance: String,
    }

    let Request { max_iteration, network_delay_us, host_clock_offset_us, explain, app_spans } =
        Request::deserialize(request).map_err(|e| format!("the request fits no message: {e}"))?;
    let span = |span: Span| AppSpan {
        trace_id: span.trace_id,
        span_id: span.span_id,
        parent_span_id: span.parent_span_id,
        span_kind: span.span_kind,
        start_time_us: span.start_time_us,
        end_time_us: span.end_time_us,
        name: span.name,
        app_service: span.app_service,
        app_instance: span.app_instance,
    };
    let app_spans = app_spans.into_iter().map(span).collect();
    Ok(CompleteTraceRequest { max_iteration, network_delay_us, app_spans, host_clock_offset_us, explain })
}

fn error(status: &Status, expected: &Expected) -> Result<ExpectedError, String> {
    let info = status.get_details_error_info().ok_or_else(|| format!("no reason: {status:?}"))?;
    if info.domain != PACKAGE {
        return Err(format!("the domain is {:?}", info.domain));
    }
    let violations =
        status.get_details_bad_request().map(|faults| faults.field_violations).unwrap_or_default();
    let violations: Vec<Violation> = violations
        .into_iter()
        .map(|violation| Violation { field: violation.field, description: violation.description })
        .collect();
    check_message(status.message(), &violations)?;
    // gRPC has neither an HTTP status nor an OPT_STATUS, so there is nothing to compare.
    let (http, opt_status) = match expected {
        Expected::Error(expected) => (expected.http, expected.opt_status.clone()),
        Expected::Answer(_) => (0, String::new()),
    };
    Ok(ExpectedError { code: code_name(status.code()), reason: info.reason, http, opt_status, violations })
}
