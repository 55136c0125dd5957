//! Scores an answer against the true tree of a world.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::Value;

use super::compare::{self, Actual};

/// Names of the metrics, in the order of [`Score::metrics`].
pub const METRICS: [&str; 9] =
    ["recall", "recall_all", "precision", "parent_acc", "root_acc", "link_p", "link_r", "joint_acc", "exact"];

/// How right an answer is; 1 is all right.
#[derive(Clone, Copy, Debug, Default)]
pub struct Score {
    /// By [`METRICS`]: reachable spans found; all spans found; spans of the answer that are true ones;
    /// found spans with the right parent; right roots; right links of the answer's, and of the true ones;
    /// right parents of application spans and of first captures of a call; the whole tree is right.
    pub metrics: [f64; 9],
    /// Rows of other traces in the answer.
    pub absent: usize,
}

/// A wrong span: what is wrong, the span, what was expected and what came.
pub type Fault = (String, String, Option<String>, Vec<String>);

/// Scores `answer`, a REST body, for `case`.
pub fn score(case: &Value, answer: &Value) -> (Score, Vec<Fault>) {
    Scorer::new(case, answer).run()
}

struct Scorer<'a> {
    truth: BTreeMap<&'a str, &'a Value>,
    absent: HashSet<String>,
    answer: BTreeMap<String, Actual<'a>>,
    /// True spans that an answer's key stands for; `None` is a row of another trace.
    stands_for: HashMap<String, BTreeSet<Option<&'a str>>>,
    /// Keys of the answer by true span.
    found: BTreeMap<&'a str, String>,
}

fn rows_of(key: &str) -> impl Iterator<Item = &str> {
    key.rsplit_once('/').map_or(key, |(rows, _)| rows).split('+')
}

impl<'a> Scorer<'a> {
    fn new(case: &'a Value, answer: &'a Value) -> Self {
        let truth: BTreeMap<&str, &Value> = case["truth"]["spans"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, span)| (key.as_str(), span))
            .collect();
        let mut name_of: HashMap<&str, &str> = HashMap::new();
        let mut owner: HashMap<&str, &str> = HashMap::new();
        for (&key, span) in &truth {
            name_of.insert(key, key);
            owner.extend(rows_of(key).map(|row| (row, key)));
            for alias in span["aliases"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                name_of.entry(alias).or_insert(key);
                for row in rows_of(alias) {
                    owner.insert(row, key);
                }
            }
        }
        let answer = compare::canonical(case, answer);
        let mut stands_for = HashMap::new();
        let mut found: BTreeMap<&str, String> = BTreeMap::new();
        let mut keys: Vec<&String> = answer.keys().collect();
        keys.sort_by_key(|key| {
            (!truth.contains_key(key.as_str()), std::cmp::Reverse(key.len()), (*key).clone())
        });
        for key in keys {
            let spans: BTreeSet<Option<&str>> = match name_of.get(key.as_str()) {
                Some(&name) => {
                    found.entry(name).or_insert_with(|| key.clone());
                    BTreeSet::from([Some(name)])
                }
                None => rows_of(key).map(|row| owner.get(row).copied()).collect(),
            };
            stands_for.insert(key.clone(), spans);
        }
        let absent = case["truth"]["absent"].as_array().into_iter().flatten().map(|id| match id {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        Scorer { truth, absent: absent.collect(), answer, stands_for, found }
    }

    fn parent(&self, span: &str) -> Option<&'a str> {
        self.truth.get(span).and_then(|span| span["parent"].as_str())
    }

