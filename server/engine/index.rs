//! Numbers that name the things of one completion, each with a type of its own, and the vectors that such a
//! number indexes. A node cannot be taken for an exchange: they do not compare, and index different vectors.

use std::{
    marker::PhantomData,
    ops::{Index, IndexMut},
};

/// The position of something in a vector.
pub(super) trait Id: Copy + Ord {
    /// Names the thing at this position.
    fn of(position: usize) -> Self;

    /// The position.
    fn at(self) -> usize;
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        pub(super) struct $name(pub(super) u32);

        impl Id for $name {
            fn of(position: usize) -> Self {
                $name(position as u32)
            }

            fn at(self) -> usize {
                self.0 as usize
            }
        }
    };
}

id! {
    /// A flow, which is a node of the tree. Flows are in the order of their start.
    NodeId
}
id! {
    /// An exchange of the default mode.
    ExchangeId
}
id! {
    /// A network span set.
    NetworkId
}
id! {
    /// A process span set.
    SetId
}
id! {
    /// The list of an instance's process span sets.
    ListId
}
id! {
    /// A chain of syscalls: what one thread read and wrote for one request.
    ChainId
}
id! {
    /// A process of the default mode, as its links show it.
    ProcessId
}
id! {
    /// A place in some list of nodes.
    Place
}

/// A vector that only `I` indexes.
#[derive(Clone, Debug)]
pub(super) struct IndexVec<I, T> {
    values: Vec<T>,
    of: PhantomData<fn(I)>,
}

impl<I: Id, T> IndexVec<I, T> {
    #[inline]
    pub(super) fn new() -> Self {
        IndexVec::from(Vec::new())
    }

    /// Empty, with memory for `len` values.
    pub(super) fn with_capacity(len: usize) -> Self {
        IndexVec::from(Vec::with_capacity(len))
    }

    /// The same value for each of `len` things.
    #[inline]
    pub(super) fn filled(value: T, len: usize) -> Self
    where
        T: Clone,
    {
        IndexVec::from(vec![value; len])
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Appends a value, and returns what names it.
    #[inline]
    pub(super) fn push(&mut self, value: T) -> I {
        self.values.push(value);
        I::of(self.values.len() - 1)
    }

    #[inline]
    pub(super) fn ids(&self) -> impl DoubleEndedIterator<Item = I> + ExactSizeIterator + use<I, T> {
        (0..self.values.len()).map(I::of)
    }

    #[inline]
    pub(super) fn iter(&self) -> std::slice::Iter<'_, T> {
        self.values.iter()
    }

    /// The values, to be read.
    #[inline]
    pub(super) fn as_slice(&self) -> IndexSlice<'_, I, T> {
        IndexSlice { values: &self.values, of: PhantomData }
    }

    #[inline]
    pub(super) fn iter_mut(&mut self) -> std::slice::IterMut<'_, T> {
        self.values.iter_mut()
    }

    /// The values, each with what names it.
    #[inline]
    pub(super) fn numbered(&self) -> impl DoubleEndedIterator<Item = (I, &T)> + ExactSizeIterator + Clone {
        self.values.iter().enumerate().map(|(at, value)| (I::of(at), value))
    }
}

/// The values of an [`IndexVec`], to be read. What many functions read again and again is passed like this rather
/// than by reference, which would cost another step to reach each value.
#[derive(Debug)]
pub(super) struct IndexSlice<'a, I, T> {
    values: &'a [T],
    of: PhantomData<fn(I)>,
}

impl<I, T> Clone for IndexSlice<'_, I, T> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<I, T> Copy for IndexSlice<'_, I, T> {}

impl<'a, I: Id, T> IndexSlice<'a, I, T> {
    #[inline]
    pub(super) fn len(self) -> usize {
        self.values.len()
    }

    /// The value that `id` names, for as long as the vector is borrowed.
    #[inline]
    pub(super) fn at(self, id: I) -> &'a T {
        &self.values[id.at()]
    }

    #[inline]
    pub(super) fn ids(self) -> impl DoubleEndedIterator<Item = I> + ExactSizeIterator + use<I, T> {
        (0..self.values.len()).map(I::of)
    }

    #[inline]
    pub(super) fn iter(self) -> std::slice::Iter<'a, T> {
        self.values.iter()
    }

    /// The values, each with what names it.
    #[inline]
    pub(super) fn numbered(
        self,
    ) -> impl DoubleEndedIterator<Item = (I, &'a T)> + ExactSizeIterator + Clone + use<'a, I, T> {
        self.values.iter().enumerate().map(|(at, value)| (I::of(at), value))
    }
}

impl<I: Id, T> Index<I> for IndexSlice<'_, I, T> {
    type Output = T;

    #[inline]
    fn index(&self, id: I) -> &T {
        &self.values[id.at()]
    }
}

impl<I, T> From<Vec<T>> for IndexVec<I, T> {
    #[inline]
    fn from(values: Vec<T>) -> Self {
        IndexVec { values, of: PhantomData }
    }
}

impl<I, T> FromIterator<T> for IndexVec<I, T> {
    #[inline]
    fn from_iter<V: IntoIterator<Item = T>>(values: V) -> Self {
        IndexVec::from(Vec::from_iter(values))
    }
}

impl<I, T> IntoIterator for IndexVec<I, T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    #[inline]
    fn into_iter(self) -> Self::IntoIter {
        self.values.into_iter()
    }
}

impl<'a, I, T> IntoIterator for &'a IndexVec<I, T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    #[inline]
    fn into_iter(self) -> Self::IntoIter {
        self.values.iter()
    }
}

impl<'a, I, T> IntoIterator for &'a mut IndexVec<I, T> {
    type Item = &'a mut T;
    type IntoIter = std::slice::IterMut<'a, T>;

    #[inline]
    fn into_iter(self) -> Self::IntoIter {
        self.values.iter_mut()
    }
}

impl<I: Id, T> Index<I> for IndexVec<I, T> {
    type Output = T;

    #[inline]
    fn index(&self, id: I) -> &T {
        &self.values[id.at()]
    }
}

impl<I: Id, T> IndexMut<I> for IndexVec<I, T> {
    #[inline]
    fn index_mut(&mut self, id: I) -> &mut T {
        &mut self.values[id.at()]
    }
}
