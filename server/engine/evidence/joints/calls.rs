//! Calls that carry a span id which says who made them.

use rustc_hash::FxHashMap;

use super::facts::Facts;
use crate::engine::{
    evidence::exchange::Exchange,
    index::{ExchangeId, IndexVec, NodeId},
    rule::Rule,
};

/// The span that made a call, and what says so.
pub(super) type Caller = (NodeId, Rule);

/// The callers of the calls that carry a span id. The first phase.
pub(super) struct CallsByHeader {
    /// For each exchange the span that made the call.
    pub(super) callers: IndexVec<ExchangeId, Option<Caller>>,
    /// The calls that application spans made, by the top of their process.
    of_top: FxHashMap<NodeId, Vec<ExchangeId>>,
}

impl CallsByHeader {
    /// A call that carries the id of an application span is that span's, unless a process that received the
    /// header passed it on: then it is that process's.
    pub(super) fn of(facts: &Facts<'_>) -> Self {
        let mut calls = CallsByHeader {
            callers: IndexVec::filled(None, facts.exchanges.len()),
            of_top: FxHashMap::default(),
        };
        for (at, exchange) in facts.exchanges.numbered() {
            if exchange.span_id.is_empty() {
                continue;
            }
            let caller = match facts.made_for[at] {
                Some((server, tie)) if facts.span_id_at(server) == exchange.span_id => {
                    Some((server, tie.rule()))
                }
                _ => match forwarder(facts, exchange) {
                    Some(tail) => Some((tail, Rule::Forwarded)),
                    None => facts
                        .apps
                        .with_span_id(exchange.span_id, exchange.head, facts.flows)
                        .map(|app| (app, Rule::CallOfAppSpan)),
                },
            };
            if let Some((app, Rule::CallOfAppSpan)) = caller {
                calls.of_top.entry(facts.apps.top(app)).or_default().push(at);
            }
            calls.callers[at] = caller;
        }
        calls
    }

    /// The calls that application spans of one process made, by the process's top.
    pub(super) fn of_top(&self, top: NodeId) -> &[ExchangeId] {
        self.of_top.get(&top).map_or(&[], Vec::as_slice)
    }
}

/// For a call that is not tied to a request of its process: the tail of the exchange with the same header
/// that ends where this one begins.
fn forwarder(facts: &Facts<'_>, exchange: &Exchange) -> Option<NodeId> {
    let inner = facts.inner(exchange.head, Some(exchange.head));
    let found = facts.arrivals.at_with_span_id(exchange.ends[0], exchange.span_id, &inner)?;
    let other = &facts.exchanges[found];
    // Two known processes that nothing ties together are not one.
    let apart = other.server.is_some() && exchange.client.is_some();
    (!apart && other.trace_ids.intersects(&exchange.trace_ids)).then_some(other.tail)
}
