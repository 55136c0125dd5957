//! The engine: rows in, completed trace out (algorithm 3 to 10). Pure, and cannot fail: whatever the rows
//! hold, there is an answer.
//!
//! ```text
//! rows ─► flows ─► merge ─► relations ─► network_set ─┬─► original ─┬─► prune ─► output
//!                                                     └─► evidence ─┘        └─► explain
//!                           tree (links) and clock (what links say about clocks) grow in the two assemblies
//! ```
//!
//! Everything before and after the assembly is shared by both modes:
//!
//! | file | holds |
//! |---|---|
//! | `flows` | R-APP, R-ROW, R-NODE: rows and request spans, in order; what a node is |
//! | `merge` | R-MERGE: halves of one exchange |
//! | `relations` | R-REL-10: who is related to whom |
//! | `network_set` | R-NET-1, R-NET-2, R-NET-3, R-NET-4: captures of one exchange |
//! | `assembly` | what an assembly is given, and what it returns |
//! | `original` | the assembly of compatibility mode: `process_set`, `path`, `connect` |
//! | `evidence` | the assembly of the default mode: `path`, `joints`, `lend` |
//! | `index` | what nodes, exchanges and sets are named by |
//! | `disjoint` | which things belong together |
//! | `tree` | R-LINK: parents, and rings opened |
//! | `rule` | the rules that make links, in one table |
//! | `resource` | R-SVC, R-NET-4: what sets are known as |
//! | `clock` | R-CLK: clocks of hosts |
//! | `prune` | R-PRUNE: trees of other requests |
//! | `output` | R-ID, R-TREE, R-OUT: the answer |
//! | `explain` | why the answer looks as it does |
//! | `completed` | the answer's types |

mod assembly;
mod clock;
pub mod completed;
mod disjoint;
mod evidence;
mod explain;
mod flows;
mod index;
mod merge;
mod network_set;
mod original;
mod output;
mod prune;
mod relations;
mod resource;
mod rule;
mod tree;

pub use self::{
    completed::{
        ClockReason, Completed, CompletedSpan, Explanation, PrunedTree, Related, Relation, Resource,
        SpanReason,
    },
    rule::rules,
};

use self::{
    assembly::{Assembled, Material},
    clock::ClockObserver,
    flows::Class,
    index::{IndexVec, NodeId},
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
    let is_original = tracing.compatibility == Compatibility::Original;
    let rows = flows::collect(rows, request, tracing.app_span_duplicates, texts);
    let merged = merge::merge(rows, texts);
    let flows = merged.as_slice();
    let relations = Relations::new(flows, tolerance, tracing.follows(TracingSource::Dns));
    let mut resources = IndexVec::filled(Resource::default(), flows.len());
    let networks = network_set::build(flows, &relations, &mut resources, texts);
    let tree = Tree::new(flows, ClockObserver::new(texts.intern("0"), is_original));
    let material = Material { relations: &relations, networks, resources, tree, tolerance };

    let assembled = match tracing.compatibility {
        Compatibility::Original => original::assemble(material, tracing, texts),
        Compatibility::Off => evidence::assemble(material, texts),
    };

    let Assembled { grown, networks, resources, hosts } = assembled;
    // R-ID-1: spans of the classes that answers show, and all captures of an exchange.
    let mut shown: IndexVec<NodeId, bool> = flows.iter().map(|flow| flow.class() != Class::Other).collect();
    for &member in networks.iter().flat_map(|set| &set.members) {
        shown[member] = true;
    }
    let roots = prune::roots(&grown.parents);
    let entry = prune::entry_node(flows, request);
    let keep = prune::keep(flows, &roots, &shown, entry, request.host_clock_offset_us, !is_original);
    let forest = Forest { grown, keep, hosts };
    let limit = tracing.max_related_ids as usize;
    let plan = output::plan(flows, &forest, &networks, &relations, limit, texts);
    let explanation = request.explain.then(|| {
        let facts = explain::Facts { flows, forest: &forest, networks: &networks, texts };
        explain::explain(&facts, &relations, &plan, &roots, &shown)
    });
    Completed { explanation, ..plan.carry_out(merged, &resources) }
}
