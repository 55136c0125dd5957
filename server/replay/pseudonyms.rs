//! Pseudonyms of texts: equal texts get equal ones, different texts different ones, and order stays.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// What a text is; its pseudonym says so. A text that is several of these counts as the first of them: trace
/// ids must keep their order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Class {
    Trace,
    Span,
    XRequestId,
    Address4,
    Address6,
    Name,
    Text,
}

impl Class {
    fn prefix(self) -> &'static str {
        match self {
            Class::Trace => "trace-",
            Class::Span => "span-",
            Class::XRequestId => "x-",
            Class::Name => "name-",
            Class::Address4 | Class::Address6 | Class::Text => "text-",
        }
    }
}

/// Applies a function to each trace id of a joined text, as `TraceIds::parse` finds them.
pub(super) fn each_trace_id(joined: &str, mut change: impl FnMut(&str) -> String) -> String {
    let mut parts = Vec::new();
    for part in joined.split(',') {
        let id = part.trim();
        let before = part.len() - part.trim_start().len();
        parts.push(format!("{}{}{}", &part[..before], change(id), &part[before + id.len()..]));
    }
    parts.join(",")
}

/// Notes a text that needs a pseudonym.
pub(super) fn note(seen: &mut BTreeMap<String, Class>, class: Class, text: &str) {
    if class == Class::Trace {
        each_trace_id(text, |id| {
            note_one(seen, class, id);
            String::new()
        });
    } else {
        note_one(seen, class, text);
    }
}

fn note_one(seen: &mut BTreeMap<String, Class>, class: Class, text: &str) {
    let class = match text.parse() {
        Ok(address) if names_nobody(address) => return,
        Ok(IpAddr::V4(_)) => class.min(Class::Address4),
        Ok(IpAddr::V6(_)) => class.min(Class::Address6),
        Err(_) => class,
    };
    let mut add = |text: &str| {
        let known = seen.entry(text.to_owned()).or_insert(class);
        *known = class.min(*known);
    };
    if !text.is_empty() {
        add(text);
    }
    if let Some(begin) = first_1024(text) {
        add(begin);
    }
}

fn names_nobody(address: IpAddr) -> bool {
    address.is_unspecified() || address.is_loopback()
}

/// Only span ids of at least so many characters are used in the ids of spans of the answer.
const LONG: usize = 16;
/// The engine compares only so many characters of a text.
const VERY_LONG: usize = 1024;

/// The first 1024 characters of a text that has more.
fn first_1024(text: &str) -> Option<&str> {
    text.char_indices().nth(VERY_LONG).map(|(end, _)| &text[..end])
}

/// Pseudonyms of all texts of a case.
pub(super) struct Pseudonyms(BTreeMap<String, String>);

impl Pseudonyms {
    /// Numbers the texts of each class in their order, so that pseudonyms have the same order.
    pub(super) fn new(seen: BTreeMap<String, Class>) -> Self {
        let mut last = BTreeMap::new();
        for &class in seen.values() {
            *last.entry(class).or_insert(0u32) += 1;
        }
        let width: BTreeMap<Class, usize> =
            last.iter().map(|(&class, count)| (class, count.to_string().len())).collect();
        last.clear();
        let pseudonym = |(text, class): (String, Class)| {
            let number = last.entry(class).or_insert(0u32);
            *number += 1;
            let pseudonym = match class {
                // Addresses that nobody has: class E, and the prefix for documentation.
                Class::Address4 => Ipv4Addr::from_bits(0xf000_0000 | (*number & 0x0fff_ffff)).to_string(),
                Class::Address6 => Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(*number)).to_string(),
                _ => {
                    let width = width.get(&class).copied().unwrap_or(1);
                    format!("{}{number:0width$}", class.prefix())
                }
            };
            (text, pseudonym)
        };
        Pseudonyms(seen.into_iter().map(pseudonym).collect())
    }

    /// The pseudonym of a text; the text itself if it needs none.
    pub(super) fn of(&self, text: &str) -> String {
        let Some(pseudonym) = self.0.get(text) else { return text.to_owned() };
        match first_1024(text) {
            Some(begin) => {
                let begin = self.0.get(begin).map_or("", String::as_str);
                format!("{begin:-<VERY_LONG$}+{pseudonym}")
            }
            None if text.chars().nth(LONG - 1).is_some() && is_id(pseudonym) => {
                format!("{pseudonym:-<LONG$}")
            }
            None => pseudonym.clone(),
        }
    }
}

/// Whether a pseudonym stands for a trace or span id.
fn is_id(pseudonym: &str) -> bool {
    [Class::Trace, Class::Span].iter().any(|class| pseudonym.starts_with(class.prefix()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pseudonyms(texts: &[(Class, &str)]) -> Vec<String> {
        let mut seen = BTreeMap::new();
        for (class, text) in texts {
            note(&mut seen, *class, text);
        }
        let pseudonyms = Pseudonyms::new(seen);
        let of = |(class, text): &(Class, &str)| match class {
            Class::Trace => each_trace_id(text, |id| pseudonyms.of(id)),
            _ => pseudonyms.of(text),
        };
        texts.iter().map(of).collect()
    }

    #[test]
    fn joined_trace_ids_stay_joined_and_ordered() {
        let texts = ["b", "a,c ,, b", " ", "", "a-trace-id-that-is-long", "c"].map(|id| (Class::Trace, id));
        let expected = ["trace-3", "trace-1,trace-4 ,, trace-3", " ", "", "trace-2---------", "trace-4"];
        assert_eq!(pseudonyms(&texts), expected);
    }

    #[test]
    fn a_text_has_one_pseudonym_in_all_fields() {
        let texts = [
            (Class::Text, "/x"),
            (Class::Name, "shop"),
            (Class::Text, "shop"),
            (Class::Span, "0123456789abcdef"),
            (Class::Trace, "0123456789abcdef"),
            (Class::Span, "0123"),
            (Class::Name, "10.1.2.3"),
            (Class::Text, "10.1.2.3"),
            (Class::Name, "fd00::1"),
            (Class::Name, "0.0.0.0"),
            (Class::Name, "::"),
            (Class::Name, "127.0.0.1"),
        ];
        let expected = [
            "text-1",
            "name-1",
            "name-1",
            "trace-1---------",
            "trace-1---------",
            "span-1",
            "240.0.0.1",
            "240.0.0.1",
            "2001:db8::1",
            "0.0.0.0",
            "::",
            "127.0.0.1",
        ];
        assert_eq!(pseudonyms(&texts), expected);
    }

    #[test]
    fn long_texts_share_their_first_1024_characters_or_do_not() {
        let begin = "é".repeat(1024);
        let texts = [format!("{begin}1"), format!("{begin}2"), format!("x{begin}"), begin.clone()];
        let texts: Vec<(Class, &str)> = texts.iter().map(|text| (Class::Text, text.as_str())).collect();
        let found = pseudonyms(&texts);
        let beginnings: Vec<Option<&str>> = found.iter().map(|text| first_1024(text)).collect();
        assert!(beginnings[0].is_some() && beginnings[2].is_some() && beginnings[3].is_none());
        assert_eq!(beginnings[0], beginnings[1]);
        assert_ne!(beginnings[0], beginnings[2]);
        assert_ne!(found[0], found[1]);
    }
}
