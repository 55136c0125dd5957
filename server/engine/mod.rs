//! The engine: rows in, completed trace out (algorithm 3 to 10). Pure, and cannot fail: whatever the rows
//! hold, there is an answer.
//!
//! ```text
//! rows ─► flows ─► merge ─► process_set ─► network_set ─► connect ─► prune ─► output
//!                    relations ──┴──────────────┴────────────┘
//!                    tree (links) and clock (what links say of clocks) grow along the way
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `flows` | R-APP, R-ROW, R-NODE: rows and request spans, in order; what a node is |
//! | `merge` | R-MERGE: halves of one exchange |
//! | `relations` | R-REL-10: who is related to whom |
//! | `tree` | R-LINK: parents, and rings opened |
//! | `process_set` | R-PSS: spans of one process and request |
//! | `network_set` | R-NET: captures of one exchange |
//! | `resource` | R-SVC, R-NET-4: what sets are known as |
//! | `connect` | R-CONN: sets into trees |
//! | `evidence` | the default assembly, in the place of `process_set` and `connect` |
//! | `explain` | why the answer looks as it does |
//! | `clock` | R-CLK: clocks of hosts |
//! | `prune` | R-PRUNE: trees of other requests |
//! | `output` | R-ID, R-TREE, R-OUT: the answer |

mod clock;
pub mod completed;
mod connect;
mod evidence;
mod explain;
mod flows;
mod merge;
mod network_set;
mod output;
mod process_set;
mod prune;
mod relations;
mod resource;
mod tree;

pub use completed::{
    ClockReason, Completed, CompletedSpan, Explanation, PrunedTree, Related, Relation, Resource, SpanReason,
};

use self::{
    clock::ClockObserver,
    flows::{Class, Flow},
    output::Forest,
    relations::Relations,
    tree::Tree,
};
use crate::{
    config::{Compatibility, Tracing, TracingSource},
    flow::{CompletionRequest, FlowRow, Texts},
    relation::Tolerance,
};

/// Builds the completed trace of `request` from the rows that the search found, in any order. `texts` holds
/// the strings of the rows, and of the answer afterwards.
pub fn complete(
    rows: Vec<FlowRow>,
    request: &CompletionRequest,
    tracing: &Tracing,
    texts: &mut Texts,
) -> Completed {
    let tolerance = Tolerance {
        network_delay_us: request.network_delay_us,
        host_clock_offset_us: request.host_clock_offset_us,
    };
    let rows = flows::collect(rows, request, tracing.app_span_duplicates, texts);
    let flows = merge::merge(rows, texts);
    let mut resources = vec![Resource::default(); flows.len()];

    let zero = texts.intern("0");
    let follow_dns = tracing.follows(TracingSource::Dns);
    let is_original = tracing.compatibility == Compatibility::Original;
    let mut tree = Tree::new(&flows, ClockObserver::new(zero, is_original));
    let (relations, networks, hosts) = match tracing.compatibility {
        Compatibility::Original => {
            let processes = process_set::build(&mut tree, &mut resources, texts);
            let relations = Relations::new(&flows, tolerance, follow_dns, texts);
            let mut networks = network_set::build(&flows, &relations, &mut resources);
            for set in &mut networks {
                network_set::order(&mut set.members, &flows, texts);
                network_set::link(&set.members, &mut tree, tolerance);
            }
            connect::connect(&mut tree, &relations, &processes, &networks, tracing);
            (relations, networks, Vec::new())
        }
        Compatibility::Off => {
            let relations = Relations::new(&flows, tolerance, follow_dns, texts);
            let networks = network_set::build(&flows, &relations, &mut resources);
            let mut networks = network_set::reunite(networks, &flows, texts);
            for set in &mut networks {
                network_set::order_by_rank(&mut set.members, &flows);
            }
            let hosts =
                evidence::assemble(&mut tree, &networks, &mut resources, request.host_clock_offset_us);
            (relations, networks, hosts)
        }
    };

    let grown = tree.into_forest();
    let mut shown: Vec<bool> = flows.iter().map(|flow| flow.class() != Class::Other).collect();
    for &member in networks.iter().flat_map(|set| &set.members) {
        shown[member as usize] = true;
    }
    let roots = prune::roots(&grown.parents);
    let entry = entry_node(&flows, request);
    let keep = prune::keep(&flows, &roots, &shown, entry, request.host_clock_offset_us, !is_original);
    let forest = Forest { grown, keep, hosts };
    let limit = tracing.max_related_ids as usize;
    let plan = output::plan(&flows, &forest, &networks, &relations, limit, texts);
    let explanation = request.explain.then(|| {
        let facts = explain::Facts { flows: &flows, forest: &forest, networks: &networks, texts };
        explain::explain(&facts, &relations, &plan, &roots, &shown)
    });
    Completed { explanation, ..plan.carry_out(flows, &resources) }
}

/// R-ENTRY-1: the node of the first request span with a trace id, else of the last one.
fn entry_node(flows: &[Flow], request: &CompletionRequest) -> Option<u32> {
    let spans = &request.app_spans;
    let first = spans.iter().position(|span| !span.trace_id.is_empty());
    let position = first.or(spans.len().checked_sub(1))? as u32;
    flows.iter().zip(0u32..).find(|(flow, _)| flow.request == Some(position)).map(|(_, node)| node)
}
