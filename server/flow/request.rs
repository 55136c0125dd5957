//! The question: the application spans to complete and how far to look. The API builds it after validation,
//! and no later step validates it again.

/// A validated question (api section 3).
#[derive(Clone, PartialEq, Debug)]
pub struct CompletionRequest {
    /// Search rounds, at least 1.
    pub max_iteration: u32,
    /// Time tolerance of network-span matching, in µs, at least 1.
    pub network_delay_us: i64,
    /// Largest offset between two hosts' clocks, in µs, at least 1.
    pub host_clock_offset_us: i64,
    /// Whether the answer says why it looks as it does.
    pub explain: bool,
    /// The spans, at least one, in the caller's order.
    pub app_spans: Vec<AppSpan>,
}

/// A span of the caller.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct AppSpan {
    /// Trace id, may be empty.
    pub trace_id: String,
    /// Span id, may be empty.
    pub span_id: String,
    /// Parent's span id, empty for a root.
    pub parent_span_id: String,
    /// Kind.
    pub span_kind: SpanKind,
    /// Start, in µs since the epoch, at least 0.
    pub start_time_us: i64,
    /// End, in µs since the epoch.
    pub end_time_us: i64,
    /// Name.
    pub name: String,
    /// Service.
    pub app_service: String,
    /// Instance of the service.
    pub app_instance: String,
}

/// Kind of an application span, as in OpenTelemetry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SpanKind {
    /// 0.
    #[default]
    Unspecified,
    /// 1.
    Internal,
    /// 2.
    Server,
    /// 3.
    Client,
    /// 4.
    Producer,
    /// 5.
    Consumer,
}

impl SpanKind {
    /// All kinds, by number, with their OpenTelemetry names.
    pub const ALL: [(SpanKind, &'static str); 6] = [
        (SpanKind::Unspecified, "SPAN_KIND_UNSPECIFIED"),
        (SpanKind::Internal, "SPAN_KIND_INTERNAL"),
        (SpanKind::Server, "SPAN_KIND_SERVER"),
        (SpanKind::Client, "SPAN_KIND_CLIENT"),
        (SpanKind::Producer, "SPAN_KIND_PRODUCER"),
        (SpanKind::Consumer, "SPAN_KIND_CONSUMER"),
    ];

    /// The kind with this number, 0 to 5.
    pub fn from_number(number: i64) -> Option<SpanKind> {
        usize::try_from(number).ok().and_then(|i| Self::ALL.get(i)).map(|&(kind, _)| kind)
    }

    /// The kind with this OpenTelemetry name.
    pub fn from_name(name: &str) -> Option<SpanKind> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|&(kind, _)| kind)
    }

    /// Its observation point (algorithm 0.3).
    pub fn tap_side(self) -> &'static str {
        match self {
            SpanKind::Unspecified | SpanKind::Internal => "app",
            SpanKind::Server | SpanKind::Consumer => "s-app",
            SpanKind::Client | SpanKind::Producer => "c-app",
        }
    }
}
