//! How far two captures of one thing may lie apart in time.

use crate::flow::{AgentId, KeyRow};

/// How far two captures of one thing may lie apart in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tolerance {
    /// `network_delay_us`.
    pub network_delay_us: i64,
    /// `host_clock_offset_us`, allowed on top between two agents.
    pub host_clock_offset_us: i64,
}

impl Tolerance {
    /// `d(a, b)`, in µs.
    pub fn between(self, a: AgentId, b: AgentId) -> u64 {
        let offset = if a == b { 0 } else { self.host_clock_offset_us.max(0) };
        self.network_delay_us.max(0).unsigned_abs().saturating_add(offset.unsigned_abs())
    }

    /// Whether two times, of which each row saw one, are close enough.
    pub(super) fn allows(self, a: &KeyRow, b: &KeyRow, a_us: i64, b_us: i64) -> bool {
        a_us.abs_diff(b_us) <= self.between(a.agent, b.agent)
    }
}
