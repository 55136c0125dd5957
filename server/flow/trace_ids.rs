//! The trace ids of a row. A row may carry several, joined with commas (data-model section 6).

use smallvec::SmallVec;

use super::text::{Text, Texts};

/// The trace ids of a row or flow: distinct, ascending by code point (R-ROW-5).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TraceIds(SmallVec<[Text; 2]>);

impl TraceIds {
    /// Reads the joined text: parts between commas, trimmed, empty parts dropped.
    pub fn parse(joined: Text, texts: &mut Texts) -> Self {
        if joined.is_empty() {
            return TraceIds::default();
        }
        let text = texts.get(joined);
        if !text.contains(',') && text.trim().len() == text.len() {
            return TraceIds(SmallVec::from_slice(&[joined]));
        }
        let parts: Vec<String> =
            text.split(',').map(str::trim).filter(|p| !p.is_empty()).map(str::to_owned).collect();
        let mut ids = TraceIds(parts.iter().map(|part| texts.intern(part)).collect());
        ids.order(texts);
        ids
    }

    /// The ids of both.
    #[must_use]
    pub fn union(&self, other: &TraceIds, texts: &Texts) -> TraceIds {
        let mut ids = TraceIds(self.0.iter().chain(&other.0).copied().collect());
        ids.order(texts);
        ids
    }

    fn order(&mut self, texts: &Texts) {
        self.0.sort_by(|&a, &b| texts.get(a).cmp(texts.get(b)));
        self.0.dedup();
    }

    /// The ids, ascending.
    pub fn iter(&self) -> impl Iterator<Item = Text> + '_ {
        self.0.iter().copied()
    }

    /// The greatest id.
    pub fn last(&self) -> Option<Text> {
        self.0.last().copied()
    }

    /// Number of ids.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// No id at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether both share an id.
    pub fn intersects(&self, other: &TraceIds) -> bool {
        self.0.iter().any(|id| other.0.contains(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_ids_are_split_trimmed_and_ordered() {
        let mut texts = Texts::new();
        let joined = texts.intern(" b, a,,b ");
        let ids = TraceIds::parse(joined, &mut texts);
        let read: Vec<&str> = ids.iter().map(|id| texts.get(id)).collect();
        assert_eq!(read, ["a", "b"]);
        let blank = texts.intern(" , ");
        assert!(TraceIds::parse(blank, &mut texts).is_empty());
        let padded = texts.intern(" a ");
        assert!(TraceIds::parse(padded, &mut texts).intersects(&ids));
    }
}
