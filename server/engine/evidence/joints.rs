//! The decisions: below which span each call and each process entry belongs.

mod apps_of_requests;

use std::cmp::Reverse;

use rustc_hash::{FxHashMap, FxHashSet};

use apps_of_requests::AppsOfRequests;

use super::{
    app_tree::{self, AppTree},
    exchange::{Arrivals, Clocks, End, Exchange, Inner},
    serving::{self, Servers, Tie},
    thread::Threads,
};
use crate::{
    engine::{
        flows::Flow,
        tree::{Rule, Tree},
    },
    flow::{ObservationPoint, Text},
};

/// Whether a child and its parent, both application or system spans, are of one process.
pub(super) fn in_one_process(parent: &Flow, child: &Flow) -> bool {
    match (parent.is_app(), child.is_app()) {
        (true, true) => !app_tree::enters_process(parent, child),
        (false, true) => parent.point == ObservationPoint::ServerProcess,
        (_, false) => child.point == ObservationPoint::ClientProcess,
    }
}

/// Decides and links all heads and all application spans.
pub(super) fn decide(tree: &mut Tree<'_>, exchanges: &[Exchange], host_clock_offset_us: i64) {
    let flows = tree.flows;
    let threads = Threads::of(flows);
    let servers = Servers::of(flows, exchanges, &threads);
    let serves = exchanges
        .iter()
        .map(|e| e.client.and_then(|client| servers.of_client(client, e, &threads)))
        .collect();
    let mut exchange_of = vec![None; flows.len()];
    for (exchange, i) in exchanges.iter().zip(0u32..) {
        exchange_of[exchange.head as usize] = Some(i);
        exchange_of[exchange.tail as usize] = Some(i);
    }
    let mut joints = Joints {
        flows,
        exchanges,
        arrivals: Arrivals::of(flows, exchanges),
        exchange_of,
        apps: AppTree::of(flows, exchanges.iter().map(|exchange| exchange.span_id).collect()),
        threads,
        serves,
        caller: vec![None; exchanges.len()],
        calls_of_top: FxHashMap::default(),
        entry: vec![None; flows.len()],
        calling_until_us: FxHashMap::default(),
        slack_us: host_clock_offset_us,
    };
    joints.calls_of_app_spans();
    joints.entries_by_span_id();
    joints.entries_by_calls();
    joints.entries_where_traces_begin();
    let apps = AppsOfRequests::of(&joints);
    joints.other_calls(&apps);
    joints.link(tree, &apps);
}

struct Joints<'a> {
    flows: &'a [Flow],
    exchanges: &'a [Exchange],
    arrivals: Arrivals<'a>,
    /// The exchange of each head and tail.
    exchange_of: Vec<Option<u32>>,
    apps: AppTree,
    threads: Threads,
    /// For each exchange the server span whose request it serves.
    serves: Vec<Option<(u32, Tie)>>,
    /// For each exchange the span that made the call.
    caller: Vec<Option<(u32, Rule)>>,
    /// The exchanges that application spans made, by the top of their process.
    calls_of_top: FxHashMap<u32, Vec<u32>>,
    /// For each application span that enters a process, what brought its request.
    entry: Vec<Option<(u32, Rule)>>,
    /// For client spans, when the last call ends that they were given because they are around it, in µs.
    calling_until_us: FxHashMap<u32, i64>,
    slack_us: i64,
}

