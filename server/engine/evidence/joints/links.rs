//! The links that follow from the decisions.

use super::{apps_of_requests::AppsOfRequests, entries::Entries, facts::Facts, other_calls::Callers};
use crate::engine::{index::NodeId, rule::Rule, tree::Tree};

/// Links the head of each exchange below its caller, and each application span below its parent or its entry.
pub(super) fn link(
    tree: &mut Tree<'_>,
    facts: &Facts<'_>,
    entries: &Entries,
    apps: &AppsOfRequests,
    callers: &Callers,
) {
    for (exchange, caller) in facts.exchanges.iter().zip(callers.iter()) {
        if let &Some((caller, rule)) = caller {
            tree.link(exchange.head, caller, rule);
        }
    }
    for &app in &facts.apps.nodes {
        match (entries.of_app(app), facts.apps.parent(app)) {
            (Some((tail, rule)), Some(parent)) if leads_to(facts, callers, tail, parent) => {
                tree.link(app, tail, rule)
            }
            (_, Some(parent)) => tree.link(app, parent, Rule::AppParent),
            (Some((tail, rule)), None) => match apps.around(facts, tail, app) {
                Some(outer) => tree.link(app, outer, Rule::EnclosingAppSpan),
                None => tree.link(app, tail, rule),
            },
            (None, None) => {}
        }
    }
}

/// Whether the way up from an exchange's tail meets `app` before any other application span. Otherwise the
/// parent that the caller named would be lost (D-8).
fn leads_to(facts: &Facts<'_>, callers: &Callers, tail: NodeId, app: NodeId) -> bool {
    let mut at = tail;
    for _ in 0..facts.exchanges.len() {
        let Some(exchange) = facts.exchange_of[at] else { return false };
        match callers.of_exchange(exchange) {
            Some((caller, _)) if facts.flow(caller).is_app() => return caller == app,
            Some((caller, _)) => at = caller,
            None => return false,
        }
    }
    false
}
