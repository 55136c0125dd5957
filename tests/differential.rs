//! The engine is compared with the oracle, a second implementation of the same rules, on recorded cases and on
//! worlds made from seeds.
//!
//! `SOAK_WORLDS` is the number of worlds of each kind, if more are wanted than a test run has time for.
//! `SOAK_FIRST` is the first seed. With `SOAK_UNSHRUNK` a failing world is not made small.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

mod oracle;
mod support;
mod worlds;

use std::{collections::BTreeSet, path::Path, sync::Mutex};

use support::{cases, compare};
use trace_completion::{
    completion::{self, Completion},
    config::{Tracing, TracingSource},
    contract::answer,
    engine,
    flow::{CompletionRequest, FlowRow, KeyRow, RowId, Texts},
    flow_log::{MemoryStore, StoredRow},
    search::Question,
    store::{FlowStore, Page, ReadContext, StoreError},
};
use worlds::{Kind, World};

/// A store that remembers which rows were fetched.
struct Remembering {
    store: MemoryStore,
    fetched: Mutex<Vec<RowId>>,
}

impl FlowStore for Remembering {
    async fn search(
        &self,
        context: &ReadContext,
        question: &Question,
        texts: &mut Texts,
    ) -> Result<Page<KeyRow>, StoreError> {
        self.store.search(context, question, texts).await
    }

    async fn fetch(
        &self,
        context: &ReadContext,
        ids: &[RowId],
        texts: &mut Texts,
    ) -> Result<Page<FlowRow>, StoreError> {
        *self.fetched.lock().unwrap() = ids.to_vec();
        self.store.fetch(context, ids, texts).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A recorded case in the form that the engine takes.
struct Recorded {
    case: serde_json::Value,
    tracing: Tracing,
    request: CompletionRequest,
    /// The program's answer to it.
    completion: Completion,
    /// The rows that its search found.
    rows: Vec<FlowRow>,
    texts: Texts,
}

fn recorded(path: &Path) -> Recorded {
    let case = cases::read(path);
    let tracing = cases::tracing(&case);
    let mut request = cases::request(&case, &tracing);
    for (position, span) in request.app_spans.iter_mut().enumerate() {
        span.name = oracle::compare::request_span_name(position);
    }
    let store = Remembering { store: MemoryStore::new(cases::rows(&case)), fetched: Mutex::default() };
    let context = ReadContext::new("test", tracing.l7_tracing_limit);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let completion = completion::complete(&store, &tracing, &request, &context).await.unwrap();
        let ids = store.fetched.lock().unwrap().clone();
        let mut texts = Texts::new();
        let rows = store.store.fetch(&context, &ids, &mut texts).await.unwrap().rows;
        Recorded { case, tracing, request, completion, rows, texts }
    })
}

