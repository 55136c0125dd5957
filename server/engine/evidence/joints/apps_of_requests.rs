//! The application spans of a request, and of a process: which of them is around a call.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    super::{
        by_start::ByStart,
        exchange::{MILLISECOND_US, grain_us},
        serving::{self, Process},
    },
    Joints,
};
use crate::{
    engine::tree::Rule,
    flow::{L7Protocol, ObservationPoint},
};

/// The application spans of each request that a process served, and of each process; by start.
pub(super) struct AppsOfRequests {
    /// By the tail of the exchange that brought the request.
    of_tail: FxHashMap<u32, ByStart>,
    /// By the top of the process.
    of_top: FxHashMap<u32, ByStart>,
    /// By process, where it is known.
    of_process: FxHashMap<Process, ByStart>,
    /// Application spans that made a call that carries their id.
    callers: FxHashSet<u32>,
}

impl AppsOfRequests {
    pub(super) fn of(joints: &Joints<'_>) -> Self {
        let mut apps = AppsOfRequests {
            of_tail: FxHashMap::default(),
            of_top: FxHashMap::default(),
            of_process: FxHashMap::default(),
            callers: FxHashSet::default(),
        };
        let mut process_of: FxHashMap<u32, Process> = FxHashMap::default();
        for (exchange, caller) in joints.exchanges.iter().zip(&joints.caller) {
            if let &Some((app, Rule::CallOfAppSpan)) = caller {
                apps.callers.insert(app);
                if let Some(process) =
                    exchange.client.and_then(|client| serving::process(joints.flow(client)))
                {
                    process_of.entry(joints.apps.top(app)).or_insert(process);
                }
            }
        }
        for &app in &joints.apps.nodes {
            let top = joints.apps.top(app);
            let key = joints.flow(app).key();
            let file = |file: &mut ByStart| file.push(app, key.start_us, key.end_us);
            file(apps.of_top.entry(top).or_default());
            let tail = joints.entry[top as usize].map(|(tail, _)| tail);
            if let Some(tail) = tail {
                file(apps.of_tail.entry(tail).or_default());
            }
            let of_entry = tail.and_then(|tail| serving::process(joints.flow(tail)));
            if let Some(process) = of_entry.or(process_of.get(&top).copied()) {
                file(apps.of_process.entry(process).or_default());
            }
        }
        apps
    }

    /// Of the request that a tail brought, the innermost application span around a call.
    pub(super) fn innermost(&self, joints: &Joints<'_>, tail: u32, head: u32) -> Option<u32> {
        self.pick(joints, self.of_tail.get(&tail)?, head)
    }

    /// Of the request that a tail brought, the innermost application span around another top, whose own
    /// parent is not there.
    pub(super) fn around(&self, joints: &Joints<'_>, tail: u32, top: u32) -> Option<u32> {
        let apps = self.of_tail.get(&tail)?;
        let inner = joints.flow(top).key();
        apps.around(inner.start_us.saturating_sub(1), inner.end_us.saturating_sub(MILLISECOND_US)).find(
            |&app| {
                let flow = joints.flow(app);
                joints.apps.top(app) != top
                    && flow.point != ObservationPoint::ClientApp
                    && flow.key().end_us.saturating_add(grain_us(flow)) >= inner.end_us
            },
        )
    }

    /// The same of the process that was entered with `top`.
    pub(super) fn of_top(&self, joints: &Joints<'_>, top: u32, head: u32) -> Option<u32> {
        self.pick(joints, self.of_top.get(&top)?, head)
    }

    /// The same of the process of a client span.
    pub(super) fn of_process(&self, joints: &Joints<'_>, client: u32) -> Option<u32> {
        let process = serving::process(joints.flow(client))?;
        self.pick(joints, self.of_process.get(&process)?, client)
    }

    /// The innermost around a call. Of client spans, one that makes another call at that time gives way to
    /// the next.
    fn pick(&self, joints: &Joints<'_>, apps: &ByStart, head: u32) -> Option<u32> {
        let call = joints.flow(head).key();
        let is_dns = call.l7_protocol == L7Protocol::DNS;
        let is_client = |app: u32| joints.flow(app).point == ObservationPoint::ClientApp;
        // Widened by what some tracers cut off their times; never before its start, for they cut that too.
        let mut around =
            apps.around(call.start_us, call.end_us.saturating_sub(MILLISECOND_US)).filter(|&app| {
                let flow = joints.flow(app);
                // A client span that made its call makes no other one, but may look its server up.
                let busy = is_client(app) && self.callers.contains(&app) && !is_dns;
                !busy && flow.key().end_us.saturating_add(grain_us(flow)) >= call.end_us
            });
        let first = around.next()?;
        let is_free =
            |app: u32| joints.calling_until_us.get(&app).is_none_or(|&until| until <= call.start_us);
        if is_dns || !is_client(first) || is_free(first) {
            return Some(first);
        }
        let other = around.take(MAX_CLIENTS_AROUND).find(|&app| is_client(app) && is_free(app));
        Some(other.unwrap_or(first))
    }
}

/// Spans that are looked at for a free client span around a call, at most.
const MAX_CLIENTS_AROUND: usize = 64;
