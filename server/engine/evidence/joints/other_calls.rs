//! The other calls: which span made each, by its thread, by what is around it, or by what precedes it.

use rustc_hash::FxHashMap;

use super::{
    apps_of_requests::{AppsOfRequests, CallingUntil},
    calls::{Caller, CallsByHeader},
    facts::Facts,
};
use crate::engine::{
    evidence::{exchange::Exchange, inner::Clocks, serving},
    index::{ChainId, ExchangeId, IndexVec, NodeId},
    rule::Rule,
};

/// For each exchange the span that made the call, as far as anything says so. The last phase.
pub(super) struct Callers(IndexVec<ExchangeId, Option<Caller>>);

impl Callers {
    /// Decides the other calls: each belongs to the innermost application span around it in its process, else
    /// to the server span for whose request it was made, else to what precedes it on the network.
    pub(super) fn of(facts: &Facts<'_>, by_header: CallsByHeader, apps: &AppsOfRequests) -> Self {
        let anchors = anchors(facts, &by_header);
        let mut callers = by_header.callers;
        let mut calling_until = CallingUntil::default();
        let mut open: Vec<ExchangeId> = callers.ids().filter(|&at| callers[at].is_none()).collect();
        open.sort_unstable_by_key(|&at| facts.exchanges[at].head);
        for at in open {
            let exchange = &facts.exchanges[at];
            let head = exchange.head;
            let below = |tail: NodeId, rule: Rule| match apps.innermost(facts, &calling_until, tail, head) {
                Some(app) => (app, Rule::EnclosingAppSpan),
                None => (tail, rule),
            };
            let caller = if let Some((server, tie)) = facts.made_for[at] {
                Some(below(server, tie.rule()))
            } else {
                let chain = exchange.client.and_then(|node| facts.threads.chain(node));
                let of_thread =
                    chain.and_then(|chain| anchors.get(&chain)).and_then(|anchor| match *anchor {
                        Anchor::Tail(tail) => {
                            let is_around =
                                facts.inner(head, Some(head)).is_within(facts.flow(tail), Clocks::Off);
                            is_around.then(|| below(tail, Rule::Preceding))
                        }
                        Anchor::Top(top) => {
                            let app = apps.of_top(facts, &calling_until, top, head)?;
                            Some((app, Rule::EnclosingAppSpan))
                        }
                    });
                of_thread
                    .or_else(|| preceding(facts, exchange).map(|tail| below(tail, Rule::Preceding)))
                    .or_else(|| {
                        let app = apps.of_process(facts, &calling_until, exchange.client?)?;
                        Some((app, Rule::EnclosingAppSpan))
                    })
            };
            callers[at] = caller;
            if let Some((app, Rule::EnclosingAppSpan)) = caller {
                calling_until.extend(app, facts.flow(head).key().end_us);
            }
        }
        Callers(callers)
    }

    /// In the order of the exchanges.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Option<Caller>> {
        self.0.iter()
    }

    pub(super) fn of_exchange(&self, exchange: ExchangeId) -> Option<Caller> {
        self.0[exchange]
    }
}

/// For threads whose server span was not captured: below what another call of the thread hangs.
fn anchors(facts: &Facts<'_>, by_header: &CallsByHeader) -> FxHashMap<ChainId, Anchor> {
    let mut anchors = FxHashMap::default();
    for (exchange, caller) in facts.exchanges.iter().zip(&by_header.callers) {
        let chain = exchange.client.and_then(|client| facts.threads.chain(client));
        if let (Some(chain), Some((caller, _))) = (chain, *caller) {
            let anchor = match facts.flow(caller).is_app() {
                true => Anchor::Top(facts.apps.top(caller)),
                false => Anchor::Tail(caller),
            };
            anchors.entry(chain).or_insert(anchor);
        }
    }
    anchors
}

/// Where the calls of a thread belong if its server span was not captured.
enum Anchor {
    /// Below the tail of an exchange.
    Tail(NodeId),
    /// In the process of this application span.
    Top(NodeId),
}

/// For a call without a tie to a process: the tail of the exchange that ends where it begins, of one
/// X-Request-ID or trace.
fn preceding(facts: &Facts<'_>, exchange: &Exchange) -> Option<NodeId> {
    let end = exchange.ends[0];
    let inner = facts.inner(exchange.head, Some(exchange.head));
    let by_x = Some(exchange.x_request_ids[0])
        .filter(|id| !id.is_empty())
        .and_then(|id| facts.arrivals.at_with_x_request_id(end, id, &inner));
    let of_trace = || facts.arrivals.at_in_trace(end?, &exchange.trace_ids, &inner, |_| true);
    let found = by_x.or_else(of_trace)?;
    let other = &facts.exchanges[found];
    let process = |node: Option<NodeId>| node.and_then(|node| serving::process(facts.flow(node)));
    let apart = match (process(other.server), process(exchange.client)) {
        (Some(server), Some(client)) => server != client,
        _ => false,
    };
    (!apart).then_some(other.tail)
}