    /// The nearest true ancestor among `there`.
    fn up(&self, span: &str, there: &HashSet<&'a str>) -> Option<&'a str> {
        let mut at = self.parent(span);
        while let Some(parent) = at.filter(|parent| !there.contains(parent)) {
            at = self.parent(parent);
        }
        at
    }

    /// Not an easy link between captures of one call.
    fn is_joint(&self, span: &str) -> bool {
        let is_app = |span: &str| span.rsplit_once('/').is_some_and(|(_, side)| side.contains("app"));
        match self.parent(span) {
            None => true,
            Some(parent) => {
                is_app(span) || is_app(parent) || self.truth[parent]["call"] != self.truth[span]["call"]
            }
        }
    }

    fn run(self) -> (Score, Vec<Fault>) {
        let mut faults = Vec::new();
        let present: HashSet<&str> = self
            .stands_for
            .values()
            .filter(|spans| spans.len() == 1)
            .filter_map(|spans| spans.first().copied().flatten())
            .collect();
        let need: HashSet<&str> =
            self.truth.iter().filter(|(_, span)| span["reachable"] == true).map(|(&key, _)| key).collect();
        let (mut right, mut right_links, mut joints, mut joints_right) = (0, 0, 0, 0);
        let (mut roots_right, mut true_roots, mut got_roots) = (0, 0, 0);
        for (&span, key) in &self.found {
            let parents = &self.answer[key].parents;
            let expected = self.up(span, &present);
            let is_expected = |parent: &String| {
                self.stands_for.get(parent).is_some_and(|s| s.len() == 1 && s.contains(&expected))
            };
            let correct = match parents.is_empty() {
                true => expected.is_none(),
                false => expected.is_some() && parents.iter().all(is_expected),
            };
            true_roots += usize::from(expected.is_none());
            got_roots += usize::from(parents.is_empty());
            roots_right += usize::from(parents.is_empty() && correct);
            right_links += usize::from(!parents.is_empty() && correct);
            right += usize::from(correct);
            if self.is_joint(span) {
                joints += 1;
                joints_right += usize::from(correct);
            }
            if !correct {
                let expected = expected.map(str::to_owned);
                faults.push((
                    "parent".to_owned(),
                    span.to_owned(),
                    expected,
                    parents.iter().cloned().collect(),
                ));
            }
        }
        let found_needed = need.iter().filter(|span| self.found.contains_key(*span)).count();
        for span in need.iter().filter(|span| !self.found.contains_key(*span)) {
            faults.push(("missing".to_owned(), (*span).to_owned(), None, Vec::new()));
        }
        let shown: HashSet<&String> = self.found.values().collect();
        for key in self.answer.keys().filter(|key| !shown.contains(key)) {
            faults.push(("extra".to_owned(), key.clone(), None, Vec::new()));
        }
        let occurrences: usize = self.answer.values().map(|span| span.times).sum();
        let links_true = self
            .truth
            .keys()
            .filter(|span| need.contains(*span) || self.found.contains_key(*span))
            .filter(|span| self.up(span, &need).is_some() || self.up(span, &present).is_some())
            .count();
        let links_got: usize =
            self.answer.values().filter(|span| !span.parents.is_empty()).map(|span| span.times).sum();
        let found = self.found.len();
        let exact = found_needed == need.len() && right == found && found == occurrences;
        let absent = self
            .answer
            .iter()
            .filter(|(key, _)| rows_of(key).any(|row| self.absent.contains(row)))
            .map(|(_, span)| span.times)
            .sum();
        faults.sort();
        let no_links = links_true == 0 && links_got == 0;
        let metrics = [
            ratio(found_needed, need.len(), 1.0),
            ratio(found, self.truth.len(), 1.0),
            ratio(found, occurrences, 0.0),
            ratio(right, found, 0.0),
            ratio(roots_right, true_roots + got_roots - roots_right, 0.0),
            if no_links { 1.0 } else { ratio(right_links, links_got, 0.0) },
            ratio(right_links, links_true, 1.0),
            ratio(joints_right, joints, if found > 0 { 1.0 } else { 0.0 }),
            f64::from(u8::from(exact)),
        ];
        (Score { metrics, absent }, faults)
    }
}

fn ratio(part: usize, whole: usize, none: f64) -> f64 {
    if whole == 0 { none } else { part as f64 / whole as f64 }
}

/// The mean of some scores.
pub fn mean(scores: &[Score]) -> Score {
    let mut mean = Score::default();
    for score in scores {
        for (sum, value) in mean.metrics.iter_mut().zip(score.metrics) {
            *sum += value / scores.len() as f64;
        }
        mean.absent += score.absent;
    }
    mean
}
