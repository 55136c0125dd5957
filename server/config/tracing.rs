//! The `[tracing]` table: the settings of the original service under their own names (algorithm 0.4).

use serde::{Deserialize, Serialize};

use super::check::{Range, Ranges, range};
use crate::flow::{AppSpan, CompletionRequest};

/// Largest time tolerance of the configuration and of a request, in µs, about 126 years. A larger one would
/// change no answer, and with this one no sum of times and tolerances overflows.
pub const MAX_TOLERANCE_US: i64 = 4_000_000_000_000_000;

/// How a trace is searched and assembled.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tracing {
    /// Most rows of one search query. At least 1.
    pub l7_tracing_limit: u32,
    /// Search rounds of a request that does not set `max_iteration`. At least 1.
    pub max_iteration: u32,
    /// Time tolerance when network spans are matched, in µs, if the request does not set it. At least 1.
    pub network_delay_us: i64,
    /// Largest clock offset between hosts, in µs, if the request does not set it. At least 1.
    pub host_clock_offset_us: i64,
    /// Whether the search follows rows with other trace ids than the request's (R-SEARCH-5, R-SEARCH-11).
    pub allow_multiple_trace_ids_in_tracing_result: bool,
    /// Keys that the search follows. Empty means trace_id, syscall, tcp_seq, x_request_id; dns is opt-in.
    pub tracing_source: Vec<TracingSource>,
    /// Optional connection scenarios 7 and 8 (R-CONN).
    pub span_set_connection_strategies: Vec<ConnectionStrategy>,
    /// Seconds by which the lookup by trace id looks further than the request's own time (R-SEARCH-3).
    pub iteration_expand_time_range: u32,
    /// Whether answers are those of the original service, or differ where `docs/differences.md` says so.
    pub compatibility: Compatibility,
    /// Most rows of one completion: the search ends when it has found as many. At least 1.
    pub max_rows: u32,
    /// Most `related_ids` of one span; further ones are cut, and the answer says so. 0 for none.
    pub max_related_ids: u32,
    /// How many seconds after the request's own spans a row may end that shares a key with a row of the
    /// trace: a gateway may end later than its caller. Costs one more query. 0 turns it off; not used in
    /// compatibility mode.
    pub late_span_margin_s: u32,
    /// What happens to a request span that is also in the flow log (same trace id and span id).
    pub app_span_duplicates: AppSpanDuplicates,
}

impl Default for Tracing {
    fn default() -> Self {
        Tracing {
            l7_tracing_limit: 1000,
            max_iteration: 30,
            network_delay_us: 3_000_000,
            host_clock_offset_us: 10_000,
            allow_multiple_trace_ids_in_tracing_result: false,
            tracing_source: Vec::new(),
            span_set_connection_strategies: Vec::new(),
            iteration_expand_time_range: 0,
            compatibility: Compatibility::Off,
            max_rows: 100_000,
            max_related_ids: 128,
            late_span_margin_s: 30,
            app_span_duplicates: AppSpanDuplicates::Merge,
        }
    }
}

impl Tracing {
    /// Whether the search follows this kind of key.
    pub fn follows(&self, source: TracingSource) -> bool {
        if self.tracing_source.is_empty() {
            source != TracingSource::Dns
        } else {
            self.tracing_source.contains(&source)
        }
    }

    /// A question about these spans that leaves everything else to the configuration.
    pub fn request(&self, app_spans: Vec<AppSpan>) -> CompletionRequest {
        CompletionRequest {
            max_iteration: self.max_iteration,
            network_delay_us: self.network_delay_us,
            host_clock_offset_us: self.host_clock_offset_us,
            explain: false,
            app_spans,
        }
    }

    /// Whether an optional connection scenario is on.
    pub fn connects(&self, strategy: ConnectionStrategy) -> bool {
        self.span_set_connection_strategies.contains(&strategy)
    }
}

impl Ranges for Tracing {
    fn ranges(&self) -> Vec<Range> {
        vec![
            range("tracing.l7_tracing_limit", self.l7_tracing_limit, 1, 1_000_000),
            range("tracing.max_iteration", self.max_iteration, 1, 10_000),
            range("tracing.network_delay_us", self.network_delay_us, 1, MAX_TOLERANCE_US),
            range("tracing.host_clock_offset_us", self.host_clock_offset_us, 1, MAX_TOLERANCE_US),
            range("tracing.iteration_expand_time_range", self.iteration_expand_time_range, 0, 31_536_000),
            range("tracing.max_rows", self.max_rows, 1, 10_000_000),
            range("tracing.max_related_ids", self.max_related_ids, 0, 1_000_000),
            range("tracing.late_span_margin_s", self.late_span_margin_s, 0, 86_400),
        ]
    }
}

/// A kind of key that ties rows together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TracingSource {
    /// Trace ids.
    TraceId,
    /// Syscall trace ids.
    Syscall,
    /// TCP sequence numbers.
    TcpSeq,
    /// X-Request-IDs.
    XRequestId,
    /// Request ids of DNS.
    Dns,
}

/// An optional connection scenario.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionStrategy {
    /// Scenario 7: network span sets of one trace id, client to server.
    NetSpanCToSViaTraceId,
    /// Scenario 8: process span sets of one trace id, server to client.
    SysSpanSToCViaTraceId,
}

/// What happens to a request span that is also in the flow log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppSpanDuplicates {
    /// One span: the caller's times and kind, the row's other fields and its `_ids`.
    Merge,
    /// Two spans, as in the original service.
    Keep,
}

/// Whether answers are those of the original service.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compatibility {
    /// As the original service answers, rule by rule.
    Original,
    /// As this service answers by default: it differs where `docs/differences.md` says so.
    Off,
}
