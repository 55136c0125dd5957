//! Exchanges: network sets, seen as calls from one process to another.

use rustc_hash::FxHashMap;

use super::by_start::ByStart;
use crate::{
    engine::{flows::Flow, network_set::NetworkSet},
    flow::{ObservationPoint, Text, TraceIds},
};

/// One call, as its captures saw it.
#[derive(Debug)]
pub(super) struct Exchange {
    /// The capture next to the client.
    pub(super) head: u32,
    /// The capture next to the server.
    pub(super) tail: u32,
    /// The client process span, which then is the head.
    pub(super) client: Option<u32>,
    /// The server process span, which then is the tail.
    pub(super) server: Option<u32>,
    /// Span id that the call carries, empty where it carries none.
    pub(super) span_id: Text,
    /// Trace ids that any capture saw.
    pub(super) trace_ids: TraceIds,
    /// X-Request-ID of the request, and of the response.
    pub(super) x_request_ids: [Text; 2],
    /// Where the call comes from and goes to: instance, as far as the captures say.
    pub(super) ends: [Option<End>; 2],
}

/// One end of a call: the resource that owns its address.
pub(super) type End = (u8, u32);

/// The exchanges of the network sets, in their order.
pub(super) fn collect(flows: &[Flow], networks: &[NetworkSet]) -> Vec<Exchange> {
    networks.iter().filter_map(|set| exchange(flows, set)).collect()
}

fn exchange(flows: &[Flow], set: &NetworkSet) -> Option<Exchange> {
    let (head, tail) = (set.root()?, set.leaf()?);
    let flow = |node: u32| &flows[node as usize];
    let is = |node: u32, point: ObservationPoint| flow(node).is_system() && flow(node).point == point;
    let members = || set.members.iter().map(|&node| flow(node));
    let trace_ids =
        members().map(|flow| &flow.trace_ids).find(|ids| !ids.is_empty()).cloned().unwrap_or_default();
    let first =
        |value: fn(&Flow) -> Text| members().map(value).find(|text| !text.is_empty()).unwrap_or_default();
    let end = |side: usize| {
        members()
            .map(|flow| &flow.row.sides[side])
            .map(|side| (side.auto_instance_type, side.auto_instance_id))
            // 0 and 255: no resource is known to own the address, and the id is its subnet's.
            .find(|&(kind, id)| id != 0 && kind != 0 && kind != 255)
    };
    Some(Exchange {
        head,
        tail,
        client: Some(head).filter(|&node| is(node, ObservationPoint::ClientProcess)),
        server: Some(tail).filter(|&node| is(node, ObservationPoint::ServerProcess)),
        span_id: set.span_id,
        trace_ids,
        x_request_ids: [first(|f| f.key().x_request_id_0), first(|f| f.key().x_request_id_1)],
        ends: [end(0), end(1)],
    })
}

/// Exchanges, filed by where they arrive and what they carry; each file by the start of their tails.
pub(super) struct Arrivals<'a> {
    flows: &'a [Flow],
    exchanges: &'a [Exchange],
    by_span_id: Files<Text>,
    by_x_request_id: Files<Text>,
    by_end_and_span_id: Files<(End, Text)>,
    by_end_and_x_request_id: Files<(End, Text)>,
    by_end_and_trace_id: Files<(End, Text)>,
}

type Files<K> = FxHashMap<K, ByStart>;

