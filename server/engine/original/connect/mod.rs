//! Connects process span sets and network span sets into trees (algorithm 8).
//!
//! The rules walk the relations of each node. Here each scenario looks its candidates up by the value that
//! its conditions ask for, and drops those that have a parent already. So a span id that thousands of spans
//! share does not take quadratic time.
//!
//! | file | holds |
//! |---|---|
//! | `state` | R-CONN-1, R-CONN-3, R-CONN-5: what all scenarios share |
//! | `candidates` | files of candidates, and chosen parents that wait to be linked |
//! | `by_span_id` | scenarios 1 to 4 |
//! | `networks` | scenarios 5, 5g and 6 |
//! | `by_trace_id` | scenarios 7 and 8, R-CONN-6 |

mod by_span_id;
mod by_trace_id;
mod candidates;
mod networks;
mod state;

use self::state::Connect;
use super::process_set::ProcessSets;
use crate::{
    config::{ConnectionStrategy, Tracing},
    engine::{network_set::Networks, relations::Relations, tree::Tree},
};

/// Runs all scenarios, in the order of R-CONN-2.
pub(super) fn connect<'a>(
    tree: &mut Tree<'a>,
    relations: &Relations<'a>,
    processes: &ProcessSets,
    networks: &Networks,
    tracing: &Tracing,
) {
    let mut connect = Connect::new(tree, relations, processes, networks);
    connect.process_leafs_to_network_roots();
    connect.network_leafs_to_process_roots();
    connect.process_leafs_to_process_roots();
    connect.app_spans_to_process_roots();
    connect.network_leafs_to_network_roots();
    connect.message_queue();
    connect.link_pending();
    let by_network = tracing.connects(ConnectionStrategy::NetSpanCToSViaTraceId);
    let by_process = tracing.connects(ConnectionStrategy::SysSpanSToCViaTraceId);
    connect.by_trace_id(by_network, by_process);
}
