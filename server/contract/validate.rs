//! What a request may say (api section 3): one set of rules for both doors. Every fault is reported,
//! each with its path and the limit it breaks; nothing is guessed or repaired.

use super::{
    proto,
    violations::{Violation, Violations},
};
use crate::{
    config::{Limits, MAX_TOLERANCE_US, Tracing},
    flow::{AppSpan, CompletionRequest, SpanKind},
};

/// Characters of a caller's text that a message quotes.
const MAX_QUOTE: usize = 40;

/// The values and limits that requests are measured against.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// Ranges.
    pub limits: &'a Limits,
    /// Values of what a request leaves out.
    pub tracing: &'a Tracing,
}

/// The fields outside the spans that a door has read. `None` is a field that is absent or that the door has refused.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Numbers {
    pub(super) max_iteration: Option<i64>,
    pub(super) network_delay_us: Option<i64>,
    pub(super) host_clock_offset_us: Option<i64>,
    pub(super) explain: bool,
}

/// The fields of a span that a door has read. `None` is a field that the door has already refused.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct SpanDraft {
    pub(super) trace_id: Option<String>,
    pub(super) span_id: Option<String>,
    pub(super) parent_span_id: Option<String>,
    pub(super) span_kind: Option<i64>,
    pub(super) start_time_us: Option<i64>,
    pub(super) end_time_us: Option<i64>,
    pub(super) name: Option<String>,
    pub(super) app_service: Option<String>,
    pub(super) app_instance: Option<String>,
}

/// Names of the fields outside the spans, as the caller spelt them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Spelling {
    pub(super) app_spans: &'static str,
    pub(super) max_iteration: &'static str,
    pub(super) network_delay_us: &'static str,
}

impl Default for Spelling {
    fn default() -> Self {
        Spelling {
            app_spans: "app_spans",
            max_iteration: "max_iteration",
            network_delay_us: "network_delay_us",
        }
    }
}

/// Gathers a request while a door reads it.
pub(super) struct Draft<'a> {
    rules: Rules<'a>,
    spans: Vec<AppSpan>,
    /// Faults so far; doors add those of form.
    pub(super) violations: Violations,
}

impl<'a> Draft<'a> {
    pub(super) fn new(rules: Rules<'a>) -> Self {
        Draft { rules, spans: Vec::new(), violations: Violations::default() }
    }

    /// Spans after this many need not be read: the request is refused anyway.
    pub(super) fn max_spans(&self) -> usize {
        self.rules.limits.max_app_spans as usize
    }

    /// Checks the span at `path` and keeps it if nothing is wrong so far.
    pub(super) fn span(&mut self, path: &str, draft: SpanDraft) {
        let max = self.rules.limits.max_string_bytes as usize;
        let violations = &mut self.violations;
        let mut text = |field: &str, value: Option<String>| match value {
            Some(value) if value.len() > max => {
                let message =
                    format!("{} bytes, at most {max} are allowed (limits.max_string_bytes)", value.len());
                violations.push(format!("{path}.{field}"), message);
                String::new()
            }
            value => value.unwrap_or_default(),
        };
        let mut span = AppSpan {
            trace_id: text("trace_id", draft.trace_id),
            span_id: text("span_id", draft.span_id),
            parent_span_id: text("parent_span_id", draft.parent_span_id),
            name: text("name", draft.name),
            app_service: text("app_service", draft.app_service),
            app_instance: text("app_instance", draft.app_instance),
            ..AppSpan::default()
        };
        if let Some(number) = draft.span_kind {
            match SpanKind::from_number(number) {
                Some(kind) => span.span_kind = kind,
                None => {
                    violations.push(format!("{path}.span_kind"), format!("{number} is no span kind: {KINDS}"))
                }
            }
        }
        for (field, value) in [("start_time_us", draft.start_time_us), ("end_time_us", draft.end_time_us)] {
            if let Some(value) = value.filter(|&value| value < 0) {
                violations.push(format!("{path}.{field}"), format!("{value} is less than 0"));
            }
        }
        if let (Some(start), Some(end)) = (draft.start_time_us, draft.end_time_us) {
            (span.start_time_us, span.end_time_us) = (start, end);
            if start >= 0 && end >= 0 && end < start {
                let message = format!("{end} is less than start_time_us, {start}");
                violations.push(format!("{path}.end_time_us"), message);
            }
        }
        if self.violations.is_empty() {
            self.spans.push(span);
        }
    }

