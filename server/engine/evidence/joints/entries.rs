//! Which exchange brought the request of each application span that enters a process.

use std::cmp::Reverse;

use rustc_hash::{FxHashMap, FxHashSet};

use super::{calls::CallsByHeader, facts::Facts};
use crate::{
    engine::{
        evidence::{
            exchange::{End, Exchange},
            inner::Clocks,
            serving::Tie,
        },
        flows::Flow,
        index::{ExchangeId, IndexVec, NodeId},
        rule::Rule,
    },
    flow::{ObservationPoint, Text},
};

/// The tail of the exchange that brought a request, and what says so.
type Entry = (NodeId, Rule);

/// What brought the request of each application span that enters a process.
pub(super) struct Entries(Found);

/// The entries found so far, by node.
type Found = IndexVec<NodeId, Option<Entry>>;

/// Entries by the span id of the parent that the application span names.
struct BySpanId(Found);

/// These, and entries by the calls of the process.
struct ByCalls(Found);

impl Entries {
    /// The second phase, in three steps, each of which decides only what those before it left open.
    pub(super) fn of(facts: &Facts<'_>, calls: &CallsByHeader) -> Self {
        let found = by_span_id(facts, calls);
        let found = by_calls(facts, calls, found);
        where_traces_begin(facts, calls, found)
    }

    /// The tail below which an application span enters its process.
    pub(super) fn of_app(&self, app: NodeId) -> Option<Entry> {
        self.0[app]
    }
}

/// The most exchanges with the id of its parent that a span chooses from: the latest around it.
const MAX_ARRIVALS: usize = 64;

/// The most requests in which one trace may begin. Usually there is one; retries add more.
const MAX_BEGINNINGS: usize = 16;

/// An exchange that may have brought an application span's request, and how well it fits.
type Candidate = (Kinship, Clocks, ExchangeId);

/// How certain it is that an exchange reaches the process of an application span.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Kinship {
    /// Nothing tells.
    Unknown,
    /// The exchange reaches the instance of the span.
    Instance,
    /// The span's calls were made for this very request.
    Request,
}

/// If an application span names a parent in another process, the exchange that carries the parent's id
/// brought its request. Where several exchanges carry it, since processes passed the header on, the one that
/// reaches the span's process is taken, as far as the span's calls and resource tell; else the innermost
/// around the span.
fn by_span_id(facts: &Facts<'_>, calls: &CallsByHeader) -> BySpanId {
    let mut entries: Vec<(bool, NodeId, Vec<Candidate>)> = Vec::new();
    for &app in &facts.apps.nodes {
        let flow = facts.flow(app);
        if facts.apps.local_parent(app, facts.flows).is_some() || flow.point == ObservationPoint::ClientApp {
            continue;
        }
        let inner = facts.inner(app, None);
        let mut fitting: Vec<Candidate> = facts
            .arrivals
            .with_span_id(flow.key().parent_span_id, &inner)
            .map(|e| (&facts.exchanges[e], e))
            .filter(|(exchange, _)| exchange.trace_ids.intersects(&flow.trace_ids))
            .filter_map(|(exchange, e)| {
                Some((kinship(facts, calls, app, exchange)?, facts.brings(exchange, app)?, e))
            })
            .take(MAX_ARRIVALS)
            .collect();
        fitting.sort_unstable_by_key(|&(kinship, clocks, e)| (kinship, clocks, facts.exchanges[e].tail));
        if let Some(&(kinship, ..)) = fitting.last() {
            entries.push((kinship == Kinship::Unknown, app, fitting));
        }
    }
    // Spans whose process is known choose first. Then the span that starts last, since each takes the latest
    // exchange that fits.
    let start_us = |app: NodeId| facts.flow(app).key().start_us;
    entries.sort_unstable_by_key(|&(unknown, app, _)| (unknown, Reverse(start_us(app)), app));
    let mut found = Found::filled(None, facts.flows.len());
    let mut taken: FxHashSet<ExchangeId> = FxHashSet::default();
    for (unknown, app, mut fitting) in entries {
        let is_guess = unknown && fitting.len() > 1;
        let rule = if is_guess { Rule::EntryBySpanIdOfSeveral } else { Rule::EntryBySpanId };
        while let Some((_, _, e)) = fitting.pop() {
            if taken.insert(e) {
                found[app] = Some((facts.exchanges[e].tail, rule));
                break;
            }
        }
    }
    BySpanId(found)
}