#[test]
fn the_oracle_answers_recorded_cases_as_the_original_did() {
    let mut wrong = Vec::new();
    let files = cases::files("golden/cases");
    for path in &files {
        let Recorded { case, tracing, request, mut completion, rows, mut texts } = recorded(path);
        let outcome = oracle::complete(rows, &request, &tracing, &mut texts);
        completion.completed = oracle::dress::completed(&outcome);
        completion.texts = texts;
        let region = case["config"]["region_name"].as_str().unwrap_or("");
        let answer = serde_json::to_value(answer::response(&completion, region)).unwrap();
        let differences = compare::differences(&case, &answer);
        if !differences.is_empty() {
            wrong.push(format!("{}: {}", path.display(), differences.join("\n    ")));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases\n{}", wrong.len(), files.len(), wrong.join("\n"));
}

#[test]
fn the_engine_answers_recorded_cases_as_the_oracle_does() {
    let mut wrong = Vec::new();
    for path in cases::files("golden/cases") {
        let Recorded { tracing, request, rows, mut texts, .. } = recorded(&path);
        let stored = rows.iter().map(|row| row.key.id.0).collect();
        let answer = engine::complete(rows.clone(), &request, &tracing, &mut texts);
        let outcome = oracle::complete(rows, &request, &tracing, &mut texts);
        let differences = oracle::compare::differences(&outcome, &answer, &stored, &texts);
        if !differences.is_empty() {
            wrong.push(format!("{}: {}", path.display(), differences.join("\n    ")));
        }
    }
    assert!(wrong.is_empty(), "{} cases\n{}", wrong.len(), wrong.join("\n"));
}

fn disagreements(world: &World) -> Vec<String> {
    let mut texts = Texts::new();
    let rows = world.flow_rows(&mut texts);
    let stored: BTreeSet<u64> = rows.iter().map(|row| row.key.id.0).collect();
    let answer = engine::complete(rows.clone(), &world.request, &world.tracing, &mut texts);
    let outcome = oracle::complete(rows, &world.request, &world.tracing, &mut texts);
    oracle::compare::differences(&outcome, &answer, &stored, &texts)
}

/// How many worlds are tried: few enough for every test run, or as many as `SOAK_WORLDS` asks for.
fn number_of_worlds(usual: u64) -> u64 {
    std::env::var("SOAK_WORLDS").ok().map_or(usual, |text| text.parse().expect("SOAK_WORLDS is a number"))
}

fn agree_on(kind: Kind, usual: u64) {
    let first: u64 =
        std::env::var("SOAK_FIRST").map_or(0, |text| text.parse().expect("SOAK_FIRST is a number"));
    let worlds = number_of_worlds(usual);
    for seed in first..first + worlds {
        let world = World::new(kind, seed).with_distinct_ids();
        if disagreements(&world).is_empty() {
            continue;
        }
        assert!(std::env::var_os("SOAK_UNSHRUNK").is_none(), "{kind:?} world {seed}");
        let small = worlds::shrink::shrink(world, |world| !disagreements(world).is_empty());
        let found = disagreements(&small).join("\n");
        panic!("{kind:?} world {seed}\n{}{found}", small.describe());
    }
    println!("{worlds} {kind:?} worlds from {first} agree");
}

#[test]
fn the_engine_agrees_with_the_oracle_on_soup() {
    agree_on(Kind::Soup, 10_000);
}

#[test]
fn the_engine_agrees_with_the_oracle_on_call_trees() {
    agree_on(Kind::Calls, 4_000);
}

#[test]
fn the_engine_agrees_with_the_oracle_on_disturbed_call_trees() {
    agree_on(Kind::Disturbed, 4_000);
}

/// R-NET-2 takes candidates in the order of `R[seed]`, which R-REL-10 fills one kind of relation after the
/// other. So the `s`, which is related to the seed by its span id, joins before the `c`, which is related by
/// DNS alone. What the set is known as depends on that order (R-NET-4).
#[test]
fn captures_join_in_the_order_in_which_they_are_related() {
    let capture = |number: u64, start_time: i64| StoredRow {
        _id: 1_767_000_000 << 32 | number,
        time: 1_767_000_000,
        observation_point: "c".to_owned(),
        start_time: 1_767_000_000_000_000 + start_time,
        end_time: 1_767_000_000_000_000 + start_time,
        l7_protocol: 120,
        request_id: Some(2),
        ..StoredRow::default()
    };
    let seed = StoredRow { r#type: 2, trace_id: "t".to_owned(), span_id: "a".to_owned(), ..capture(1, 20) };
    let by_dns = capture(2, 30);
    let by_span_and_dns = StoredRow {
        trace_id: "t".to_owned(),
        span_id: "a".to_owned(),
        auto_instance_type_0: 14,
        auto_service_type_0: 104,
        ..capture(3, 40)
    };
    let mut world = World::new(Kind::Soup, 3988);
    world.rows = vec![seed, by_dns, by_span_and_dns];
    world.tracing.tracing_source.push(TracingSource::Dns);
    assert_eq!(disagreements(&world), Vec::<String>::new());
}

/// No flow log could hold such worlds, but the rules say what becomes of them.
#[test]
fn the_engine_agrees_with_the_oracle_on_hostile_values() {
    agree_on(Kind::Hostile, 2_000);
}
