//! Exchanges by where they arrive and what they carry: what may have brought a request.

use rustc_hash::FxHashMap;

use super::{
    by_start::ByStart,
    exchange::{End, Exchanges},
    inner::{Clocks, Inner},
};
use crate::{
    engine::{flows::Flows, index::ExchangeId},
    flow::{Text, TraceIds},
};

/// Exchanges, filed by where they arrive and what they carry. Each file is in the order in which tails start.
pub(super) struct Arrivals<'a> {
    flows: Flows<'a>,
    exchanges: Exchanges<'a>,
    by_span_id: Files<Text>,
    by_x_request_id: Files<Text>,
    by_end_and_span_id: Files<(End, Text)>,
    by_end_and_x_request_id: Files<(End, Text)>,
    by_end_and_trace_id: Files<(End, Text)>,
}

type Files<K> = FxHashMap<K, ByStart<ExchangeId>>;

impl<'a> Arrivals<'a> {
    pub(super) fn of(flows: Flows<'a>, exchanges: Exchanges<'a>) -> Self {
        let mut arrivals = Arrivals {
            flows,
            exchanges,
            by_span_id: Files::default(),
            by_x_request_id: Files::default(),
            by_end_and_span_id: Files::default(),
            by_end_and_x_request_id: Files::default(),
            by_end_and_trace_id: Files::default(),
        };
        // Flows stand in the order of their start.
        let mut order: Vec<ExchangeId> = exchanges.ids().collect();
        order.sort_unstable_by_key(|&i| exchanges[i].tail);
        for i in order {
            let exchange = &exchanges[i];
            let tail = &flows[exchange.tail];
            let file =
                |file: &mut ByStart<ExchangeId>| file.push(i, tail.key().start_us, tail.end_or_lost_us());
            if !exchange.span_id.is_empty() {
                file(arrivals.by_span_id.entry(exchange.span_id).or_default());
            }
            let [x0, x1] = exchange.x_request_ids;
            let x_request_ids = [x0, if x0 == x1 { Text::EMPTY } else { x1 }];
            for id in x_request_ids.into_iter().filter(|id| !id.is_empty()) {
                file(arrivals.by_x_request_id.entry(id).or_default());
            }
            let Some(end) = exchange.ends[1] else { continue };
            if !exchange.span_id.is_empty() {
                file(arrivals.by_end_and_span_id.entry((end, exchange.span_id)).or_default());
            }
            for id in x_request_ids.into_iter().filter(|id| !id.is_empty()) {
                file(arrivals.by_end_and_x_request_id.entry((end, id)).or_default());
            }
            for id in exchange.trace_ids.iter() {
                file(arrivals.by_end_and_trace_id.entry((end, id)).or_default());
            }
        }
        arrivals
    }

    /// The exchanges that carry a span id and whose tail may be around the span or its start, the latest
    /// first.
    pub(super) fn with_span_id<'f>(
        &'f self,
        id: Text,
        inner: &Inner<'_>,
    ) -> impl Iterator<Item = ExchangeId> + 'f {
        let start_us = inner.flow.key().start_us;
        let slack_us = inner.most_us();
        let file = self.by_span_id.get(&id).into_iter();
        file.flat_map(move |file| {
            file.around(start_us.saturating_add(slack_us), start_us.saturating_sub(slack_us))
        })
    }

    /// The exchange that arrives at `end` with this span id; the latest of those around `inner`. Where it is
    /// not known which resource owns one of the two addresses, equal ids in packets are enough.
    pub(super) fn at_with_span_id(
        &self,
        end: Option<End>,
        id: Text,
        inner: &Inner<'_>,
    ) -> Option<ExchangeId> {
        let known =
            end.and_then(|end| self.latest(self.by_end_and_span_id.get(&(end, id))?, inner, |_| true));
        known.or_else(|| self.latest(self.by_span_id.get(&id)?, inner, |i| self.may_be_at(end, i, inner)))
    }

    /// The exchange that arrives at `end` with this X-Request-ID, chosen in the same way.
    pub(super) fn at_with_x_request_id(
        &self,
        end: Option<End>,
        id: Text,
        inner: &Inner<'_>,
    ) -> Option<ExchangeId> {
        let file = |end| self.by_end_and_x_request_id.get(&(end, id));
        let known = end.and_then(|end| self.latest(file(end)?, inner, |_| true));
        known
            .or_else(|| self.latest(self.by_x_request_id.get(&id)?, inner, |i| self.may_be_at(end, i, inner)))
    }

    fn may_be_at(&self, end: Option<End>, found: ExchangeId, inner: &Inner<'_>) -> bool {
        let exchange = &self.exchanges[found];
        !inner.flow.is_system() && exchange.server.is_none() && (end.is_none() || exchange.ends[1].is_none())
    }

    /// The latest exchange around `inner` that arrives at `end` with one of these trace ids and is free.
    pub(super) fn at_in_trace(
        &self,
        end: End,
        ids: &TraceIds,
        inner: &Inner<'_>,
        is_free: impl Fn(ExchangeId) -> bool + Copy,
    ) -> Option<ExchangeId> {
        let files = ids.iter().filter_map(|id| self.by_end_and_trace_id.get(&(end, id)));
        let found = files.filter_map(|file| self.latest(file, inner, is_free));
        found.max_by_key(|&i| self.exchanges[i].tail)
    }

    /// The latest exchange around the span if clocks are taken as they are; if there is none, the latest if
    /// clocks may be off.
    fn latest(
        &self,
        file: &ByStart<ExchangeId>,
        inner: &Inner<'_>,
        is_free: impl Fn(ExchangeId) -> bool,
    ) -> Option<ExchangeId> {
        let (key, slack_us) = (inner.flow.key(), inner.most_us());
        let around = || {
            file.around(key.start_us.saturating_add(slack_us), key.end_us.saturating_sub(slack_us))
                .filter(|&i| Some(self.exchanges[i].head) != inner.own_head && is_free(i))
        };
        let tail = |i: ExchangeId| &self.flows[self.exchanges[i].tail];
        [Clocks::AsTheyAre, Clocks::Off]
            .into_iter()
            .find_map(|clocks| around().find(|&i| inner.is_within(tail(i), clocks)))
    }
}