/// Whether the process that an exchange reaches is that of an application span, as far as the span's calls
/// and its own resource say. `None` if it is another one.
fn kinship(facts: &Facts<'_>, calls: &CallsByHeader, top: NodeId, exchange: &Exchange) -> Option<Kinship> {
    let mut known = Kinship::Unknown;
    if let (Some(own), Some(end)) = (resource(facts.flow(top)), exchange.ends[1]) {
        if own != end {
            return None;
        }
        known = Kinship::Instance;
    }
    for &call in calls.of_top(top) {
        let call_exchange = &facts.exchanges[call];
        match (facts.made_for[call], exchange.server) {
            (Some((server, Tie::Thread | Tie::XRequestId)), Some(own)) if server == own => {
                return Some(Kinship::Request);
            }
            _ => {}
        }
        if let (Some(from), Some(end)) = (call_exchange.ends[0], exchange.ends[1]) {
            if from != end {
                return None;
            }
            known = Kinship::Instance;
        }
    }
    Some(known)
}

/// Finds the request of tops that have none yet: the one for which their calls were made. Where only the
/// resource of the process is known, it is the innermost exchange of the trace that arrives there.
fn by_calls(facts: &Facts<'_>, calls: &CallsByHeader, BySpanId(mut found): BySpanId) -> ByCalls {
    let mut of_missing_parent: FxHashMap<Text, Entry> = FxHashMap::default();
    let mut guessed: FxHashSet<NodeId> = FxHashSet::default();
    let is_open = |app: &NodeId| is_open_top(facts, &found, *app);
    let mut tops: Vec<NodeId> = facts.apps.nodes.iter().copied().filter(is_open).collect();
    // The latest first: it takes the latest exchange, where only the resource is known.
    tops.sort_unstable_by_key(|&top| (Reverse(facts.flow(top).key().start_us), top));
    let mut open = Vec::new();
    for top in tops {
        match request_of_calls(facts, calls, top, &guessed) {
            Some((tail, rule)) => {
                if rule == Rule::EntryByResource {
                    guessed.insert(tail);
                }
                found[top] = Some((tail, rule));
                let parent = facts.flow(top).key().parent_span_id;
                if !parent.is_empty() {
                    of_missing_parent.insert(parent, (tail, rule));
                }
            }
            None => open.push(top),
        }
    }
    for top in open {
        let of_sibling = of_missing_parent.get(&facts.flow(top).key().parent_span_id).copied();
        let fits = |&(tail, _): &Entry| {
            facts.exchange_at(tail).is_some_and(|exchange| facts.brings(exchange, top).is_some())
        };
        if let Some(entry) = of_sibling.filter(fits) {
            found[top] = Some(entry);
        }
    }
    ByCalls(found)
}

/// Whether a span is the top of its process and has no entry yet. Its named parent is not there, or it is a
/// server span and so has an entry of its own.
fn is_open_top(facts: &Facts<'_>, found: &Found, app: NodeId) -> bool {
    facts.apps.top(app) == app
        && found[app].is_none()
        && (facts.apps.parent(app).is_none() || facts.flow(app).point == ObservationPoint::ServerApp)
}

