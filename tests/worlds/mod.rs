//! Worlds made from a seed: rows of a flow log, a request, and often the truth about them.
//!
//! | kind | file | what |
//! |---|---|---|
//! | [`Kind::Calls`] | [`landscape`], [`calls`], [`capture`] | a random call tree as agents would have recorded it; the true parents are known |
//! | [`Kind::Disturbed`] | [`disturb`] | the same, with lost rows, ties, reused keys and values swapped between rows |
//! | [`Kind::Soup`] | [`soup`] | a few rows whose every value comes from a tiny pool, so that all rules fire at once |
//! | [`Kind::Hostile`] | [`hostile`] | any value that fits a column, the worse the better |
//!
//! The same seed gives the same world on every machine.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)] // shared by test binaries

pub mod calls;
pub mod capture;
pub mod disturb;
pub mod hostile;
pub mod landscape;
pub mod random;
pub mod shrink;
pub mod soup;

use std::collections::BTreeSet;

use serde_json::Value;
use trace_completion::{
    config::{AppSpanDuplicates, Compatibility, ConnectionStrategy, Tracing, TracingSource},
    flow::{CompletionRequest, FlowRow, Texts},
    flow_log::StoredRow,
};

use self::random::Random;

/// How a world is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Calls,
    Disturbed,
    Soup,
    Hostile,
}

impl Kind {
    pub const ALL: [Kind; 4] = [Kind::Calls, Kind::Disturbed, Kind::Soup, Kind::Hostile];
}

/// A flow log and a question about it.
#[derive(Clone)]
pub struct World {
    pub rows: Vec<StoredRow>,
    pub request: CompletionRequest,
    /// Options that the question is to be answered with, in compatibility mode.
    pub tracing: Tracing,
    /// What really happened; empty where nobody knows.
    pub truth: Vec<TrueSpan>,
}

/// Names a row, or a span of the request by position.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Source {
    Row(u64),
    Request(usize),
}

/// What really was one span.
#[derive(Clone, PartialEq, Debug)]
pub struct TrueSpan {
    /// The rows that saw it, and the spans of the request that are it; at least one.
    pub sources: Vec<Source>,
    /// Position of its parent in [`World::truth`].
    pub parent: Option<usize>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.describe())
    }
}

impl World {
    /// The world of this kind and seed.
    pub fn new(kind: Kind, seed: u64) -> Self {
        let mut random = Random::new(seed ^ ((kind as u64 + 1) << 56));
        match kind {
            Kind::Calls => calls::world(&mut random),
            Kind::Disturbed => {
                let mut world = calls::world(&mut random);
                disturb::disturb(&mut world, &mut random);
                world
            }
            Kind::Soup => soup::world(&mut random),
            Kind::Hostile => hostile::world(&mut random),
        }
    }

    /// The rows as the engine takes them.
    pub fn flow_rows(&self, texts: &mut Texts) -> Vec<FlowRow> {
        self.rows.iter().map(|row| row.flow_row(texts)).collect()
    }

    /// The world without rows whose `_id` an earlier one has.
    pub fn with_distinct_ids(mut self) -> Self {
        let mut seen = BTreeSet::new();
        self.rows.retain(|row| seen.insert(row._id));
        self
    }

    /// Rows and request as a person reads them: without values that are 0, empty or null.
    pub fn describe(&self) -> String {
        let mut text = String::from("rows:\n");
        for row in &self.rows {
            let mut row = serde_json::to_value(row).unwrap();
            row.as_object_mut().unwrap().retain(|_, value| match value {
                Value::Null => false,
                Value::Number(number) => number.as_f64() != Some(0.0),
                Value::String(text) => {
                    if text.len() > 80 {
                        *text =
                            format!("{}… ({} bytes)", text.chars().take(20).collect::<String>(), text.len());
                    }
                    !text.is_empty()
                }
                _ => true,
            });
            text += &format!("  {row}\n");
        }
        text += &format!(
            "request: delay {} µs, offset {} µs\n",
            self.request.network_delay_us, self.request.host_clock_offset_us
        );
        for span in &self.request.app_spans {
            text += &format!(
                "  {:?} trace {:?} span {:?} parent {:?} {}..{}\n",
                span.span_kind,
                span.trace_id.chars().take(40).collect::<String>(),
                span.span_id.chars().take(40).collect::<String>(),
                span.parent_span_id.chars().take(40).collect::<String>(),
                span.start_time_us,
                span.end_time_us
            );
        }
        let tracing = &self.tracing;
        text + &format!(
            "sources {:?}, strategies {:?}\n",
            tracing.tracing_source, tracing.span_set_connection_strategies
        )
    }
}

/// Options as the original's: now and then with what is off by default.
pub fn options(random: &mut Random) -> Tracing {
    let mut tracing = Tracing {
        compatibility: Compatibility::Original,
        app_span_duplicates: AppSpanDuplicates::Keep,
        network_delay_us: 50_000,
        max_related_ids: u32::MAX,
        ..Tracing::default()
    };
    if random.chance(25) {
        use TracingSource::{Dns, Syscall, TcpSeq, TraceId, XRequestId};
        tracing.tracing_source = vec![TraceId, Syscall, TcpSeq, XRequestId, Dns];
    }
    if random.chance(25) {
        tracing.span_set_connection_strategies.push(ConnectionStrategy::NetSpanCToSViaTraceId);
    }
    if random.chance(25) {
        tracing.span_set_connection_strategies.push(ConnectionStrategy::SysSpanSToCViaTraceId);
    }
    tracing
}

/// The name by which an answer tells which span of the request it shows.
pub fn request_span_name(position: usize) -> String {
    format!("request span {position}")
}
