//! What is known before anything is decided.

use crate::{
    engine::{
        evidence::{
            app_tree::AppTree,
            arrivals::Arrivals,
            exchange::{Exchange, Exchanges},
            inner::{Clocks, Inner},
            serving::{Servers, Tie},
            thread::Threads,
        },
        flows::{Flow, Flows},
        index::{ExchangeId, IndexVec, NodeId},
    },
    flow::Text,
};

/// The spans, the exchanges, and what ties them.
pub(super) struct Facts<'a> {
    pub(super) flows: Flows<'a>,
    pub(super) exchanges: Exchanges<'a>,
    pub(super) arrivals: Arrivals<'a>,
    /// The exchange of each head and tail.
    pub(super) exchange_of: IndexVec<NodeId, Option<ExchangeId>>,
    pub(super) apps: AppTree,
    pub(super) threads: Threads,
    /// For each exchange the server span for whose request the call was made, and what says so.
    pub(super) made_for: IndexVec<ExchangeId, Option<(NodeId, Tie)>>,
    /// How far the clocks of two hosts may lie apart, in µs.
    slack_us: i64,
}

impl<'a> Facts<'a> {
    pub(super) fn of(flows: Flows<'a>, exchanges: Exchanges<'a>, host_clock_offset_us: i64) -> Self {
        let threads = Threads::of(flows);
        let servers = Servers::of(flows, exchanges, &threads);
        let made_for = exchanges
            .iter()
            .map(|e| e.client.and_then(|client| servers.of_client(client, e, &threads)))
            .collect();
        let mut exchange_of = IndexVec::filled(None, flows.len());
        for (i, exchange) in exchanges.numbered() {
            exchange_of[exchange.head] = Some(i);
            exchange_of[exchange.tail] = Some(i);
        }
        Facts {
            flows,
            exchanges,
            arrivals: Arrivals::of(flows, exchanges),
            exchange_of,
            apps: AppTree::of(flows, exchanges.iter().map(|exchange| exchange.span_id).collect()),
            threads,
            made_for,
            slack_us: host_clock_offset_us,
        }
    }

    pub(super) fn flow(&self, node: NodeId) -> &'a Flow {
        self.flows.at(node)
    }

    /// The exchange that has this head or tail.
    pub(super) fn exchange_at(&self, node: NodeId) -> Option<&'a Exchange> {
        self.exchange_of[node].map(|e| self.exchanges.at(e))
    }

    /// The span id that the exchange of a head or tail carries; empty where there is none.
    pub(super) fn span_id_at(&self, node: NodeId) -> Text {
        self.exchange_at(node).map_or(Text::EMPTY, |exchange| exchange.span_id)
    }

    /// The span for which something around it is looked for. `own_head` is the head of its own exchange, if
    /// it has one: that exchange is never the answer.
    pub(super) fn inner(&self, node: NodeId, own_head: Option<NodeId>) -> Inner<'a> {
        Inner { flow: self.flow(node), own_head, slack_us: self.slack_us }
    }

    /// Whether the tail of an exchange is around an application span of the process that it reaches, or at
    /// least around its start, and by which clocks.
    pub(super) fn brings(&self, exchange: &Exchange, app: NodeId) -> Option<Clocks> {
        let inner = self.inner(app, None);
        let tail = self.flow(exchange.tail);
        let clocks = [Clocks::AsTheyAre, Clocks::Off, Clocks::Outlasts];
        clocks.into_iter().find(|&clocks| inner.is_within(tail, clocks))
    }
}
