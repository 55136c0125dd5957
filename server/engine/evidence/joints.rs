//! The decisions: below which span each call and each process entry belongs.

use rustc_hash::FxHashMap;

use super::{
    app_tree::{self, AppTree},
    exchange::{self, Exchange},
    serving::{self, Process, Servers, Tie},
    thread::Threads,
};
use crate::{
    engine::{
        flows::Flow,
        tree::{Rule, Tree},
    },
    flow::{L7Protocol, ObservationPoint, Text},
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
    let serves =
        exchanges.iter().map(|e| e.client.and_then(|client| servers.of_client(client, e, &threads))).collect();
    let mut joints = Joints {
        flows,
        exchanges,
        by_span_id: exchange::by_span_id(exchanges),
        exchange_of: exchange_of(flows, exchanges),
        apps: AppTree::of(flows),
        threads,
        serves,
        caller: vec![None; exchanges.len()],
        entry: vec![None; flows.len()],
        slack_us: host_clock_offset_us,
    };
    joints.calls_of_app_spans();
    joints.entries_by_span_id();
    joints.entries_by_calls();
    joints.other_calls();
    joints.link(tree);
}

struct Joints<'a> {
    flows: &'a [Flow],
    exchanges: &'a [Exchange],
    by_span_id: FxHashMap<Text, Vec<u32>>,
    /// The exchange of each head and tail.
    exchange_of: Vec<Option<u32>>,
    apps: AppTree,
    threads: Threads,
    /// For each exchange the server span whose request it serves.
    serves: Vec<Option<(u32, Tie)>>,
    /// For each exchange the span that made the call.
    caller: Vec<Option<(u32, Rule)>>,
    /// For each application span that enters a process, what brought its request.
    entry: Vec<Option<(u32, Rule)>>,
    slack_us: i64,
}

fn exchange_of(flows: &[Flow], exchanges: &[Exchange]) -> Vec<Option<u32>> {
    let mut of = vec![None; flows.len()];
    for (exchange, i) in exchanges.iter().zip(0u32..) {
        of[exchange.head as usize] = Some(i);
        of[exchange.tail as usize] = Some(i);
    }
    of
}

