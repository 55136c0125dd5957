//! The ids of rules, differences and quirks in a text, and the sections of documents that it names.

/// An id or a section that a text names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Named {
    pub what: String,
    pub line: usize,
    /// Only implied, by a range such as `R-PSS-2 to -4`: it need not exist.
    pub is_between: bool,
}

/// A text as one line, so that what is broken between two lines of a comment is one again.
struct Flat {
    text: String,
    /// Where each line of the original begins.
    starts: Vec<usize>,
}

impl Flat {
    fn of(text: &str) -> Flat {
        let mut flat = Flat { text: String::new(), starts: Vec::new() };
        for line in text.lines() {
            let comment = line.trim().trim_start_matches("//").trim_start_matches(['/', '!']);
            flat.starts.push(flat.text.len());
            flat.text.push_str(comment.trim());
            flat.text.push(' ');
        }
        flat
    }

    fn line(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at)
    }

    /// Places where one of the words begins and no longer word goes on, nor a path.
    fn starts_of<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        let begins = |at: usize| {
            let before = self.text[..at].chars().next_back();
            !before.is_some_and(|c| c.is_alphanumeric() || "_-/".contains(c))
        };
        self.text.match_indices(word).map(|(at, _)| at).filter(move |at| begins(*at))
    }
}

fn length(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c: char| !belongs(c)).unwrap_or(text.len())
}

/// The number at the beginning, with a letter behind it or not: `13`, `13a`.
fn number(text: &str) -> Option<&str> {
    let digits = length(text, |c| c.is_ascii_digit());
    let letter = length(&text[digits..], |c| c.is_ascii_lowercase());
    let end = digits + if letter == 1 { 1 } else { 0 };
    let is_word = text[end..].starts_with(|c: char| c.is_alphanumeric() || c == '_');
    (digits > 0 && !is_word).then(|| &text[..end])
}

/// The number of a section at the beginning: `3`, `10.4`, `E.2`.
fn section_number(text: &str) -> Option<&str> {
    let letter = length(text, |c| c.is_ascii_uppercase());
    let first = if letter == 1 { 1 } else { length(text, |c| c.is_ascii_digit()) };
    if first == 0 {
        return None;
    }
    let mut end = first;
    while let Some(part) = text[end..].strip_prefix('.') {
        match length(part, |c| c.is_ascii_digit()) {
            0 => break,
            digits => end += 1 + digits,
        }
    }
    let is_word = text[end..].starts_with(|c: char| c.is_alphanumeric() || "_-".contains(c));
    (!is_word).then(|| &text[..end])
}

/// Reads a list such as `6 and 5g`, `2.1, 2.7`, `-2 to -4` at the beginning of the text, each number behind
/// `mark`. Gives each number, and whether it is the end of a range.
fn list<'a>(mut text: &'a str, mark: &str, one: impl Fn(&'a str) -> Option<&'a str>) -> Vec<(&'a str, bool)> {
    let mut numbers = Vec::new();
    let mut is_range = false;
    while let Some(found) = text.strip_prefix(mark).and_then(&one) {
        numbers.push((found, is_range));
        text = &text[mark.len() + found.len()..];
        is_range = text.starts_with(" to ");
        let Some(rest) = [", ", " and ", " or ", " to "].iter().find_map(|link| text.strip_prefix(link))
        else {
            break;
        };
        text = rest;
    }
    numbers
}

/// Names the numbers of a list, and those between the ends of its ranges.
fn name_all(numbers: &[(&str, bool)], name: impl Fn(&str) -> String, line: usize, named: &mut Vec<Named>) {
    let value = |number: &str| number.trim_end_matches(char::is_alphabetic).parse::<u32>().unwrap_or(0);
    for (at, (number, is_range)) in numbers.iter().enumerate() {
        if *is_range {
            let between = value(numbers[at - 1].0) + 1..value(number);
            let implied = |number: u32| Named { what: name(&number.to_string()), line, is_between: true };
            named.extend(between.map(implied));
        }
        named.push(Named { what: name(number), line, is_between: false });
    }
}

/// All ids that a text names.
pub fn ids(text: &str) -> Vec<Named> {
    let flat = Flat::of(text);
    let mut named = Vec::new();
    for at in flat.starts_of("R-") {
        let rest = &flat.text[at + 2..];
        let letters = length(rest, |c| c.is_ascii_uppercase());
        let (family, rest) = (&flat.text[at..at + 2 + letters], &rest[letters..]);
        let line = flat.line(at);
        let numbers = list(rest, "-", number);
        let is_alone = !rest.starts_with(|c: char| c.is_alphanumeric() || "-_".contains(c));
        // `R-CONN scenario 3` is read below.
        let is_scenario = family == "R-CONN" && rest.starts_with(" scenario");
        if letters > 0 && is_alone && !is_scenario {
            named.push(Named { what: family.to_owned(), line, is_between: false });
        }
        name_all(&numbers, |number| format!("{family}-{number}"), line, &mut named);
    }
    for word in ["scenario ", "Scenario ", "scenarios ", "Scenarios "] {
        for at in flat.starts_of(word) {
            let numbers = list(&flat.text[at + word.len()..], "", number);
            name_all(&numbers, |number| format!("R-CONN scenario {number}"), flat.line(at), &mut named);
        }
    }
    for at in flat.starts_of("evidence/") {
        let rest = &flat.text[at + "evidence/".len()..];
        let name = &rest[..length(rest, |c| c.is_ascii_lowercase() || c == '-')];
        let behind = &rest[name.len()..];
        let is_path = behind.starts_with(|c: char| c.is_alphanumeric() || "_/".contains(c))
            || behind.starts_with(".rs");
        if !name.is_empty() && !is_path {
            let what = format!("evidence/{name}");
            named.push(Named { what, line: flat.line(at), is_between: false });
        }
    }
    for letter in ["B", "D", "Q"] {
        for at in flat.starts_of(&format!("{letter}-")) {
            let numbers = list(&flat.text[at + 1..], "-", number);
            name_all(&numbers, |number| format!("{letter}-{number}"), flat.line(at), &mut named);
        }
    }
    named.sort();
    named
}

