//! The application spans of a request, and of a process: which of them is around a call.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{calls::CallsByHeader, entries::Entries, facts::Facts};
use crate::{
    engine::{
        evidence::{
            by_start::ByStart,
            inner::{MILLISECOND_US, grain_us},
            serving::{self, Process},
        },
        index::NodeId,
        rule::Rule,
    },
    flow::{L7Protocol, ObservationPoint},
};

/// For each client span, the end of the last call assigned to it by enclosure, in µs.
#[derive(Default)]
pub(super) struct CallingUntil(FxHashMap<NodeId, i64>);

impl CallingUntil {
    /// Another call that ends at `end_us` is assigned to the client span `app`.
    pub(super) fn extend(&mut self, app: NodeId, end_us: i64) {
        let until_us = self.0.entry(app).or_insert(end_us);
        *until_us = (*until_us).max(end_us);
    }

    /// Whether the calls assigned to the client span are over when another one starts.
    fn is_free(&self, app: NodeId, start_us: i64) -> bool {
        self.0.get(&app).is_none_or(|&until_us| until_us <= start_us)
    }
}

/// The application spans of each request that a process served, and of each process; by start.
pub(super) struct AppsOfRequests {
    /// By the tail of the exchange that brought the request.
    of_tail: FxHashMap<NodeId, ByStart<NodeId>>,
    /// By the top of the process.
    of_top: FxHashMap<NodeId, ByStart<NodeId>>,
    /// By process, where it is known.
    of_process: FxHashMap<Process, ByStart<NodeId>>,
    /// Application spans that made a call that carries their id.
    callers: FxHashSet<NodeId>,
}

impl AppsOfRequests {
    pub(super) fn of(facts: &Facts<'_>, calls: &CallsByHeader, entries: &Entries) -> Self {
        let mut apps = AppsOfRequests {
            of_tail: FxHashMap::default(),
            of_top: FxHashMap::default(),
            of_process: FxHashMap::default(),
            callers: FxHashSet::default(),
        };
        let mut process_of: FxHashMap<NodeId, Process> = FxHashMap::default();
        for (exchange, caller) in facts.exchanges.iter().zip(&calls.callers) {
            if let &Some((app, Rule::CallOfAppSpan)) = caller {
                apps.callers.insert(app);
                if let Some(process) = exchange.client.and_then(|client| serving::process(facts.flow(client)))
                {
                    process_of.entry(facts.apps.top(app)).or_insert(process);
                }
            }
        }
        for &app in &facts.apps.nodes {
            let top = facts.apps.top(app);
            let key = facts.flow(app).key();
            let file = |file: &mut ByStart<NodeId>| file.push(app, key.start_us, key.end_us);
            file(apps.of_top.entry(top).or_default());
            let tail = entries.of_app(top).map(|(tail, _)| tail);
            if let Some(tail) = tail {
                file(apps.of_tail.entry(tail).or_default());
            }
            let of_entry = tail.and_then(|tail| serving::process(facts.flow(tail)));
            if let Some(process) = of_entry.or(process_of.get(&top).copied()) {
                file(apps.of_process.entry(process).or_default());
            }
        }
        apps
    }

    /// The innermost application span around a call, of the request that a tail brought.
    pub(super) fn innermost(
        &self,
        facts: &Facts<'_>,
        calling_until: &CallingUntil,
        tail: NodeId,
        head: NodeId,
    ) -> Option<NodeId> {
        self.pick(facts, calling_until, self.of_tail.get(&tail)?, head)
    }

    /// The innermost application span around a top whose named parent is not there, of the request that a
    /// tail brought.
    pub(super) fn around(&self, facts: &Facts<'_>, tail: NodeId, top: NodeId) -> Option<NodeId> {
        let apps = self.of_tail.get(&tail)?;
        let inner = facts.flow(top).key();
        apps.around(inner.start_us.saturating_sub(1), inner.end_us.saturating_sub(MILLISECOND_US)).find(
            |&app| {
                let flow = facts.flow(app);
                facts.apps.top(app) != top
                    && flow.point != ObservationPoint::ClientApp
                    && flow.key().end_us.saturating_add(grain_us(flow)) >= inner.end_us
            },
        )
    }

    /// The innermost application span around a call, of the process that was entered with `top`.
    pub(super) fn of_top(
        &self,
        facts: &Facts<'_>,
        calling_until: &CallingUntil,
        top: NodeId,
        head: NodeId,
    ) -> Option<NodeId> {
        self.pick(facts, calling_until, self.of_top.get(&top)?, head)
    }

    /// The innermost application span around a client process span, of the same process.
    pub(super) fn of_process(
        &self,
        facts: &Facts<'_>,
        calling_until: &CallingUntil,
        client: NodeId,
    ) -> Option<NodeId> {
        let process = serving::process(facts.flow(client))?;
        self.pick(facts, calling_until, self.of_process.get(&process)?, client)
    }

    /// The innermost application span around a call. A client span that makes another call at that time is
    /// passed over for the next client span that does not.
    fn pick(
        &self,
        facts: &Facts<'_>,
        calling_until: &CallingUntil,
        apps: &ByStart<NodeId>,
        head: NodeId,
    ) -> Option<NodeId> {
        let call = facts.flow(head).key();
        let is_dns = call.l7_protocol == L7Protocol::DNS;
        let is_client = |app: NodeId| facts.flow(app).point == ObservationPoint::ClientApp;
        // Some tracers cut their times to whole milliseconds, so a span may end up to a millisecond later
        // than it says. Its start needs no such margin, since cutting moves it to an earlier time.
        let mut around =
            apps.around(call.start_us, call.end_us.saturating_sub(MILLISECOND_US)).filter(|&app| {
                let flow = facts.flow(app);
                // A client span that already made its call makes no other one, but a DNS lookup for it is
                // possible.
                let busy = is_client(app) && self.callers.contains(&app) && !is_dns;
                !busy && flow.key().end_us.saturating_add(grain_us(flow)) >= call.end_us
            });
        let first = around.next()?;
        let is_free = |app: NodeId| calling_until.is_free(app, call.start_us);
        if is_dns || !is_client(first) || is_free(first) {
            return Some(first);
        }
        let other = around.take(MAX_CLIENTS_AROUND).find(|&app| is_client(app) && is_free(app));
        Some(other.unwrap_or(first))
    }
}

/// The most spans around a call that are looked at for a client span without another call.
const MAX_CLIENTS_AROUND: usize = 64;
