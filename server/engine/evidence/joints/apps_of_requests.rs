//! The application spans of a request, and of a process: which of them is around a call.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    super::{
        exchange::grain_us,
        serving::{self, Process},
    },
    Joints,
};
use crate::{
    engine::{flows::Flow, tree::Rule},
    flow::{L7Protocol, ObservationPoint},
};

/// The application spans of each request that a process served, and of each process; by start.
pub(super) struct AppsOfRequests {
    /// By the tail of the exchange that brought the request.
    of_tail: FxHashMap<u32, Vec<u32>>,
    /// By the top of the process.
    of_top: FxHashMap<u32, Vec<u32>>,
    /// By process, where it is known.
    of_process: FxHashMap<Process, Vec<u32>>,
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
            apps.of_top.entry(top).or_default().push(app);
            let tail = joints.entry[top as usize].map(|(tail, _)| tail);
            if let Some(tail) = tail {
                apps.of_tail.entry(tail).or_default().push(app);
            }
            let of_entry = tail.and_then(|tail| serving::process(joints.flow(tail)));
            if let Some(process) = of_entry.or(process_of.get(&top).copied()) {
                apps.of_process.entry(process).or_default().push(app);
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
        let until = apps.partition_point(|&app| joints.flow(app).key().start_us < inner.start_us);
        apps[..until].iter().rev().copied().find(|&app| {
            let flow = joints.flow(app);
            joints.apps.top(app) != top
                && flow.point != ObservationPoint::ClientApp
                && flow.key().end_us.saturating_add(grain_us(flow)) >= inner.end_us
        })
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

    fn pick(&self, joints: &Joints<'_>, apps: &[u32], head: u32) -> Option<u32> {
        let is_dns = joints.flow(head).key().l7_protocol == L7Protocol::DNS;
        let until =
            apps.partition_point(|&app| joints.flow(app).key().start_us <= joints.flow(head).key().start_us);
        // Widened by what some tracers cut off their times; never before its start, for they cut that too.
        let covers = |app: &Flow, call: &Flow| {
            app.key().start_us <= call.key().start_us
                && app.key().end_us.saturating_add(grain_us(app)) >= call.key().end_us
        };
        apps[..until].iter().rev().copied().find(|&app| {
            let flow = joints.flow(app);
            // A client span that made its call makes no other one, but may look its server up.
            let busy = flow.point == ObservationPoint::ClientApp && self.callers.contains(&app) && !is_dns;
            !busy && covers(flow, joints.flow(head))
        })
    }
}