    /// Checks the number of spans, where the field was there at all. A fault goes before those of the spans
    /// themselves, which begin at `at`: a door that reads as it goes knows the number last.
    pub(super) fn span_count(&mut self, path: &str, count: usize, at: usize) {
        let max = self.max_spans();
        let message = match count {
            0 => "at least 1 span is required".to_owned(),
            _ if count <= max => return,
            _ => format!("{count} spans, at most {max} are allowed (limits.max_app_spans)"),
        };
        self.violations.insert(at, Violation { path: path.to_owned(), message });
    }

    /// Checks the rest, and hands out what was read if nothing was wrong.
    pub(super) fn finish(mut self, numbers: Numbers, names: Spelling) -> Result<Checked, Violations> {
        let violations = &mut self.violations;
        for (path, value) in [
            (names.max_iteration, numbers.max_iteration),
            (names.network_delay_us, numbers.network_delay_us),
            ("host_clock_offset_us", numbers.host_clock_offset_us),
        ] {
            if let Some(value) = value.filter(|&value| value < 1) {
                violations.push(path, format!("{value} is less than 1"));
            }
        }
        let max = i64::from(self.rules.limits.max_iteration);
        if let Some(value) = numbers.max_iteration.filter(|&value| value > max) {
            violations
                .push(names.max_iteration, format!("{value} is more than {max} (limits.max_iteration)"));
        }
        if violations.is_empty() { Ok(Checked { numbers, spans: self.spans }) } else { Err(self.violations) }
    }
}

/// A request with nothing wrong in it. What it leaves out is not filled in yet.
pub(super) struct Checked {
    numbers: Numbers,
    spans: Vec<AppSpan>,
}

impl Checked {
    /// The question, with the configured values for what the request leaves out.
    pub(super) fn request(self, rules: Rules<'_>) -> CompletionRequest {
        let Checked { numbers, spans } = self;
        let Rules { limits, tracing } = rules;
        let iteration = numbers.max_iteration.and_then(|value| value.try_into().ok());
        CompletionRequest {
            // A default above the limit is the operator's doing, not the caller's fault: cap it.
            max_iteration: iteration.unwrap_or(tracing.max_iteration.min(limits.max_iteration)),
            network_delay_us: numbers
                .network_delay_us
                .unwrap_or(tracing.network_delay_us)
                .min(MAX_TOLERANCE_US),
            host_clock_offset_us: numbers
                .host_clock_offset_us
                .unwrap_or(tracing.host_clock_offset_us)
                .min(MAX_TOLERANCE_US),
            explain: numbers.explain,
            app_spans: spans,
        }
    }

    /// The message for a server, which fills in what is left out.
    pub(super) fn message(self) -> proto::CompleteTraceRequest {
        let span = |span: AppSpan| proto::AppSpan {
            trace_id: span.trace_id,
            span_id: span.span_id,
            parent_span_id: span.parent_span_id,
            span_kind: span.span_kind as i32,
            start_time_us: span.start_time_us,
            end_time_us: span.end_time_us,
            name: span.name,
            app_service: span.app_service,
            app_instance: span.app_instance,
        };
        proto::CompleteTraceRequest {
            max_iteration: self.numbers.max_iteration.map(|value| value.try_into().unwrap_or(i32::MAX)),
            network_delay_us: self.numbers.network_delay_us,
            host_clock_offset_us: self.numbers.host_clock_offset_us,
            explain: self.numbers.explain,
            app_spans: self.spans.into_iter().map(span).collect(),
        }
    }
}

/// The kinds, as messages list them.
pub(super) const KINDS: &str =
    "0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer, or a name like SPAN_KIND_SERVER";

/// Validates a request that came over gRPC. Protobuf cannot tell an absent field from an empty one, so
/// presence is not checked, except of the fields declared `optional`.
pub fn message(
    request: proto::CompleteTraceRequest,
    rules: Rules<'_>,
) -> Result<CompletionRequest, Violations> {
    let mut draft = Draft::new(rules);
    draft.span_count("app_spans", request.app_spans.len(), 0);
    let max_spans = draft.max_spans();
    for (i, span) in request.app_spans.into_iter().enumerate().take(max_spans) {
        let fields = SpanDraft {
            trace_id: Some(span.trace_id),
            span_id: Some(span.span_id),
            parent_span_id: Some(span.parent_span_id),
            span_kind: Some(i64::from(span.span_kind)),
            start_time_us: Some(span.start_time_us),
            end_time_us: Some(span.end_time_us),
            name: Some(span.name),
            app_service: Some(span.app_service),
            app_instance: Some(span.app_instance),
        };
        draft.span(&format!("app_spans[{i}]"), fields);
    }
    let numbers = Numbers {
        max_iteration: request.max_iteration.map(i64::from),
        network_delay_us: request.network_delay_us,
        host_clock_offset_us: request.host_clock_offset_us,
        explain: request.explain,
    };
    Ok(draft.finish(numbers, Spelling::default())?.request(rules))
}