impl<'a> Arrivals<'a> {
    pub(super) fn of(flows: &'a [Flow], exchanges: &'a [Exchange]) -> Self {
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
        let mut order: Vec<u32> = (0..exchanges.len() as u32).collect();
        order.sort_unstable_by_key(|&i| exchanges[i as usize].tail);
        for i in order {
            let exchange = &exchanges[i as usize];
            let tail = &flows[exchange.tail as usize];
            let file = |file: &mut ByStart| file.push(i, tail.key().start_us, tail.end_or_lost_us());
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

    /// The exchanges that carry a span id and whose tail may be around the span or its start, the latest first.
    pub(super) fn with_span_id<'f>(&'f self, id: Text, inner: &Inner<'_>) -> impl Iterator<Item = u32> + 'f {
        let start_us = inner.flow.key().start_us;
        let slack_us = inner.most_us();
        let file = self.by_span_id.get(&id).into_iter();
        file.flat_map(move |file| {
            file.around(start_us.saturating_add(slack_us), start_us.saturating_sub(slack_us))
        })
    }

    /// The exchange that arrives at `end` with this span id, and of those that fit the latest. Where nobody knows
    /// who owns one of the two addresses, packets with one id are one way.
    pub(super) fn at_with_span_id(&self, end: Option<End>, id: Text, inner: &Inner<'_>) -> Option<u32> {
        let known =
            end.and_then(|end| self.latest(self.by_end_and_span_id.get(&(end, id))?, inner, |_| true));
        known.or_else(|| self.latest(self.by_span_id.get(&id)?, inner, |i| self.may_be_at(end, i, inner)))
    }

    /// The same with an X-Request-ID.
    pub(super) fn at_with_x_request_id(&self, end: Option<End>, id: Text, inner: &Inner<'_>) -> Option<u32> {
        let file = |end| self.by_end_and_x_request_id.get(&(end, id));
        let known = end.and_then(|end| self.latest(file(end)?, inner, |_| true));
        known
            .or_else(|| self.latest(self.by_x_request_id.get(&id)?, inner, |i| self.may_be_at(end, i, inner)))
    }

    fn may_be_at(&self, end: Option<End>, found: u32, inner: &Inner<'_>) -> bool {
        let exchange = &self.exchanges[found as usize];
        !inner.flow.is_system() && exchange.server.is_none() && (end.is_none() || exchange.ends[1].is_none())
    }

    /// The same with one of these trace ids, of those that are free.
    pub(super) fn at_in_trace(
        &self,
        end: End,
        ids: &TraceIds,
        inner: &Inner<'_>,
        is_free: impl Fn(u32) -> bool + Copy,
    ) -> Option<u32> {
        let files = ids.iter().filter_map(|id| self.by_end_and_trace_id.get(&(end, id)));
        let found = files.filter_map(|file| self.latest(file, inner, is_free));
        found.max_by_key(|&i| self.exchanges[i as usize].tail)
    }

    /// The latest that is around the span by the clocks as they are, else by clocks that may be off.
    fn latest(&self, file: &ByStart, inner: &Inner<'_>, is_free: impl Fn(u32) -> bool) -> Option<u32> {
        let (key, slack_us) = (inner.flow.key(), inner.most_us());
        let around = || {
            file.around(key.start_us.saturating_add(slack_us), key.end_us.saturating_sub(slack_us))
                .filter(|&i| self.exchanges[i as usize].head != inner.head && is_free(i))
        };
        let tail = |i: u32| &self.flows[self.exchanges[i as usize].tail as usize];
        [Clocks::AsTheyAre, Clocks::Off]
            .into_iter()
            .find_map(|clocks| around().find(|&i| inner.is_within(tail(i), clocks)))
    }
}

/// Whether the clocks of two hosts are taken as they are, or may be apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Clocks {
    /// May be apart, and the inner span only begins within the outer: tracers end the span of a request after
    /// its response was written.
    Outlasts,
    /// May be apart by the configured offset.
    Off,
    /// Are taken as they are.
    AsTheyAre,
}

/// A span for which something around it is looked for.
pub(super) struct Inner<'a> {
    /// The span.
    pub(super) flow: &'a Flow,
    /// The head of its own exchange, which is no answer.
    pub(super) head: u32,
    /// How far its clock may be off, in µs.
    pub(super) slack_us: i64,
}

impl Inner<'_> {
    /// How far times may be off at most, in µs: the clocks, and what tracers cut off.
    fn most_us(&self) -> i64 {
        self.slack_us.saturating_add(2 * MILLISECOND_US)
    }

    /// Whether `outer` is around the span. Where one host saw both, clocks are never off.
    pub(super) fn is_within(&self, outer: &Flow, clocks: Clocks) -> bool {
        let one_host = if self.flow.is_app() != outer.is_app() {
            // An application span has the clock of its process's host, where these stand.
            use ObservationPoint::{ServerNic, ServerNode, ServerProcess};
            matches!(outer.point, ServerProcess | ServerNode | ServerNic)
        } else {
            outer.key().agent == self.flow.key().agent
        };
        let exact = clocks == Clocks::AsTheyAre || one_host;
        let host_us = if exact { 0 } else { self.slack_us };
        let slack_us = host_us.saturating_add(grain_us(self.flow)).saturating_add(grain_us(outer));
        let (o, i) = (outer.key(), self.flow.key());
        let until_us = if clocks == Clocks::Outlasts { i.start_us } else { i.end_us };
        o.start_us.saturating_sub(slack_us) <= i.start_us
            && outer.end_or_lost_us().saturating_add(slack_us) >= until_us
    }
}

pub(super) const MILLISECOND_US: i64 = 1000;

/// How much the times of a span are cut: some tracers of applications count whole milliseconds.
pub(super) fn grain_us(flow: &Flow) -> i64 {
    let key = flow.key();
    let whole = key.start_us % MILLISECOND_US == 0 && key.end_us % MILLISECOND_US == 0;
    if flow.is_app() && whole { MILLISECOND_US - 1 } else { 0 }
}