fn request_of_calls(
    facts: &Facts<'_>,
    calls: &CallsByHeader,
    top: NodeId,
    guessed: &FxHashSet<NodeId>,
) -> Option<Entry> {
    let mut calls: Vec<ExchangeId> = calls.of_top(top).to_vec();
    calls.sort_unstable_by_key(|&call| facts.exchanges[call].head);
    let covers = |server: NodeId, clocks| facts.inner(top, None).is_within(facts.flow(server), clocks);
    let is_open = |&(server, tie): &(NodeId, Tie)| tie != Tie::TraceId || !guessed.contains(&server);
    let served = || calls.iter().filter_map(|&call| facts.made_for[call]).filter(is_open);
    let around = served().find(|&(server, _)| covers(server, Clocks::AsTheyAre)).or_else(|| {
        served().find(|&(server, tie)| tie >= Tie::XRequestId && covers(server, Clocks::Outlasts))
    });
    if let Some((server, tie)) = around {
        let is_guess = tie == Tie::TraceId;
        return Some((server, if is_guess { Rule::EntryByResource } else { Rule::EntryByCalls }));
    }
    let ends = resource(facts.flow(top)).into_iter();
    let ends = ends.chain(calls.iter().filter_map(|&call| facts.exchanges[call].ends[0]));
    let head = calls.first().map(|&call| facts.exchanges[call].head);
    let inner = facts.inner(top, head);
    let own_calls: FxHashSet<ExchangeId> = calls.iter().copied().collect();
    let is_free = |found: ExchangeId| !guessed.contains(&facts.exchanges[found].tail);
    ends.filter_map(|end| facts.arrivals.at_in_trace(end, &facts.flow(top).trace_ids, &inner, is_free))
        .find(|found| {
            let exchange = &facts.exchanges[*found];
            !own_calls.contains(found) && facts.brings(exchange, top).is_some()
        })
        .map(|found| (facts.exchanges[found].tail, Rule::EntryByResource))
}

/// Finds the request of the root of a trace: one without the trace id, for which a thread made calls with the
/// trace id. Only where exactly one such request is around the root.
fn where_traces_begin(facts: &Facts<'_>, calls: &CallsByHeader, ByCalls(mut found): ByCalls) -> Entries {
    let beginnings = beginnings(facts);
    let is_root = |app: &NodeId| is_root_of_trace(facts, &found, *app);
    let roots: Vec<NodeId> = facts.apps.nodes.iter().copied().filter(is_root).collect();
    for root in roots {
        let of_trace = facts.flow(root).trace_ids.iter().filter_map(|id| beginnings.get(&id)).flatten();
        let fits = |tail: &NodeId| {
            facts.exchange_at(*tail).is_some_and(|request| {
                kinship(facts, calls, root, request).is_some() && facts.brings(request, root).is_some()
            })
        };
        let mut fitting: Vec<NodeId> = of_trace.map(|&e| facts.exchanges[e].tail).filter(fits).collect();
        fitting.sort_unstable();
        fitting.dedup();
        if let &[tail] = fitting.as_slice() {
            found[root] = Some((tail, Rule::EntryWhereTraceBegins));
        }
    }
    Entries(found)
}

/// For each trace id, the requests that do not carry it but for which a thread made calls that do.
fn beginnings(facts: &Facts<'_>) -> FxHashMap<Text, Vec<ExchangeId>> {
    let mut beginnings: FxHashMap<Text, Vec<ExchangeId>> = FxHashMap::default();
    for (exchange, made_for) in facts.exchanges.iter().zip(&facts.made_for) {
        let Some((server, Tie::Thread)) = *made_for else { continue };
        let Some(request) = facts.exchange_of[server] else { continue };
        for id in exchange.trace_ids.iter().filter(|id| !id.is_empty()) {
            if !facts.exchanges[request].trace_ids.iter().any(|other| other == id) {
                beginnings.entry(id).or_default().push(request);
            }
        }
    }
    for requests in beginnings.values_mut() {
        requests.sort_unstable();
        requests.dedup();
        // With so many the choice would be a guess, and each root would look at all of them.
        if requests.len() > MAX_BEGINNINGS {
            requests.clear();
        }
    }
    beginnings
}

/// Whether a span is a server span that names no parent and has no entry yet.
fn is_root_of_trace(facts: &Facts<'_>, found: &Found, app: NodeId) -> bool {
    let flow = facts.flow(app);
    flow.point == ObservationPoint::ServerApp && flow.key().parent_span_id.is_empty() && found[app].is_none()
}

/// The resource that an application span itself names. Only stored spans name one.
fn resource(app: &Flow) -> Option<End> {
    let side = &app.row.sides[app.side()];
    let known = side.auto_instance_id != 0 && side.auto_instance_type != 0 && side.auto_instance_type != 255;
    known.then_some((side.auto_instance_type, side.auto_instance_id))
}
