//! Host clock correction (algorithm 9). A parent covers its children in time, so each link between spans of
//! two agents limits how far the clocks of the two hosts can be apart.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    flows::{Flow, Instance},
    index::NodeId,
};
use crate::flow::{AgentId, ObservationPoint, Text};

/// What the links made so far say about the clocks.
pub(super) struct ClockObserver {
    /// Instance names that name no instance: `""` and `"0"`.
    nameless: [Instance; 2],
    /// Take request spans as spans of agent 0, as the original does; the default mode does not (D-12).
    requests_have_a_host: bool,
    /// For each agent on the parent's side, the agents whose clocks were compared with its clock.
    kids: BTreeMap<AgentId, BTreeSet<AgentId>>,
    /// For each agent, the corrections that its times allow.
    ranges: BTreeMap<AgentId, Range>,
}

/// The lowest and the highest correction that an agent's times allow, in µs, each with the nodes (parent,
/// child) whose times set it.
#[derive(Clone, Copy)]
struct Range {
    low: (i64, (NodeId, NodeId)),
    high: (i64, (NodeId, NodeId)),
}

const MILLISECOND_US: i64 = 1000;

impl ClockObserver {
    /// Has seen no link yet. `zero` is the text `"0"`.
    pub(super) fn new(zero: Text, requests_have_a_host: bool) -> Self {
        ClockObserver {
            requests_have_a_host,
            nameless: [Instance::Name(Text::EMPTY), Instance::Name(zero)],
            kids: BTreeMap::new(),
            ranges: BTreeMap::new(),
        }
    }

    /// R-CLK-1, R-CLK-2, R-CLK-3, R-CLK-4. `nodes` are those of the parent and the child.
    pub(super) fn observe(&mut self, parent: &Flow, child: &Flow, nodes: (NodeId, NodeId)) {
        let (p, c) = (parent.key(), child.key());
        let no_host = |flow: &Flow| flow.request.is_some() && flow.key().agent == AgentId(0);
        if p.agent == c.agent || !self.requests_have_a_host && (no_host(parent) || no_host(child)) {
            return;
        }
        let mut a = p.start_us.saturating_sub(c.start_us);
        let mut b = p.end_us.saturating_sub(c.end_us);
        if parent.is_app() != child.is_app() {
            if parent.point == ObservationPoint::App || child.point == ObservationPoint::App {
                return;
            }
            let instance = parent.instance();
            if !self.nameless.contains(&instance) && instance == child.instance() {
                return;
            }
            a -= a % MILLISECOND_US;
            b -= b % MILLISECOND_US;
        }
        let (mut above, mut below) = (p.agent, c.agent);
        if self.kids.get(&below).is_some_and(|kids| kids.contains(&above)) {
            std::mem::swap(&mut above, &mut below);
            a = a.saturating_neg();
            b = b.saturating_neg();
        }
        self.kids.entry(above).or_default().insert(below);
        let seen = Range { low: (a.min(b), nodes), high: (a.max(b), nodes) };
        let range = self.ranges.entry(below).or_insert(seen);
        let low = if seen.low.0 > range.low.0 { seen.low } else { range.low };
        let high = if seen.high.0 < range.high.0 { seen.high } else { range.high };
        if low.0 <= high.0 {
            *range = Range { low, high };
        }
    }

    /// The nodes, parent and child, that set an agent's own correction.
    pub(super) fn set_by(&self, agent: AgentId) -> Option<(NodeId, NodeId)> {
        let range = self.ranges.get(&agent)?;
        Some(if range.low.0 > 0 { range.low.1 } else { range.high.1 })
    }

    /// R-CLK-6, R-CLK-7, R-CLK-8: the corrections that are not 0, by agent.
    pub(super) fn corrections(&self) -> BTreeMap<AgentId, i64> {
        let mut corrections: BTreeMap<AgentId, i64> = BTreeMap::new();
        for (base, kids) in self.kids.iter().filter(|(agent, _)| !self.ranges.contains_key(agent)) {
            corrections.entry(*base).or_insert(0);
            let mut stack: Vec<(AgentId, i64)> = kids.iter().map(|&kid| (kid, 0)).collect();
            while let Some((agent, inherited)) = stack.pop() {
                let (low, high) = self.ranges.get(&agent).map_or((0, 0), |range| (range.low.0, range.high.0));
                let own = match (low, high) {
                    _ if low < 0 && high < 0 => high,
                    _ if low > 0 && high > 0 => low,
                    _ => 0,
                };
                let value = own.saturating_add(inherited);
                let value = match corrections.get(&agent) {
                    None => value,
                    Some(&other) if other < 0 && value < 0 => other.max(value),
                    Some(&other) if other > 0 && value > 0 => other.min(value),
                    Some(_) => 0,
                };
                corrections.insert(agent, value);
                for &kid in self.kids.get(&agent).into_iter().flatten() {
                    if !corrections.contains_key(&kid) {
                        stack.push((kid, value));
                    }
                }
            }
        }
        corrections.retain(|_, correction| *correction != 0);
        corrections
    }
}
