//! How right the answers are: both modes, scored on worlds whose true tree is known.
//!
//! As a test it checks that the default mode reaches its goals and is never worse than compatibility mode.
//! `make accuracy` prints the table of `docs/accuracy.md` and each remaining fault:
//! `ACCURACY=print cargo test --test accuracy -- --nocapture`.

#![allow(clippy::unwrap_used)]

mod support;

use std::{collections::BTreeMap, fmt::Write, sync::OnceLock};

use serde_json::Value;
use support::{
    cases,
    score::{self, METRICS, Score},
};
use trace_completion::{
    completion,
    config::{AppSpanDuplicates, Compatibility, Tracing},
    contract::answer,
    flow_log::MemoryStore,
    store::ReadContext,
};

/// Scores by family; the empty name is all worlds.
type Scores = BTreeMap<String, Score>;

struct Outcome {
    original: Scores,
    default: Scores,
    /// Each fault of the default mode, one line for each.
    faults: Vec<String>,
}

fn answer_of(case: &Value, tracing: &Tracing) -> Value {
    let request = cases::request(case, tracing);
    let store = MemoryStore::new(cases::rows(case));
    let context = ReadContext::new("test", tracing.l7_tracing_limit);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let completion = runtime.block_on(completion::complete(&store, tracing, &request, &context)).unwrap();
    serde_json::to_value(answer::response(&completion, "")).unwrap()
}

fn outcome() -> &'static Outcome {
    static OUTCOME: OnceLock<Outcome> = OnceLock::new();
    OUTCOME.get_or_init(|| {
        let mut original: BTreeMap<String, Vec<Score>> = BTreeMap::new();
        let mut default: BTreeMap<String, Vec<Score>> = BTreeMap::new();
        let mut faults = Vec::new();
        for path in cases::files("truth/cases") {
            let case = cases::read(&path);
            let family = case["family"].as_str().unwrap_or_default().to_owned();
            let compatible = cases::tracing(&case);
            let own = Tracing {
                compatibility: Compatibility::Off,
                app_span_duplicates: AppSpanDuplicates::Merge,
                ..compatible.clone()
            };
            let (score_original, _) = score::score(&case, &answer_of(&case, &compatible));
            let (score_default, faults_here) = score::score(&case, &answer_of(&case, &own));
            for name in [family, String::new()] {
                original.entry(name.clone()).or_default().push(score_original);
                default.entry(name).or_default().push(score_default);
            }
            for (what, span, expected, got) in faults_here {
                let note = case["truth"]["spans"][&span]["note"].as_str().unwrap_or_default();
                faults.push(format!(
                    "{}: {what} {span}, expected {expected:?}, got {got:?} ({note})",
                    case["name"]
                ));
            }
        }
        let mean = |scores: BTreeMap<String, Vec<Score>>| {
            scores.into_iter().map(|(family, scores)| (family, score::mean(&scores))).collect::<Scores>()
        };
        let outcome = Outcome { original: mean(original), default: mean(default), faults };
        if std::env::var_os("ACCURACY").is_some() {
            println!("{}", table(&outcome));
            outcome.faults.iter().for_each(|fault| println!("{fault}"));
        }
        outcome
    })
}

/// The table of `docs/accuracy.md`: the figures of the default mode, with those of the original in brackets.
fn table(outcome: &Outcome) -> String {
    let mut text = format!("| family | {} |\n|---|{}\n", METRICS.join(" | "), "---|".repeat(METRICS.len()));
    let mut families: Vec<&String> = outcome.default.keys().collect();
    families.sort_by_key(|family| (family.is_empty(), family.len(), (*family).clone()));
    for family in families {
        let name = if family.is_empty() { "**all**" } else { family };
        let _ = write!(text, "| {name} |");
        for (own, original) in outcome.default[family].metrics.iter().zip(outcome.original[family].metrics) {
            let _ = write!(text, " {own:.3} ({original:.3}) |");
        }
        text.push('\n');
    }
    text
}

fn metric(score: &Score, name: &str) -> f64 {
    score.metrics[METRICS.iter().position(|metric| *metric == name).unwrap()]
}

#[test]
fn all_worlds_are_scored() {
    assert_eq!(outcome().default.len(), 12, "eleven families, and all of them");
}

#[test]
fn joints_are_right_in_the_common_shapes() {
    for family in ["T1", "T2", "T3", "T4"] {
        let score = &outcome().default[family];
        assert!(metric(score, "joint_acc") >= 0.97, "{family}: {score:?}");
        assert!(metric(score, "exact") >= 0.8, "{family}: {score:?}");
    }
}

#[test]
fn joints_are_right_over_all() {
    let score = &outcome().default[""];
    assert!(metric(score, "joint_acc") >= 0.9, "{score:?}");
    assert!(metric(score, "recall") >= 0.99, "{score:?}");
    assert!(metric(score, "precision") >= 0.99, "{score:?}");
    assert_eq!(score.absent, 0, "no row of another trace");
}

#[test]
fn nowhere_below_the_original() {
    for (family, own) in &outcome().default {
        let original = &outcome().original[family];
        for (name, (own, original)) in METRICS.iter().zip(own.metrics.iter().zip(original.metrics)) {
            assert!(own + 1e-9 >= original, "{family:?} {name}: {own} is below {original}");
        }
    }
}

#[test]
fn the_table_in_the_docs_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/accuracy.md");
    let text = std::fs::read_to_string(path).unwrap();
    for line in table(outcome()).lines() {
        assert!(text.contains(line), "docs/accuracy.md lacks this line; see `make accuracy`:\n{line}");
    }
}
