//! Clocks of hosts: section 9.

use std::collections::{BTreeMap, BTreeSet};

/// What links say of clocks.
#[derive(Default, Debug)]
pub struct Clock {
    kids: BTreeMap<u16, BTreeSet<u16>>,
    range: BTreeMap<u16, (i64, i64)>,
}

impl Clock {
    /// R-CLK-3, R-CLK-4: `a` and `b` are how much later the parent starts and ends.
    pub fn observe(&mut self, parent: u16, child: u16, a: i64, b: i64) {
        let (mut p, mut c, mut a, mut b) = (parent, child, a, b);
        if self.kids.get(&c).is_some_and(|kids| kids.contains(&p)) {
            (p, c) = (c, p);
            (a, b) = (a.saturating_neg(), b.saturating_neg());
        }
        self.kids.entry(p).or_default().insert(c);
        let (lo, hi) = (a.min(b), a.max(b));
        let range = self.range.entry(c).or_insert((lo, hi));
        let common = (range.0.max(lo), range.1.min(hi));
        if common.0 <= common.1 {
            *range = common;
        }
    }

    /// R-CLK-6, R-CLK-7.
    pub fn corrections(&self) -> BTreeMap<u16, i64> {
        let mut corr: BTreeMap<u16, i64> = BTreeMap::new();
        for &base in self.kids.keys().filter(|agent| !self.range.contains_key(agent)) {
            corr.entry(base).or_insert(0);
            let mut stack: Vec<(u16, i64)> = self.kids[&base].iter().map(|&kid| (kid, 0)).collect();
            while let Some((c, inherited)) = stack.pop() {
                let (lo, hi) = self.range[&c];
                let own = if lo <= 0 && hi >= 0 {
                    0
                } else if hi < 0 {
                    hi
                } else {
                    lo
                };
                let mut v = own.saturating_add(inherited);
                if let Some(&known) = corr.get(&c) {
                    v = if known < 0 && v < 0 {
                        known.max(v)
                    } else if known > 0 && v > 0 {
                        known.min(v)
                    } else {
                        0
                    };
                }
                corr.insert(c, v);
                for &kid in self.kids.get(&c).into_iter().flatten() {
                    if !corr.contains_key(&kid) {
                        stack.push((kid, v));
                    }
                }
            }
        }
        corr
    }
}