impl<'a> Joints<'a> {
    fn flow(&self, node: u32) -> &'a Flow {
        &self.flows[node as usize]
    }

    /// What is looked for is around this span.
    fn inner(&self, node: u32, head: u32) -> Inner<'a> {
        Inner { flow: self.flow(node), head, slack_us: self.slack_us }
    }

    /// Whether the tail of an exchange is around an application span of the process that it reaches, or at
    /// least around its start, and by which clocks.
    fn brings(&self, exchange: &Exchange, app: u32) -> Option<Clocks> {
        let inner = self.inner(app, u32::MAX);
        let tail = self.flow(exchange.tail);
        let clocks = [Clocks::AsTheyAre, Clocks::Off, Clocks::Outlasts];
        clocks.into_iter().find(|&clocks| inner.is_within(tail, clocks))
    }

    /// Calls that carry the id of an application span are its own, unless a process that received the
    /// header passed it on: then they are that process's.
    fn calls_of_app_spans(&mut self) {
        for (at, exchange) in self.exchanges.iter().enumerate() {
            if exchange.span_id.is_empty() {
                continue;
            }
            self.caller[at] = match self.serves[at] {
                Some((server, tie)) if self.span_id_of(server) == exchange.span_id => {
                    Some((server, rule_of(tie)))
                }
                _ => match self.forwarder(exchange) {
                    Some(tail) => Some((tail, Rule::Forwarded)),
                    None => self
                        .apps
                        .with_span_id(exchange.span_id, exchange.head, self.flows)
                        .map(|app| (app, Rule::CallOfAppSpan)),
                },
            };
            if let Some((app, Rule::CallOfAppSpan)) = self.caller[at] {
                self.calls_of_top.entry(self.apps.top(app)).or_default().push(at as u32);
            }
        }
    }

    fn span_id_of(&self, node: u32) -> Text {
        self.exchange_of[node as usize].map_or(Text::EMPTY, |e| self.exchanges[e as usize].span_id)
    }

    /// For a call that is not tied to a request of its process: the exchange with the same header that
    /// ends where this one begins.
    fn forwarder(&self, exchange: &Exchange) -> Option<u32> {
        let inner = self.inner(exchange.head, exchange.head);
        let found = self.arrivals.at_with_span_id(exchange.ends[0], exchange.span_id, &inner)?;
        let other = &self.exchanges[found as usize];
        // Two known processes that nothing ties together are not one.
        let apart = other.server.is_some() && exchange.client.is_some();
        (!apart && other.trace_ids.intersects(&exchange.trace_ids)).then_some(other.tail)
    }

    /// An application span that names a parent in another process was reached by the exchange that
    /// carries the parent's id. If several processes passed the header on, the one that is of its process
    /// by its calls, else the innermost around it.
    fn entries_by_span_id(&mut self) {
        let mut entries: Vec<(bool, u32, Vec<Candidate>)> = Vec::new();
        for &app in &self.apps.nodes {
            let flow = self.flow(app);
            if self.apps.local_parent(app, self.flows).is_some() || flow.point == ObservationPoint::ClientApp
            {
                continue;
            }
            let inner = self.inner(app, u32::MAX);
            let mut fitting: Vec<Candidate> = self
                .arrivals
                .with_span_id(flow.key().parent_span_id, &inner)
                .map(|e| (&self.exchanges[e as usize], e))
                .filter(|(exchange, _)| exchange.trace_ids.intersects(&flow.trace_ids))
                .filter_map(|(exchange, e)| {
                    Some((self.kinship(app, exchange)?, self.brings(exchange, app)?, e))
                })
                .take(MAX_ARRIVALS)
                .collect();
            fitting.sort_unstable_by_key(|&(kinship, clocks, e)| {
                (kinship, clocks, self.exchanges[e as usize].tail)
            });
            if let Some(&(kinship, ..)) = fitting.last() {
                entries.push((kinship == Kinship::Unknown, app, fitting));
            }
        }
        // Those whose process is known choose first; then the latest, since the latest exchange is taken.
        let start_us = |app: u32| self.flow(app).key().start_us;
        entries.sort_unstable_by_key(|&(unknown, app, _)| (unknown, Reverse(start_us(app)), app));
        let mut taken: FxHashSet<u32> = FxHashSet::default();
        for (unknown, app, mut fitting) in entries {
            let is_guess = unknown && fitting.len() > 1;
            let rule = if is_guess { Rule::EntryBySpanIdOfSeveral } else { Rule::EntryBySpanId };
            while let Some((_, _, e)) = fitting.pop() {
                if taken.insert(e) {
                    self.entry[app as usize] = Some((self.exchanges[e as usize].tail, rule));
                    break;
                }
            }
        }
    }

    /// Whether the process that an exchange reaches is that of an application span, as far as the span's
    /// calls and its own resource say. `None` if it is another one.
    fn kinship(&self, top: u32, exchange: &Exchange) -> Option<Kinship> {
        let mut known = Kinship::Unknown;
        if let (Some(own), Some(end)) = (resource(self.flow(top)), exchange.ends[1]) {
            if own != end {
                return None;
            }
            known = Kinship::Instance;
        }
        for &call in self.calls_of_top.get(&top).into_iter().flatten() {
            let call_exchange = &self.exchanges[call as usize];
            match (self.serves[call as usize], exchange.server) {
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

    /// Tops without a known request: what their calls serve is their request; or, where the process is
    /// known by its resource only, the innermost exchange of the trace that arrives there.
    fn entries_by_calls(&mut self) {
        let mut of_missing_parent: FxHashMap<Text, (u32, Rule)> = FxHashMap::default();
        let mut guessed: FxHashSet<u32> = FxHashSet::default();
        let mut tops: Vec<u32> =
            self.apps.nodes.iter().copied().filter(|&app| self.is_open_top(app)).collect();
        // The latest first: it takes the latest exchange, where only the resource is known.
        tops.sort_unstable_by_key(|&top| (Reverse(self.flow(top).key().start_us), top));
        let mut open = Vec::new();
        for top in tops {
            match self.request_of_calls(top, &guessed) {
                Some((tail, rule)) => {
                    if rule == Rule::EntryByResource {
                        guessed.insert(tail);
                    }
                    self.entry[top as usize] = Some((tail, rule));
                    let parent = self.flow(top).key().parent_span_id;
                    if !parent.is_empty() {
                        of_missing_parent.insert(parent, (tail, rule));
                    }
                }
                None => open.push(top),
            }
        }
        for top in open {
            let brother = of_missing_parent.get(&self.flow(top).key().parent_span_id).copied();
            let fits = |(tail, _): &(u32, Rule)| {
                self.exchange_of[*tail as usize]
                    .is_some_and(|e| self.brings(&self.exchanges[e as usize], top).is_some())
            };
            if let Some(entry) = brother.filter(fits) {
                self.entry[top as usize] = Some(entry);
            }
        }
    }

    /// A root of a trace entered the process where the trace begins: by a request without it, for which a
    /// thread made calls with it. Only where one such request is around the root.
    fn entries_where_traces_begin(&mut self) {
        let mut beginnings: FxHashMap<Text, Vec<u32>> = FxHashMap::default();
        for (exchange, serves) in self.exchanges.iter().zip(&self.serves) {
            let Some((server, Tie::Thread)) = *serves else { continue };
            let Some(request) = self.exchange_of[server as usize] else { continue };
            for id in exchange.trace_ids.iter().filter(|id| !id.is_empty()) {
                if !self.exchanges[request as usize].trace_ids.iter().any(|other| other == id) {
                    beginnings.entry(id).or_default().push(request);
                }
            }
        }
        for requests in beginnings.values_mut() {
            requests.sort_unstable();
            requests.dedup();
            // With so many nothing is certain, and each root would look at them all.
            if requests.len() > MAX_BEGINNINGS {
                requests.clear();
            }
        }
        let roots: Vec<u32> =
            self.apps.nodes.iter().copied().filter(|&app| self.is_root_of_trace(app)).collect();
        for root in roots {
            let of_trace = self.flow(root).trace_ids.iter().filter_map(|id| beginnings.get(&id)).flatten();
            let fits = |tail: &u32| {
                let request = self.exchange_of[*tail as usize].map(|e| &self.exchanges[e as usize]);
                request.is_some_and(|r| self.kinship(root, r).is_some() && self.brings(r, root).is_some())
            };
            let mut fitting: Vec<u32> =
                of_trace.map(|&e| self.exchanges[e as usize].tail).filter(fits).collect();
            fitting.sort_unstable();
            fitting.dedup();
            if let &[tail] = fitting.as_slice() {
                self.entry[root as usize] = Some((tail, Rule::EntryWhereTraceBegins));
            }
        }
    }

    /// A server span that names no parent, and that nothing leads to yet.
    fn is_root_of_trace(&self, app: u32) -> bool {
        let flow = self.flow(app);
        flow.point == ObservationPoint::ServerApp
            && flow.key().parent_span_id.is_empty()
            && self.entry[app as usize].is_none()
    }

    /// A top that nothing leads to yet: it names no parent that is there, or serves one's call.
    fn is_open_top(&self, app: u32) -> bool {
        self.apps.top(app) == app
            && self.entry[app as usize].is_none()
            && (self.apps.parent(app).is_none() || self.flow(app).point == ObservationPoint::ServerApp)
    }

    fn request_of_calls(&self, top: u32, guessed: &FxHashSet<u32>) -> Option<(u32, Rule)> {
        let calls = self.calls_of_top.get(&top).map_or(&[][..], Vec::as_slice);
        let mut calls: Vec<u32> = calls.to_vec();
        calls.sort_unstable_by_key(|&call| self.exchanges[call as usize].head);
        let covers = |server: u32, clocks| self.inner(top, u32::MAX).is_within(self.flow(server), clocks);
        let is_open = |&(server, tie): &(u32, Tie)| tie != Tie::TraceId || !guessed.contains(&server);
        let served = || calls.iter().filter_map(|&call| self.serves[call as usize]).filter(is_open);
        let around = served().find(|&(server, _)| covers(server, Clocks::AsTheyAre)).or_else(|| {
            served().find(|&(server, tie)| tie >= Tie::XRequestId && covers(server, Clocks::Outlasts))
        });
        if let Some((server, tie)) = around {
            let is_guess = tie == Tie::TraceId;
            return Some((server, if is_guess { Rule::EntryByResource } else { Rule::EntryByCalls }));
        }
        let ends = resource(self.flow(top)).into_iter();
        let ends = ends.chain(calls.iter().filter_map(|&call| self.exchanges[call as usize].ends[0]));
        let head = calls.first().map_or(u32::MAX, |&call| self.exchanges[call as usize].head);
        let inner = self.inner(top, head);
        let own_calls: FxHashSet<u32> = calls.iter().copied().collect();
        let is_free = |found: u32| !guessed.contains(&self.exchanges[found as usize].tail);
        ends.filter_map(|end| self.arrivals.at_in_trace(end, &self.flow(top).trace_ids, &inner, is_free))
            .find(|found| {
                let exchange = &self.exchanges[*found as usize];
                !own_calls.contains(found) && self.brings(exchange, top).is_some()
            })
            .map(|found| (self.exchanges[found as usize].tail, Rule::EntryByResource))
    }

    /// Calls that no application span is known to have made: by the innermost application span around
    /// them in their process, else by the server span whose request they serve, else by what precedes
    /// them on the network.
    fn other_calls(&mut self, apps: &AppsOfRequests) {
        let anchors = self.anchors();
        let mut open: Vec<usize> =
            (0..self.exchanges.len()).filter(|&at| self.caller[at].is_none()).collect();
        open.sort_unstable_by_key(|&at| self.exchanges[at].head);
        for at in open {
            let exchange = &self.exchanges[at];
            let head = exchange.head;
            let below = |tail: u32, rule: Rule| match apps.innermost(self, tail, head) {
                Some(app) => (app, Rule::EnclosingAppSpan),
                None => (tail, rule),
            };
            let caller = if let Some((server, tie)) = self.serves[at] {
                Some(below(server, rule_of(tie)))
            } else {
                let anchor =
                    exchange.client.and_then(|node| self.threads.chain(node)).and_then(|c| anchors.get(&c));
                let of_thread = anchor.and_then(|anchor| match *anchor {
                    Anchor::Tail(tail) if self.inner(head, head).is_within(self.flow(tail), Clocks::Off) => {
                        Some(below(tail, Rule::Preceding))
                    }
                    Anchor::Tail(_) => None,
                    Anchor::Top(top) => apps.of_top(self, top, head).map(|app| (app, Rule::EnclosingAppSpan)),
                });
                of_thread
                    .or_else(|| self.preceding(exchange).map(|tail| below(tail, Rule::Preceding)))
                    .or_else(|| {
                        let app = apps.of_process(self, exchange.client?)?;
                        Some((app, Rule::EnclosingAppSpan))
                    })
            };
            self.caller[at] = caller;
            if let Some((app, Rule::EnclosingAppSpan)) = caller {
                let end_us = self.flow(head).key().end_us;
                let until_us = self.calling_until_us.entry(app).or_insert(end_us);
                *until_us = (*until_us).max(end_us);
            }
        }
    }

    /// For a call without a tie to a process: the exchange that ends where it begins, of one X-Request-ID
    /// or trace.
    fn preceding(&self, exchange: &Exchange) -> Option<u32> {
        let end = exchange.ends[0];
        let inner = self.inner(exchange.head, exchange.head);
        let by_x = Some(exchange.x_request_ids[0])
            .filter(|id| !id.is_empty())
            .and_then(|id| self.arrivals.at_with_x_request_id(end, id, &inner));
        let of_trace = || self.arrivals.at_in_trace(end?, &exchange.trace_ids, &inner, |_| true);
        let found = by_x.or_else(of_trace)?;
        let other = &self.exchanges[found as usize];
        let process = |node: Option<u32>| node.and_then(|node| serving::process(self.flow(node)));
        let apart = match (process(other.server), process(exchange.client)) {
            (Some(server), Some(client)) => server != client,
            _ => false,
        };
        (!apart).then_some(other.tail)
    }

    /// What is known of threads whose server span was not captured: what another call of the thread hangs
    /// below.
    fn anchors(&self) -> FxHashMap<u32, Anchor> {
        let mut anchors = FxHashMap::default();
        for (exchange, caller) in self.exchanges.iter().zip(&self.caller) {
            let chain = exchange.client.and_then(|client| self.threads.chain(client));
            if let (Some(chain), Some((caller, _))) = (chain, *caller) {
                let anchor = match self.flow(caller).is_app() {
                    true => Anchor::Top(self.apps.top(caller)),
                    false => Anchor::Tail(caller),
                };
                anchors.entry(chain).or_insert(anchor);
            }
        }
        anchors
    }

    fn link(&self, tree: &mut Tree<'_>, apps: &AppsOfRequests) {
        for (exchange, caller) in self.exchanges.iter().zip(&self.caller) {
            if let &Some((caller, rule)) = caller {
                tree.link(exchange.head, caller, rule);
            }
        }
        for &app in &self.apps.nodes {
            match (self.entry[app as usize], self.apps.parent(app)) {
                (Some((tail, rule)), Some(parent)) if self.leads_to(tail, parent) => {
                    tree.link(app, tail, rule)
                }
                (_, Some(parent)) => tree.link(app, parent, Rule::AppParent),
                (Some((tail, rule)), None) => match apps.around(self, tail, app) {
                    Some(outer) => tree.link(app, outer, Rule::EnclosingAppSpan),
                    None => tree.link(app, tail, rule),
                },
                (None, None) => {}
            }
        }
    }

    /// Whether the way up from an exchange's tail meets `app` before any other application span: else the
    /// caller's own parent would be lost (deviation 8).
    fn leads_to(&self, tail: u32, app: u32) -> bool {
        let mut at = tail;
        for _ in 0..self.exchanges.len() {
            let Some(exchange) = self.exchange_of[at as usize] else { return false };
            match self.caller[exchange as usize] {
                Some((caller, _)) if self.flow(caller).is_app() => return caller == app,
                Some((caller, _)) => at = caller,
                None => return false,
            }
        }
        false
    }
}

/// Exchanges with the id of its parent that a span chooses from, at most: the latest around it.
const MAX_ARRIVALS: usize = 64;

/// Requests in which one trace begins, at most: there is one, but for requests that were made again.
const MAX_BEGINNINGS: usize = 16;

/// An exchange that may have brought an application span's request, and how well it fits.
type Candidate = (Kinship, Clocks, u32);

/// How surely an exchange reaches the process of an application span.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Kinship {
    /// Nothing says.
    Unknown,
    /// It reaches its instance.
    Instance,
    /// The span's calls serve the very request.
    Request,
}

/// Where the calls of a thread belong whose server span was not captured.
enum Anchor {
    /// Below the tail of an exchange.
    Tail(u32),
    /// In the process of this application span.
    Top(u32),
}

/// The resource that an application span itself names, as stored ones do.
fn resource(app: &Flow) -> Option<End> {
    let side = &app.row.sides[app.side()];
    let known = side.auto_instance_id != 0 && side.auto_instance_type != 0 && side.auto_instance_type != 255;
    known.then_some((side.auto_instance_type, side.auto_instance_id))
}

fn rule_of(tie: Tie) -> Rule {
    match tie {
        Tie::Thread => Rule::ServesByThread,
        Tie::XRequestId => Rule::ServesByXRequestId,
        Tie::SpanId => Rule::ServesBySpanId,
        Tie::TraceId => Rule::ServesByTraceId,
    }
}
