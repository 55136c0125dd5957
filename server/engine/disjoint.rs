//! Which things belong together: groups of things that were united, and roots of things that name a parent.

use std::hash::Hash;

use rustc_hash::FxHashMap;

use super::index::{Id, IndexVec};

/// Keys in groups that have none in common; `I` numbers the keys in the order in which they came.
pub(super) struct Disjoint<K, I> {
    numbers: FxHashMap<K, I>,
    /// Another key of the group, numbered lower; the lowest of a group names itself.
    links: IndexVec<I, I>,
}

impl<K: Eq + Hash, I: Id> Disjoint<K, I> {
    /// No keys yet.
    pub(super) fn new() -> Self {
        Disjoint { numbers: FxHashMap::default(), links: IndexVec::new() }
    }

    /// The number of a key, alone in its group if it is new.
    pub(super) fn number(&mut self, key: K) -> I {
        let links = &mut self.links;
        *self.numbers.entry(key).or_insert_with(|| links.push(I::of(links.len())))
    }

    /// The lowest number of the group. Shortens the way for the next one who asks.
    pub(super) fn group(&mut self, number: I) -> I {
        let mut at = number;
        while self.links[at] != at {
            let next = self.links[self.links[at]];
            self.links[at] = next;
            at = next;
        }
        at
    }

    /// Makes one group of the groups of both.
    pub(super) fn unite(&mut self, a: I, b: I) {
        let (a, b) = (self.group(a), self.group(b));
        self.links[a.max(b)] = a.min(b);
    }
}

/// The root of each of `len` things: parents are followed to the end. Where parents form a ring, `of_ring`
/// chooses the root among the ring's members, given in the order in which they were met. Takes time linear in
/// `len`.
pub(super) fn roots<I: Id>(
    len: usize,
    parent: impl Fn(I) -> Option<I>,
    of_ring: impl Fn(&[I]) -> I,
) -> IndexVec<I, I> {
    // One vector for all, since this runs over every node: a root, or one of these.
    let unknown = I::of(u32::MAX as usize);
    let on_path = I::of(u32::MAX as usize - 1);
    let mut roots: IndexVec<I, I> = IndexVec::filled(unknown, len);
    let mut path = Vec::new();
    for start in roots.ids() {
        let mut at = start;
        let root = loop {
            let known = roots[at];
            if known == on_path {
                let first = path.iter().position(|&other| other == at).unwrap_or(0);
                break of_ring(&path[first..]);
            }
            if known != unknown {
                break known;
            }
            roots[at] = on_path;
            path.push(at);
            match parent(at) {
                Some(next) => at = next,
                None => break at,
            }
        };
        for at in path.drain(..) {
            roots[at] = root;
        }
    }
    roots
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::index::Place;

    #[test]
    fn united_keys_share_a_group() {
        let mut groups: Disjoint<&str, Place> = Disjoint::new();
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|key| groups.number(key));
        assert_eq!(groups.number("b"), b, "a key has one number");
        groups.unite(d, c);
        groups.unite(b, d);
        assert_eq!([a, b, c, d].map(|number| groups.group(number)), [a, b, b, b]);
        groups.unite(b, c);
        assert_eq!(groups.group(c), b, "uniting twice changes nothing");
    }

    #[test]
    fn roots_of_trees_and_rings() {
        let last = |ring: &[Place]| ring.iter().copied().max().unwrap();
        let first = |ring: &[Place]| ring[0];
        // 0 ─► 1 ─► 2; 3 ─► 4 ─► 5 ─► 4; 6 ─► 6
        let parents = [Some(1), Some(2), None, Some(4), Some(5), Some(4), Some(6)];
        let parent = |at: Place| parents[at.at()].map(Place);
        let of = |of_ring: &dyn Fn(&[Place]) -> Place| {
            roots(parents.len(), parent, of_ring).into_iter().map(|root| root.0).collect::<Vec<_>>()
        };
        assert_eq!(of(&last), [2, 2, 2, 5, 5, 5, 6]);
        assert_eq!(of(&first), [2, 2, 2, 4, 4, 4, 6]);
        assert_eq!(roots(0, parent, last).len(), 0);
    }
}
