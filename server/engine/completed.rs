//! What the engine makes: the completed trace, before an API turns it into its answer.

use bitflags::bitflags;
use smallvec::SmallVec;

use crate::flow::{AgentId, FlowRow, RowId, Text};

/// A completed trace. Strings are in the `Texts` that the rows came with.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Completed {
    /// All trees depth first, roots and siblings by start time.
    pub spans: Vec<CompletedSpan>,
    /// Agents whose clock was corrected, ascending, with the correction in µs, never 0.
    pub host_clock_correction: Vec<(AgentId, i64)>,
    /// Spans that have more related spans than are listed (`max_related_ids`).
    pub cut_spans: usize,
    /// Why the trace looks as it does, if the request asks for it.
    pub explanation: Option<Explanation>,
}

/// A span of the completed trace.
#[derive(Clone, PartialEq, Debug)]
pub struct CompletedSpan {
    /// Values of the row, after merging.
    pub row: FlowRow,
    /// Rows merged into this span, in merging order; at least one.
    pub ids: SmallVec<[RowId; 2]>,
    /// Id in the tree, unique in the answer (R-ID-2).
    pub deepflow_span_id: String,
    /// Position of the parent in [`Completed::spans`], always before this one.
    pub parent: Option<u32>,
    /// Related spans of the answer (R-OUT-1).
    pub related: Vec<Related>,
    /// What the span's process is known as.
    pub resource: Resource,
    /// `auto_instance_id` of the span's side.
    pub auto_instance_id: u32,
    /// `auto_instance_type` of the span's side.
    pub auto_instance_type: u8,
    /// Clock correction of the span's host, in µs (R-CLK-9).
    pub clock_correction_us: i64,
}

impl CompletedSpan {
    /// Name: an application span's own, else the request resource (api section 4).
    pub fn name(&self) -> Text {
        match self.row.key.signal_source {
            crate::flow::SignalSource::OTEL => self.row.name.or(self.row.endpoint),
            _ => self.row.request_resource,
        }
    }
}

/// Why a trace looks as it does (api section 6).
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Explanation {
    /// Why each span stands where it stands, as in [`Completed::spans`].
    pub spans: Vec<SpanReason>,
    /// Trees that do not belong to the request, by start.
    pub pruned: Vec<PrunedTree>,
    /// What set each of [`Completed::host_clock_correction`].
    pub clocks: Vec<ClockReason>,
}

/// Why a span has its parent, or none.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct SpanReason {
    /// The rule that chose the parent; empty for a root.
    pub rule: &'static str,
    /// Whether it rests on an id that names one call, thread or parent; `None` for a root.
    pub strong: Option<bool>,
    /// What child and parent have in common, as `name=value`.
    pub matched: Vec<String>,
    /// For a root, parents that were considered: their ids, and the condition that each failed.
    pub refused: Vec<(String, String)>,
}

/// A tree that was assembled, but does not belong to the request.
#[derive(Clone, PartialEq, Debug)]
pub struct PrunedTree {
    /// First row of its root.
    pub root: RowId,
    /// Number of its spans.
    pub spans: usize,
    /// Start of its first span, in µs since the epoch.
    pub start_us: i64,
    /// End of its last span, in µs since the epoch.
    pub end_us: i64,
}

/// What set the clock correction of a host.
#[derive(Clone, PartialEq, Debug)]
pub struct ClockReason {
    /// The host's agent.
    pub agent: AgentId,
    /// Its correction, in µs.
    pub correction_us: i64,
    /// Ids of the parent and the child whose times set it, where they are in the answer.
    pub set_by: Option<(String, String)>,
}

/// A relation to another span of the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Related {
    /// Flow index of the other span.
    pub index: u32,
    /// How they are related.
    pub relation: Relation,
    /// First row of the other span.
    pub id: RowId,
}

/// The resource of a span's side, as its span set remembers it (R-SVC-1, R-SVC-2, R-NET-4).
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Resource {
    /// System spans only.
    pub process_id: i32,
    /// System spans only.
    pub process_kname: Text,
    /// System spans only.
    pub gprocess: Text,
    /// System spans only.
    pub subnet: Text,
    /// System spans only.
    pub ip: Text,
    /// Name of the service.
    pub auto_service: Text,
    /// Id of the service.
    pub auto_service_id: u32,
    /// Type of the service.
    pub auto_service_type: u8,
}

bitflags! {
    /// How two flows are related (algorithm 3).
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Relation: u8 {
        /// Same TCP sequence number (R-REL-4, R-REL-5).
        const TCP_SEQ = 1;
        /// Same X-Request-ID, request of one and response of the other (R-REL-7).
        const X_REQUEST_ID = 2;
        /// Same syscall trace id (R-REL-8).
        const SYSCALL = 4;
        /// Same span, or parent and child by span id (R-REL-6).
        const SPAN_ID = 8;
        /// Same DNS transaction (R-REL-9).
        const DNS = 16;
    }
}

impl Relation {
    /// The names in `related_ids`, comma-joined (R-REL-11).
    pub fn names(self) -> String {
        const NAMES: [(Relation, &str); 5] = [
            (Relation::TCP_SEQ, "network"),
            (Relation::X_REQUEST_ID, "xrequestid"),
            (Relation::SYSCALL, "syscall"),
            (Relation::SPAN_ID, "app"),
            (Relation::DNS, "request_id"),
        ];
        let names: Vec<&str> =
            NAMES.iter().filter(|(bit, _)| self.contains(*bit)).map(|(_, name)| *name).collect();
        names.join(",")
    }
}
