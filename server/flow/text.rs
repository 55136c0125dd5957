//! Interned strings. Flow-log rows repeat the same few hundred strings thousands of times, and the
//! engine compares them all the time: here each distinct string is stored once and compared by number.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// Names one string of a [`Texts`]. Equal strings of one `Texts` have equal names. The number says
/// nothing about order: sort by the string.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Text(u32);

impl Text {
    /// The empty string, in every [`Texts`].
    pub const EMPTY: Text = Text(0);

    /// Whether this is the empty string.
    pub fn is_empty(self) -> bool {
        self == Text::EMPTY
    }

    /// `other` where this is empty.
    #[must_use]
    pub fn or(self, other: Text) -> Text {
        if self.is_empty() { other } else { self }
    }
}

/// Owns the strings of one completion.
#[derive(Clone)]
pub struct Texts {
    bytes: String,
    ends: Vec<usize>,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Default for Texts {
    fn default() -> Self {
        let mut texts = Texts {
            bytes: String::new(),
            ends: Vec::new(),
            table: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        };
        texts.intern("");
        texts
    }
}

impl Texts {
    /// Holds the empty string only.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name of `value`, stored if it is new.
    pub fn intern(&mut self, value: &str) -> Text {
        let hash = self.hasher.hash_one(value);
        let Texts { bytes, ends, table, hasher } = self;
        let get = |i: u32| slice(bytes, ends, i);
        if let Some(&found) = table.find(hash, |&i| get(i) == value) {
            return Text(found);
        }
        let index = u32::try_from(ends.len()).unwrap_or(u32::MAX);
        if index == u32::MAX {
            return Text::EMPTY; // four billion distinct strings: memory ends long before
        }
        table.insert_unique(hash, index, |&i| hasher.hash_one(get(i)));
        bytes.push_str(value);
        ends.push(bytes.len());
        Text(index)
    }

    /// The string. A name of another `Texts` gives some string, or the empty one.
    pub fn get(&self, text: Text) -> &str {
        slice(&self.bytes, &self.ends, text.0)
    }

    /// The name of `value` if it is stored.
    pub fn find(&self, value: &str) -> Option<Text> {
        let hash = self.hasher.hash_one(value);
        self.table.find(hash, |&i| slice(&self.bytes, &self.ends, i) == value).map(|&i| Text(i))
    }

    /// Bytes held by all strings together.
    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }
}

fn slice<'a>(bytes: &'a str, ends: &[usize], index: u32) -> &'a str {
    let index = index as usize;
    let start = index.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
    ends.get(index).and_then(|&end| bytes.get(start..end)).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_strings_share_a_name() {
        let mut texts = Texts::new();
        let a = texts.intern("GET");
        assert_eq!(texts.intern("GET"), a);
        assert_ne!(texts.intern("POST"), a);
        assert_eq!(texts.get(a), "GET");
        assert_eq!(texts.find("POST").map(|t| texts.get(t).to_owned()), Some("POST".to_owned()));
        assert_eq!(texts.find("PUT"), None);
    }

    #[test]
    fn the_empty_string_is_the_default() {
        let mut texts = Texts::new();
        assert_eq!(texts.intern(""), Text::EMPTY);
        assert_eq!(Text::default(), Text::EMPTY);
        assert_eq!(Text::EMPTY.or(texts.intern("x")), texts.intern("x"));
    }
}