/// A caller's text, quoted, escaped and cut so that a message can show it.
pub(super) fn quote(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTE) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::violations::MAX_VIOLATIONS;

    fn span() -> proto::AppSpan {
        proto::AppSpan {
            trace_id: "t".into(),
            span_kind: 2,
            start_time_us: 5,
            end_time_us: 9,
            ..Default::default()
        }
    }

    fn check(change: impl FnOnce(&mut proto::CompleteTraceRequest), expected: &[&str]) {
        let mut request = proto::CompleteTraceRequest { app_spans: vec![span()], ..Default::default() };
        change(&mut request);
        let limits = Limits { max_app_spans: 3, ..Limits::default() };
        let found = match message(request, Rules { limits: &limits, tracing: &Tracing::default() }) {
            Ok(_) => Vec::new(),
            Err(violations) => violations.list.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn ranges() {
        check(|_| {}, &[]);
        check(|r| r.app_spans[0].end_time_us = 5, &[]);
        check(|r| r.max_iteration = Some(100), &[]);
        check(|r| r.app_spans.clear(), &["app_spans: at least 1 span is required"]);
        check(
            |r| r.app_spans = vec![span(); 4],
            &["app_spans: 4 spans, at most 3 are allowed (limits.max_app_spans)"],
        );
        check(|r| r.max_iteration = Some(0), &["max_iteration: 0 is less than 1"]);
        check(
            |r| r.max_iteration = Some(101),
            &["max_iteration: 101 is more than 100 (limits.max_iteration)"],
        );
        check(|r| r.network_delay_us = Some(0), &["network_delay_us: 0 is less than 1"]);
        check(|r| r.host_clock_offset_us = Some(-1), &["host_clock_offset_us: -1 is less than 1"]);
        check(|r| r.network_delay_us = Some(i64::MAX), &[]);
        check(|r| r.app_spans[0].start_time_us = -1, &["app_spans[0].start_time_us: -1 is less than 0"]);
        check(
            |r| r.app_spans[0].end_time_us = 4,
            &["app_spans[0].end_time_us: 4 is less than start_time_us, 5"],
        );
        check(
            |r| r.app_spans[0].span_kind = 6,
            &[
                "app_spans[0].span_kind: 6 is no span kind: 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, \
               5 consumer, or a name like SPAN_KIND_SERVER",
            ],
        );
        check(
            |r| r.app_spans[0].name = "é".repeat(513),
            &["app_spans[0].name: 1026 bytes, at most 1024 are allowed (limits.max_string_bytes)"],
        );
    }

    #[test]
    fn all_faults_at_once() {
        check(
            |r| {
                r.app_spans.push(proto::AppSpan { start_time_us: -2, end_time_us: -3, ..span() });
                r.app_spans[0].end_time_us = 1;
                r.max_iteration = Some(-1);
            },
            &[
                "app_spans[0].end_time_us: 1 is less than start_time_us, 5",
                "app_spans[1].start_time_us: -2 is less than 0",
                "app_spans[1].end_time_us: -3 is less than 0",
                "max_iteration: -1 is less than 1",
            ],
        );
    }

    #[test]
    fn absent_fields_take_the_configured_values() {
        let request = proto::CompleteTraceRequest { app_spans: vec![span()], ..Default::default() };
        let tracing = Tracing { max_iteration: 500, host_clock_offset_us: 7, ..Tracing::default() };
        let request = message(request, Rules { limits: &Limits::default(), tracing: &tracing }).unwrap();
        assert_eq!(
            (request.max_iteration, request.network_delay_us, request.host_clock_offset_us),
            (100, 3_000_000, 7)
        );
    }

    #[test]
    fn many_faults_are_counted() {
        let mut violations = Violations::default();
        for i in 0..MAX_VIOLATIONS + 7 {
            violations.push("x", i.to_string());
        }
        assert_eq!(violations.list.len(), MAX_VIOLATIONS);
        assert!(violations.to_string().ends_with("x: 99; and 7 more"));
    }
}