/// The sections of a document that a text names, as in `algorithm 2.1, 2.7` or `api section 3`.
pub fn sections(text: &str, document: &str) -> Vec<Named> {
    let flat = Flat::of(text);
    let mut named = Vec::new();
    for at in flat.starts_of(document) {
        let rest = &flat.text[at + document.len()..];
        let rest = rest.strip_prefix(".md").unwrap_or(rest).trim_start_matches(['`', ',']);
        let Some(rest) = rest.strip_prefix(' ') else { continue };
        let words = ["sections ", "section "];
        let numbers = match words.iter().find_map(|word| rest.strip_prefix(word)) {
            Some(rest) => list(rest, "", section_number),
            None if document == "algorithm" => list(rest, "", section_number),
            None => Vec::new(),
        };
        let line = flat.line(at);
        let exact =
            |(number, _): &(&str, bool)| Named { what: (*number).to_owned(), line, is_between: false };
        named.extend(numbers.iter().map(exact));
    }
    named
}

/// The numbers of a document's headings.
pub fn headings(document: &str) -> Vec<String> {
    let title = |line: &str| line.starts_with('#').then(|| line.trim_start_matches('#').trim().to_owned());
    let titles = document.lines().filter_map(title);
    titles.filter_map(|title| section_number(&title).map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        ids(text).into_iter().map(|named| named.what).collect()
    }

    #[test]
    fn ids_are_found() {
        assert_eq!(names("/// R-PSS-13a, like `R-NET`."), ["R-NET", "R-PSS-13a"]);
        assert_eq!(names("R-PSS-6, R-PSS-7"), ["R-PSS-6", "R-PSS-7"]);
        assert_eq!(names("(R-SEARCH-1, -2 and -5)"), ["R-SEARCH-1", "R-SEARCH-2", "R-SEARCH-5"]);
        assert_eq!(names("R-CONN\n    //! scenario 5g."), ["R-CONN scenario 5g"]);
        assert_eq!(
            names("scenarios 6 and 5g (R-CONN)"),
            ["R-CONN", "R-CONN scenario 5g", "R-CONN scenario 6"]
        );
        assert_eq!(names("\"evidence/entry-by-calls\""), ["evidence/entry-by-calls"]);
        assert_eq!(names("B-1, D-15 and Q-06"), ["B-1", "D-15", "Q-06"]);
    }

    #[test]
    fn what_only_looks_like_an_id_is_none() {
        let none: [String; 0] = [];
        assert_eq!(names("X-Request-ID, UTF-8, CAR-3, R-, engine/evidence/by_start.rs"), none);
        assert_eq!(names("`evidence/thread.rs`, evidence/by_start, `evidence/…`, scenario one, Q3"), none);
    }

    #[test]
    fn ranges_imply_what_is_between() {
        let found = ids("text\n// R-PSS-13 to -16");
        let all: Vec<_> = found.iter().map(|named| (named.what.as_str(), named.is_between)).collect();
        let expected = [("R-PSS-13", false), ("R-PSS-14", true), ("R-PSS-15", true), ("R-PSS-16", false)];
        assert_eq!(all, expected);
        assert!(found.iter().all(|named| named.line == 2));
    }

    #[test]
    fn sections_are_found() {
        let of = |text: &str, document: &str| -> Vec<String> {
            sections(text, document).into_iter().map(|named| named.what).collect()
        };
        assert_eq!(of("(algorithm 2.1, 2.7 and 5).", "algorithm"), ["2.1", "2.7", "5"]);
        assert_eq!(of("`docs/algorithm.md`, section E.2", "docs/algorithm"), ["E.2"]);
        assert_eq!(of("algorithm 3 to 10", "algorithm"), ["3", "10"]);
        assert_eq!(of("data-model\n/// sections 3 and 8.3", "data-model"), ["3", "8.3"]);
        assert_eq!(of("the api 3 times", "api"), [""; 0]);
        assert_eq!(headings("# Title\n## 2. A\n### 2.1 B\n## E. C\ntext 7\n"), ["2", "2.1", "E"]);
    }
}
