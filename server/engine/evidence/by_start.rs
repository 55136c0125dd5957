//! Spans in the order of their start. Finds the latest of those that last until a given time.

/// Spans, or exchanges, that are added in the order of their start.
#[derive(Debug)]
pub(super) struct ByStart<I> {
    items: Vec<I>,
    starts_us: Vec<i64>,
    ends_us: Vec<i64>,
    /// `blocks[level][i]` is the latest end of `ends_us[i << level * BITS ..][..1 << level * BITS]`, so that
    /// a search can skip blocks of spans that all end too early. It takes as many steps as there are levels,
    /// however many short spans there are.
    blocks: Vec<Vec<i64>>,
}

const BITS: usize = 4;

impl<I> Default for ByStart<I> {
    fn default() -> Self {
        ByStart { items: Vec::new(), starts_us: Vec::new(), ends_us: Vec::new(), blocks: Vec::new() }
    }
}

impl<I: Copy> ByStart<I> {
    /// Adds a span that starts no earlier than the last one.
    pub(super) fn push(&mut self, item: I, start_us: i64, end_us: i64) {
        let mut at = self.items.len();
        self.items.push(item);
        self.starts_us.push(start_us);
        self.ends_us.push(end_us);
        let mut level = 0;
        while at > 0 || level == 0 {
            at >>= BITS;
            if self.blocks.len() == level {
                // The first block of a new level sums up all that there is below it.
                let below = if level == 0 { &self.ends_us } else { &self.blocks[level - 1] };
                let latest = below.iter().copied().max().unwrap_or(i64::MIN);
                self.blocks.push(vec![latest]);
            }
            let blocks = &mut self.blocks[level];
            match blocks.get_mut(at) {
                Some(latest) => *latest = (*latest).max(end_us),
                None => blocks.push(end_us),
            }
            level += 1;
        }
    }

    pub(super) fn last(&self) -> Option<I> {
        self.items.last().copied()
    }

    /// The spans that start no later than `start_us` and end no earlier than `end_us`, the latest start
    /// first.
    pub(super) fn around(&self, start_us: i64, end_us: i64) -> impl Iterator<Item = I> + '_ {
        let mut until = self.starts_us.partition_point(|&start| start <= start_us);
        std::iter::from_fn(move || {
            let found = self.last_reaching(until, end_us)?;
            until = found;
            Some(self.items[found])
        })
    }

    /// The last place before `until` whose span ends no earlier than `end_us`.
    fn last_reaching(&self, until: usize, end_us: i64) -> Option<usize> {
        // Up: step over blocks that end too early, to ever larger ones.
        let mut at = until;
        let mut level = 0;
        loop {
            if at == 0 {
                return None;
            }
            let values = self.level(level);
            let first_of_block = (at - 1) >> BITS << BITS;
            if let Some(found) = (first_of_block..at).rev().find(|&i| values[i] >= end_us) {
                at = found;
                break;
            }
            at = first_of_block >> BITS;
            level += 1;
        }
        // Down: into the last of each block that reaches so far.
        while level > 0 {
            level -= 1;
            let values = self.level(level);
            let from = at << BITS;
            let to = ((at + 1) << BITS).min(values.len());
            at = (from..to).rev().find(|&i| values[i] >= end_us)?;
        }
        Some(at)
    }

    fn level(&self, level: usize) -> &[i64] {
        match level {
            0 => &self.ends_us,
            _ => &self.blocks[level - 1],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_a_scan_finds() {
        let mut state = 7u64;
        let mut next = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for count in [0usize, 1, 2, 15, 16, 17, 255, 256, 257, 5000] {
            let mut file = ByStart::default();
            let mut spans = Vec::new();
            let mut start = 0;
            for item in 0..count as u32 {
                start += next(5) as i64;
                let end = start + if next(50) == 0 { 5_000 } else { next(20) as i64 };
                file.push(item, start, end);
                spans.push((item, start, end));
            }
            for _ in 0..200 {
                let (from, to) = (next(12_000) as i64 - 10, next(12_000) as i64);
                let fits = |&&(_, start, end): &&(u32, i64, i64)| start <= from && end >= to;
                let want: Vec<u32> = spans.iter().rev().filter(fits).map(|span| span.0).collect();
                assert_eq!(file.around(from, to).collect::<Vec<_>>(), want, "{count}: {from} to {to}");
            }
        }
    }
}