impl Joints<'_> {
    fn flow(&self, node: u32) -> &Flow {
        &self.flows[node as usize]
    }

    /// Whether `outer` is around `inner`. Spans of one host have one clock; application spans have the
    /// clock of their process's host, which is known only of process spans next to them.
    fn around(&self, outer: u32, inner: u32, one_clock: bool) -> bool {
        let (outer, inner) = (self.flow(outer), self.flow(inner));
        if one_clock {
            return outer.covers_or_lost(inner);
        }
        let (o, i) = (outer.key(), inner.key());
        let lost = !outer.is_app() && outer.row.duration_us == 0;
        o.start_us.saturating_sub(self.slack_us) <= i.start_us
            && (lost || o.end_us.saturating_add(self.slack_us) >= i.end_us)
    }

    /// Calls that carry the id of an application span are its own, unless a process that received the
    /// header passed it on: then they are that process's.
    fn calls_of_app_spans(&mut self) {
        for at in 0..self.exchanges.len() {
            let exchange = &self.exchanges[at];
            if exchange.span_id.is_empty() {
                continue;
            }
            self.caller[at] = match self.serves[at] {
                Some((server, tie)) if self.span_id_of(server) == exchange.span_id => {
                    Some((server, rule_of(tie)))
                }
                _ => match self.forwarder(at) {
                    Some(tail) => Some((tail, Rule::Forwarded)),
                    None => self
                        .apps
                        .with_span_id(exchange.span_id, exchange.head, self.flows)
                        .map(|app| (app, Rule::CallOfAppSpan)),
                },
            };
        }
    }

    fn span_id_of(&self, node: u32) -> Text {
        self.exchange_of[node as usize].map_or(Text::EMPTY, |e| self.exchanges[e as usize].span_id)
    }

    /// For a call whose client process was not captured, or is not tied to a request: the exchange with
    /// the same header that ends where this one begins.
    fn forwarder(&self, at: usize) -> Option<u32> {
        let exchange = &self.exchanges[at];
        let from = exchange.ends[0]?;
        let candidates = self.by_span_id.get(&exchange.span_id)?.iter().map(|&e| &self.exchanges[e as usize]);
        candidates
            .filter(|other| {
                other.head != exchange.head
                    && other.ends[1] == Some(from)
                    && other.trace_ids.intersects(&exchange.trace_ids)
                    // Known processes decide themselves.
                    && !(other.server.is_some() && exchange.client.is_some())
                    && self.around(other.tail, exchange.head, false)
            })
            .max_by_key(|other| (self.flow(other.tail).key().start_us, other.tail))
            .map(|other| other.tail)
    }

    /// An application span that names a parent in another process was reached by the exchange that
    /// carries the parent's id: the innermost around it, if several processes passed the header on.
    fn entries_by_span_id(&mut self) {
        let mut taken: FxHashMap<u32, u32> = FxHashMap::default();
        for at in 0..self.apps.nodes.len() {
            let app = self.apps.nodes[at];
            let flow = self.flow(app);
            if self.apps.local_parent(app, self.flows).is_some() || flow.point == ObservationPoint::ClientApp {
                continue;
            }
            let Some(candidates) = self.by_span_id.get(&flow.key().parent_span_id) else { continue };
            let best = candidates
                .iter()
                .map(|&e| &self.exchanges[e as usize])
                .filter(|e| {
                    e.trace_ids.intersects(&flow.trace_ids)
                        && self.around(e.tail, app, e.server.is_some())
                        && !taken.contains_key(&e.tail)
                })
                .max_by_key(|e| (self.flow(e.tail).key().start_us, e.tail));
            if let Some(exchange) = best {
                taken.insert(exchange.tail, app);
                self.entry[app as usize] = Some((exchange.tail, Rule::EntryBySpanId));
            }
        }
    }

    /// The top of an application span's process: its ancestor that enters the process.
    fn top(&self, app: u32) -> u32 {
        let mut at = app;
        for _ in 0..self.apps.nodes.len() {
            match self.apps.local_parent(at, self.flows) {
                Some(parent) => at = parent,
                None => break,
            }
        }
        at
    }

    /// Tops without a known request: what their calls serve is their request (deviations 5 and 6).
    fn entries_by_calls(&mut self) {
        let mut found: FxHashMap<u32, (u32, i64)> = FxHashMap::default();
        let mut of_missing_parent: FxHashMap<Text, (u32, i64)> = FxHashMap::default();
        for (at, exchange) in self.exchanges.iter().enumerate() {
            let Some((app, Rule::CallOfAppSpan)) = self.caller[at] else { continue };
            let Some((server, _)) = self.serves[at] else { continue };
            let top = self.top(app);
            if self.entry[top as usize].is_some() || !self.around(server, top, true) {
                continue;
            }
            let start = self.flow(exchange.head).key().start_us;
            let entry = (server, start);
            let earlier = |known: &mut (u32, i64)| {
                if start < known.1 {
                    *known = entry;
                }
            };
            found.entry(top).and_modify(earlier).or_insert(entry);
            let parent = self.flow(top).key().parent_span_id;
            if !parent.is_empty() && self.apps.parent(top).is_none() {
                of_missing_parent.entry(parent).and_modify(earlier).or_insert(entry);
            }
        }
        for at in 0..self.apps.nodes.len() {
            let app = self.apps.nodes[at];
            let named = self.apps.parent(app).is_some();
            if named && self.flow(app).point != ObservationPoint::ServerApp
                || self.entry[app as usize].is_some()
                || self.top(app) != app
            {
                continue;
            }
            let own = found.get(&app);
            let brother = of_missing_parent.get(&self.flow(app).key().parent_span_id);
            if let Some(&(server, _)) = own.or(brother)
                && self.around(server, app, true)
            {
                self.entry[app as usize] = Some((server, Rule::EntryByCalls));
            }
        }
    }

    /// Calls that no application span is known to have made: by the innermost application span around
    /// them in their process, else by the server span whose request they serve, else by what precedes
    /// them on the network.
    fn other_calls(&mut self) {
        let served = AppsOfRequests::of(self);
        for at in 0..self.exchanges.len() {
            if self.caller[at].is_some() {
                continue;
            }
            let exchange = &self.exchanges[at];
            let caller = match (self.serves[at], exchange.client) {
                (Some((server, tie)), Some(client)) => {
                    let app = served.innermost(self, server, client);
                    Some(app.map_or((server, rule_of(tie)), |app| (app, Rule::EnclosingAppSpan)))
                }
                (None, Some(client)) => {
                    served.of_process(self, client).map(|app| (app, Rule::EnclosingAppSpan))
                }
                _ => None,
            };
            self.caller[at] = caller.or_else(|| self.preceding(at).map(|tail| (tail, Rule::Preceding)));
        }
    }

    /// For a call without a tie to a process: the exchange that ends where it begins, of one X-Request-ID
    /// or trace.
    fn preceding(&self, at: usize) -> Option<u32> {
        let exchange = &self.exchanges[at];
        let from = exchange.ends[0]?;
        let x_request_id = exchange.x_request_ids[0];
        self.exchanges
            .iter()
            .filter(|other| {
                let by_x = !x_request_id.is_empty() && other.x_request_ids.contains(&x_request_id);
                other.head != exchange.head
                    && other.ends[1] == Some(from)
                    && (by_x || other.trace_ids.intersects(&exchange.trace_ids))
                    && self.around(other.tail, exchange.head, false)
                    && self.flow(other.tail).key().start_us <= self.flow(exchange.head).key().start_us
            })
            .max_by_key(|other| (self.flow(other.tail).key().start_us, other.tail))
            .map(|other| other.tail)
    }

    fn link(&self, tree: &mut Tree<'_>) {
        for (exchange, caller) in self.exchanges.iter().zip(&self.caller) {
            if let &Some((caller, rule)) = caller {
                tree.link(exchange.head, caller, rule);
            }
        }
        for &app in &self.apps.nodes {
            match (self.entry[app as usize], self.apps.parent(app)) {
                (Some((tail, rule)), Some(parent)) if self.leads_to(tail, parent) => tree.link(app, tail, rule),
                (_, Some(parent)) => tree.link(app, parent, Rule::AppParent),
                (Some((tail, rule)), None) => tree.link(app, tail, rule),
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

fn rule_of(tie: Tie) -> Rule {
    match tie {
        Tie::Thread => Rule::ServesByThread,
        Tie::XRequestId => Rule::ServesByXRequestId,
        Tie::SpanId => Rule::ServesBySpanId,
        Tie::TraceId => Rule::ServesByTraceId,
    }
}

/// The application spans of each request that a process served, and of each process.
struct AppsOfRequests {
    /// By server span: application spans of its process below it, by start.
    of_server: FxHashMap<u32, Vec<u32>>,
    /// By process: those whose process is known, by start.
    of_process: FxHashMap<Process, Vec<u32>>,
    /// Application spans that made a call of their own.
    calls: FxHashMap<u32, ()>,
}

impl AppsOfRequests {
    fn of(joints: &Joints<'_>) -> Self {
        let mut apps = AppsOfRequests {
            of_server: FxHashMap::default(),
            of_process: FxHashMap::default(),
            calls: FxHashMap::default(),
        };
        let mut process_of: FxHashMap<u32, Process> = FxHashMap::default();
        for (exchange, caller) in joints.exchanges.iter().zip(&joints.caller) {
            if let &Some((app, Rule::CallOfAppSpan)) = caller {
                apps.calls.insert(app, ());
                if let Some(process) = exchange.client.and_then(|client| serving::process(joints.flow(client))) {
                    process_of.entry(joints.top(app)).or_insert(process);
                }
            }
        }
        for &app in &joints.apps.nodes {
            let top = joints.top(app);
            let entry = joints.entry[top as usize].map(|(tail, _)| tail);
            if let Some(server) = entry {
                apps.of_server.entry(server).or_default().push(app);
            }
            let of_entry = entry.and_then(|server| serving::process(joints.flow(server)));
            if let Some(process) = of_entry.or(process_of.get(&top).copied()) {
                apps.of_process.entry(process).or_default().push(app);
            }
        }
        apps
    }

    /// Below a server span, the innermost application span around a client span.
    fn innermost(&self, joints: &Joints<'_>, server: u32, client: u32) -> Option<u32> {
        self.pick(joints, self.of_server.get(&server)?, client)
    }

    /// Of a process whose server span is not known, the innermost application span around a client span.
    fn of_process(&self, joints: &Joints<'_>, client: u32) -> Option<u32> {
        let process = serving::process(joints.flow(client))?;
        self.pick(joints, self.of_process.get(&process)?, client)
    }

    fn pick(&self, joints: &Joints<'_>, apps: &[u32], client: u32) -> Option<u32> {
        let is_dns = joints.flow(client).key().l7_protocol == L7Protocol::DNS;
        let until =
            apps.partition_point(|&app| joints.flow(app).key().start_us <= joints.flow(client).key().start_us);
        apps[..until].iter().rev().copied().find(|&app| {
            let flow = joints.flow(app);
            // A client span that made its call makes no other one, but may look its server up.
            let busy = flow.point == ObservationPoint::ClientApp && self.calls.contains_key(&app) && !is_dns;
            !busy && flow.covers(joints.flow(client))
        })
    }
}
