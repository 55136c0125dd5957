//! Whether one span is around another, by clocks that may be off.

use crate::{
    engine::{flows::Flow, index::NodeId},
    flow::ObservationPoint,
};

/// Whether the clocks of two hosts are taken as they are, or may be apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Clocks {
    /// May be apart, and the inner span only has to begin within the outer one: a tracer ends the span of a
    /// request after its response was written.
    Outlasts,
    /// May be apart by `host_clock_offset_us`.
    Off,
    /// Are taken as they are.
    AsTheyAre,
}

/// A span for which a span around it is looked for.
pub(super) struct Inner<'a> {
    /// The span.
    pub(super) flow: &'a Flow,
    /// The head of its own exchange, which is never the answer.
    pub(super) own_head: Option<NodeId>,
    /// How far its clock may be off, in µs.
    pub(super) slack_us: i64,
}

impl Inner<'_> {
    /// The most by which times may be off, in µs: the offset of the clocks, and what tracers cut off.
    pub(super) fn most_us(&self) -> i64 {
        self.slack_us.saturating_add(2 * MILLISECOND_US)
    }

    /// Whether `outer` is around the span. Where one host saw both, their clock is the same.
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

/// How much may be cut off the times of a span, in µs: some tracers of applications count whole milliseconds.
pub(super) fn grain_us(flow: &Flow) -> i64 {
    let key = flow.key();
    let whole = key.start_us % MILLISECOND_US == 0 && key.end_us % MILLISECOND_US == 0;
    if flow.is_app() && whole { MILLISECOND_US - 1 } else { 0 }
}
