//! Numbers that look random and are the same on every run.

/// SplitMix64.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Random(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// 32 bits, not all 0.
    pub(super) fn next_u32(&mut self) -> u32 {
        ((self.next() >> 32) as u32).max(1)
    }

    /// From `least` to less than `end`.
    pub(super) fn within(&mut self, least: u32, end: u32) -> u32 {
        least + self.next_u32() % (end - least).max(1)
    }

    /// An id of eight bytes, as headers carry it.
    pub(super) fn span_id(&mut self) -> String {
        format!("{:016x}", self.next())
    }

    /// An id of sixteen bytes, as headers carry it.
    pub(super) fn trace_id(&mut self) -> String {
        format!("{:016x}{:016x}", self.next(), self.next())
    }
}
