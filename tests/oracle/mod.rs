//! A second engine, written from the description of the algorithm alone. It applies every rule as the text
//! says it, and looks at every pair of spans without any index. It is slow and simple on purpose: if it and the
//! engine disagree, one of them misreads the description. It answers as the original does
//! (`Compatibility::Original`).
//!
//! | file | rules |
//! |---|---|
//! | [`flow`] | R-APP, R-ROW-2 to -5, R-MERGE: rows into flows |
//! | [`relate`] | R-REL, R-CONF: who is related to whom |
//! | [`node`] | R-NODE, R-LINK: what a span is, and how it gets a parent |
//! | [`clock`] | R-CLK: clocks of hosts |
//! | [`processes`], [`process_set`] | R-PSS, R-SVC: spans of one process and request |
//! | [`networks`] | R-NET: captures of one exchange |
//! | [`connect`] | R-CONN: sets into trees |
//! | [`outcome`] | R-ID, R-TREE, R-PRUNE, R-OUT: what is shown |
//! | [`compare`] | an outcome against the engine's answer |
//! | [`dress`] | an outcome in the form of an engine's answer |

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)] // shared by test binaries

pub mod clock;
pub mod compare;
pub mod connect;
pub mod dress;
pub mod flow;
pub mod networks;
pub mod node;
pub mod outcome;
pub mod process_set;
pub mod processes;
pub mod relate;

use trace_completion::{
    config::{ConnectionStrategy, Tracing, TracingSource},
    flow::{CompletionRequest, FlowRow, Texts},
};

pub use outcome::{Outcome, Shown};

/// The parts of request and configuration that the rules use.
pub struct Options {
    pub network_delay_us: i64,
    pub host_clock_offset_us: i64,
    pub follow_dns: bool,
    pub scenario_7: bool,
    pub scenario_8: bool,
}

/// The completed trace of `request` from `rows`, whose `_id`s are distinct.
pub fn complete(
    rows: Vec<FlowRow>,
    request: &CompletionRequest,
    tracing: &Tracing,
    texts: &mut Texts,
) -> Outcome {
    let options = Options {
        network_delay_us: request.network_delay_us,
        host_clock_offset_us: request.host_clock_offset_us,
        follow_dns: tracing.follows(TracingSource::Dns),
        scenario_7: tracing.connects(ConnectionStrategy::NetSpanCToSViaTraceId),
        scenario_8: tracing.connects(ConnectionStrategy::SysSpanSToCViaTraceId),
    };
    let flows = flow::merge(flow::collect(rows, request, texts), texts);
    let related = relate::relations(&flows, &options, texts);
    let mut graph = node::Graph::new(flows, texts);
    let processes = processes::build(&mut graph);
    let networks = networks::build(&mut graph, &related, &options, texts);
    connect::connect(&mut graph, &related, &processes, &networks, &options);
    outcome::outcome(graph, &networks, &related, request)
}
