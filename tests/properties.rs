//! What is true of every answer, whatever rows there are. It is tried on worlds made from seeds, in both modes.
//! A failing world is made small, and its seed is kept in `properties.proptest-regressions`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

mod support;
mod worlds;

use std::collections::{BTreeMap, BTreeSet};

use proptest::{
    prelude::*,
    test_runner::{Config, FileFailurePersistence},
};
use trace_completion::{
    completion::{self, Completion},
    config::{AppSpanDuplicates, Tracing},
    contract::answer,
    engine::{self, Completed, CompletedSpan},
    flow::{AppSpan, CompletionRequest, SpanKind, Texts},
    flow_log::{MemoryStore, StoredRow},
    store::ReadContext,
};
use worlds::{Kind, World, random::Random, request_span_name};

/// How many worlds are tried for each property.
fn config() -> Config {
    let cases =
        std::env::var("SOAK_WORLDS").map_or(400, |text| text.parse().expect("SOAK_WORLDS is a number"));
    let seeds = FileFailurePersistence::Direct(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/properties.proptest-regressions"
    ));
    Config { cases, failure_persistence: Some(Box::new(seeds)), max_shrink_iters: 2_000, ..Config::default() }
}

/// A world of one of these kinds. proptest makes it smaller by taking rows away.
fn world(kinds: &'static [Kind]) -> impl Strategy<Value = World> {
    let kept = proptest::collection::vec(proptest::bool::weighted(0.98), 64);
    let seed = (prop::sample::select(kinds), any::<u64>().no_shrink());
    (seed, kept).prop_map(|((kind, seed), kept)| {
        let mut world = World::new(kind, seed);
        let mut kept = kept.into_iter();
        world.rows.retain(|_| kept.next().unwrap_or(true));
        world
    })
}

const SENSIBLE: &[Kind] = &[Kind::Calls, Kind::Disturbed, Kind::Soup];

fn off() -> Tracing {
    Tracing { max_related_ids: u32::MAX, ..Tracing::default() }
}

/// Both modes, as they are configured.
fn modes(world: &World) -> [Tracing; 2] {
    [world.tracing.clone(), off()]
}

fn run(world: &World, tracing: &Tracing) -> (Completed, Texts) {
    let mut texts = Texts::new();
    let rows = world.flow_rows(&mut texts);
    let completed = engine::complete(rows, &world.request, tracing, &mut texts);
    (completed, texts)
}

/// The answer to a world through search and engine.
fn search_and_run(world: &World, tracing: &Tracing) -> Completion {
    let store = MemoryStore::new(world.rows.clone());
    let context = ReadContext::new("test", tracing.l7_tracing_limit);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(completion::complete(&store, tracing, &world.request, &context)).unwrap()
}

/// The bytes that a caller gets.
fn bytes(world: &World, tracing: &Tracing) -> String {
    let nothing = World { rows: Vec::new(), ..world.clone() };
    let mut completion = search_and_run(&nothing, tracing);
    completion.rounds.clear(); // each search takes another time
    (completion.completed, completion.texts) = run(world, tracing);
    serde_json::to_string(&answer::response(&completion, "")).unwrap()
}

/// The differences between two answers, one line for each: the path and both values.
fn difference(one: &str, other: &str) -> Option<String> {
    if one == other {
        return None;
    }
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let mut found = Vec::new();
    differing("", &read(one), &read(other), &mut found);
    Some(found.join("\n"))
}

fn differing(path: &str, one: &serde_json::Value, other: &serde_json::Value, found: &mut Vec<String>) {
    use serde_json::Value::{Array, Object};
    match (one, other) {
        (Object(one), Object(other)) if one.keys().eq(other.keys()) => {
            one.iter()
                .for_each(|(key, value)| differing(&format!("{path}/{key}"), value, &other[key], found));
        }
        (Array(one), Array(other)) if one.len() == other.len() => {
            let pairs = one.iter().zip(other).enumerate();
            pairs.for_each(|(place, (one, other))| differing(&format!("{path}/{place}"), one, other, found));
        }
        (Array(some), Array(others)) => {
            found.push(format!("{path}: {} and {} items", some.len(), others.len()));
        }
        _ if one == other => {}
        _ => found.push(format!("{path}: {one} and {other}")),
    }
}

fn shuffled(world: &World, seed: u64) -> World {
    let mut world = world.clone();
    Random::new(seed).shuffle(&mut world.rows);
    world
}

/// The nearest application span of the request above each one, by position in the request.
fn request_tree(answer: &Completed, texts: &Texts) -> Result<BTreeMap<usize, Option<usize>>, String> {
    let position = |span: &CompletedSpan| {
        texts.get(span.row.name).strip_prefix("request span ").map(|number| number.parse::<usize>().unwrap())
    };
    let mut tree = BTreeMap::new();
    for span in &answer.spans {
        let Some(of) = position(span) else { continue };
        let mut parent = span.parent.map(|parent| &answer.spans[parent as usize]);
        while let Some(above) = parent.filter(|above| position(above).is_none()) {
            parent = above.parent.map(|parent| &answer.spans[parent as usize]);
        }
        if tree.insert(of, parent.and_then(position)).is_some() {
            return Err(format!("request span {of} is there twice"));
        }
    }
    Ok(tree)
}

/// The caller's parent of each span, by position. `None` unless every span has an id, no two have the same one,
/// and no span is above itself.
fn given_tree(request: &CompletionRequest) -> Option<BTreeMap<usize, usize>> {
    let spans = &request.app_spans;
    let ids: BTreeSet<&String> = spans.iter().map(|span| &span.span_id).collect();
    if ids.len() < spans.len() || ids.iter().any(|id| id.is_empty()) {
        return None;
    }
    let parent_of = |span: &AppSpan| {
        let parent = spans.iter().position(|other| other.span_id == span.parent_span_id)?;
        (spans[parent].trace_id == span.trace_id).then_some(parent)
    };
    let tree: BTreeMap<usize, usize> =
        spans.iter().enumerate().filter_map(|(place, span)| Some((place, parent_of(span)?))).collect();
    for start in 0..spans.len() {
        let mut at = start;
        for _ in 0..=spans.len() {
            at = match tree.get(&at) {
                Some(&parent) if parent == start => return None,
                Some(&parent) => parent,
                None => break,
            };
        }
    }
    Some(tree)
}

/// The world without those stored application spans that are also in the request and have another parent there.
fn without_contradiction(mut world: World) -> World {
    let spans = &world.request.app_spans;
    world.rows.retain(|row| {
        row.signal_source != 4
            || !spans
                .iter()
                .any(|span| span.span_id == row.span_id && span.parent_span_id != row.parent_span_id)
    });
    world
}

/// What a caller may rely on, whatever was found.
fn well_formed(world: &World, answer: &Completed, texts: &Texts) -> Result<(), String> {
    let spans = &answer.spans;
    let (most, got) = (world.rows.len() + world.request.app_spans.len(), spans.len());
    if got > most {
        return Err(format!("{got} spans of {most} rows and request spans"));
    }
    let ids: BTreeSet<&String> = spans.iter().map(|span| &span.deepflow_span_id).collect();
    if ids.len() < got || ids.iter().any(|id| id.is_empty()) {
        return Err(format!("ids are not unique, or empty: {ids:?}"));
    }
    for (place, span) in spans.iter().enumerate() {
        if span.parent.is_some_and(|parent| parent as usize >= place) {
            return Err(format!("span {place} stands before its parent"));
        }
        if span.ids.is_empty() {
            return Err(format!("span {place} has no row"));
        }
        if span.related.iter().any(|related| !spans.iter().any(|other| other.ids[0] == related.id)) {
            return Err(format!("span {place} is related to a span that is not there"));
        }
    }
    request_tree(answer, texts).map(|_| ())
}

/// Checks the tree of the caller's spans in an answer of the default mode.
fn keeps_request(world: &World, answer: &Completed, texts: &Texts) -> Result<(), String> {
    let tree = request_tree(answer, texts)?;
    for (place, parent) in given_tree(&world.request).into_iter().flatten() {
        if tree.get(&place).is_some_and(|&found| found != Some(parent)) {
            return Err(format!(
                "request span {place} should be below {parent}, is below {:?}",
                tree[&place]
            ));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_order_of_rows_means_nothing(world in world(&Kind::ALL), seed in any::<u64>().no_shrink()) {
        let world = world.with_distinct_ids();
        for tracing in modes(&world) {
            let (as_is, otherwise) = (bytes(&world, &tracing), bytes(&shuffled(&world, seed), &tracing));
            prop_assert_eq!(difference(&as_is, &otherwise), None, "{:?}", tracing.compatibility);
        }
    }

    #[test]
    fn the_order_of_rows_in_the_flow_log_means_nothing(
        world in world(SENSIBLE),
        seed in any::<u64>().no_shrink(),
    ) {
        for tracing in modes(&world) {
            let [as_is, otherwise] = [search_and_run(&world, &tracing), search_and_run(&shuffled(&world, seed), &tracing)]
                .map(|completion| serde_json::to_string(&answer::response(&completion, "here")).unwrap());
            prop_assert_eq!(difference(&as_is, &otherwise), None, "{:?}", tracing.compatibility);
        }
    }

    #[test]
    fn answers_are_well_formed(world in world(&Kind::ALL)) {
        for tracing in modes(&world) {
            let (answer, texts) = run(&world, &tracing);
            let fault = well_formed(&world, &answer, &texts).err();
            prop_assert_eq!(fault, None, "{:?}", tracing.compatibility);
        }
    }

    #[test]
    fn the_callers_spans_come_back_as_the_caller_has_them(world in world(&Kind::ALL)) {
        let world = without_contradiction(world);
        for app_span_duplicates in [AppSpanDuplicates::Merge, AppSpanDuplicates::Keep] {
            let (answer, texts) = run(&world, &Tracing { app_span_duplicates, ..off() });
            let fault = keeps_request(&world, &answer, &texts).err();
            prop_assert_eq!(fault, None, "{:?}", app_span_duplicates);
        }
    }

    #[test]
    fn asking_with_the_answers_own_spans_adds_nothing(world in world(&[Kind::Calls])) {
        let tracing = off();
        let (first, texts) = run(&world, &tracing);
        let mut again = world.clone();
        again.request.app_spans = application_spans(&first, &texts);
        let (second, second_texts) = run(&again, &tracing);
        prop_assert_eq!(second.spans.len(), first.spans.len());
        let fault = keeps_request(&again, &second, &second_texts).err();
        prop_assert_eq!(fault, None, "asked again: {:?}", again);
    }

    // In compatibility mode a row of a process may change something: it becomes the last process leaf, which
    // adopts nobody in scenario 2.
    #[test]
    fn a_row_that_nothing_ties_to_the_trace_changes_nothing(
        world in world(SENSIBLE),
        kind in prop::sample::select(&[0_u16, 1, 3, 4][..]),
        point in prop::sample::select(&["c-p", "s-p", "c", "s", "app", "c-app"][..]),
    ) {
        let mut crowded = world.clone();
        crowded.rows.push(stranger(&world, kind, point));
        let of_process = [3, 4].contains(&kind);
        for tracing in modes(&world).into_iter().skip(usize::from(of_process)) {
            let (alone, with_stranger) = (bytes(&world, &tracing), bytes(&crowded, &tracing));
            prop_assert_eq!(difference(&alone, &with_stranger), None, "{:?}", tracing.compatibility);
        }
    }
}

proptest! {
    #![proptest_config(config())]

    // R-ROW-2; which of the rows with one `_id` counts may not depend on their order.
    #[test]
    fn every_row_counts_once_even_if_given_twice(
        world in world(&[Kind::Hostile]),
        seed in any::<u64>().no_shrink(),
    ) {
        for tracing in modes(&world) {
            let (answer, _) = run(&world, &tracing);
            let ids: Vec<u64> = answer.spans.iter().flat_map(|span| &span.ids).map(|id| id.0).collect();
            let distinct: BTreeSet<u64> = ids.iter().copied().collect();
            prop_assert_eq!(distinct.len(), ids.len(), "{:?}", tracing.compatibility);
            let (as_is, otherwise) = (bytes(&world, &tracing), bytes(&shuffled(&world, seed), &tracing));
            prop_assert_eq!(difference(&as_is, &otherwise), None, "{:?}", tracing.compatibility);
        }
    }

    // D-8: a tree with a span of the caller is never pruned, however far away in time.
    #[test]
    fn no_span_of_the_caller_is_lost(world in world(&Kind::ALL)) {
        let (answer, texts) = run(&world, &off());
        let tree = request_tree(&answer, &texts).unwrap();
        let all: Vec<usize> = (0..world.request.app_spans.len()).collect();
        prop_assert_eq!(tree.into_keys().collect::<Vec<usize>>(), all);
    }
}

/// The application spans of an answer as its caller would send them.
fn application_spans(answer: &Completed, texts: &Texts) -> Vec<AppSpan> {
    let applications = answer.spans.iter().filter(|span| span.row.key.signal_source.0 == 4);
    let text = |text| texts.get(text).to_owned();
    applications
        .enumerate()
        .map(|(position, CompletedSpan { row, .. })| AppSpan {
            trace_id: text(row.key.trace_id),
            span_id: text(row.key.span_id),
            parent_span_id: text(row.key.parent_span_id),
            span_kind: match texts.get(row.key.tap_side) {
                "c-app" => SpanKind::Client,
                "s-app" => SpanKind::Server,
                _ => SpanKind::Internal,
            },
            start_time_us: row.key.start_us,
            end_time_us: row.key.end_us,
            name: request_span_name(position),
            app_service: text(row.app_service),
            app_instance: text(row.app_instance),
        })
        .collect()
}

/// A row of another trace, an hour later, on a host and in a process of its own.
fn stranger(world: &World, signal_source: u16, point: &str) -> StoredRow {
    let ends = world.rows.iter().map(|row| row.end_time.max(row.start_time));
    let span_ends = world.request.app_spans.iter().map(|span| span.end_time_us.max(span.start_time_us));
    let last = ends.chain(span_ends).max().unwrap_or(0);
    let (start, end) = (last + 3_600_000_000, last + 3_600_010_000);
    StoredRow {
        _id: ((end / 1_000_000) as u64) << 32 | 77_777,
        time: (end / 1_000_000) as u32,
        agent_id: 60_000,
        observation_point: point.to_owned(),
        signal_source,
        protocol: 6,
        start_time: start,
        end_time: end,
        response_duration: 10_000,
        flow_id: 987_654_321,
        req_tcp_seq: 3_000_000_001,
        resp_tcp_seq: 3_000_000_002,
        process_id_0: 60_001,
        process_id_1: 60_002,
        syscall_trace_id_request: u64::MAX - 1,
        syscall_trace_id_response: u64::MAX - 2,
        auto_instance_id_0: 60_003,
        auto_instance_id_1: 60_004,
        auto_instance_type_0: 10,
        auto_instance_type_1: 10,
        auto_instance_0: "elsewhere-0".to_owned(),
        auto_instance_1: "elsewhere-1".to_owned(),
        r#type: 2,
        l7_protocol: 20,
        trace_id: "a trace of its own".to_owned(),
        span_id: "a span of its own".to_owned(),
        ..StoredRow::default()
    }
}

#[test]
fn worlds_are_the_same_on_every_machine() {
    let text: String = Kind::ALL.iter().map(|&kind| World::new(kind, 1).describe()).collect();
    let sum = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    assert_eq!(
        sum, 1798715850085674609,
        "the generator changed: seeds of failing worlds mean something else now"
    );
}

fn app_span(
    trace_id: &str,
    span_id: &str,
    parent_span_id: &str,
    start_time_us: i64,
    length_us: i64,
) -> AppSpan {
    AppSpan {
        trace_id: trace_id.to_owned(),
        span_id: span_id.to_owned(),
        parent_span_id: parent_span_id.to_owned(),
        start_time_us,
        end_time_us: start_time_us + length_us,
        ..AppSpan::default()
    }
}

fn small_world(rows: Vec<StoredRow>, mut app_spans: Vec<AppSpan>) -> World {
    for (position, span) in app_spans.iter_mut().enumerate() {
        span.name = request_span_name(position);
    }
    let request = CompletionRequest {
        max_iteration: 30,
        network_delay_us: 50_000,
        host_clock_offset_us: 10_000,
        explain: false,
        app_spans,
    };
    World { rows, request, tracing: off(), truth: Vec::new() }
}

const NOON: i64 = 1_767_000_000_000_000;

/// An example of `no_span_of_the_caller_is_lost`.
#[test]
fn two_traces_an_hour_apart_both_come_back() {
    let spans =
        vec![app_span("one", "a", "", NOON, 1_000), app_span("two", "b", "", NOON + 3_600_000_000, 1_000)];
    let (answer, _) = run(&small_world(Vec::new(), spans), &off());
    assert_eq!(answer.spans.len(), 2);
}

/// The stored copy of a caller's span has a parent of its own, or none.
#[test]
fn the_callers_parent_counts_not_the_stored_copys() {
    for parent_span_id in ["", "of nobody"] {
        let stored = StoredRow {
            _id: 1_767_000_000 << 32 | 1,
            time: 1_767_000_000,
            agent_id: 1,
            observation_point: "c-app".to_owned(),
            signal_source: 4,
            r#type: 2,
            start_time: NOON + 100,
            end_time: NOON + 900,
            response_duration: 800,
            trace_id: "t".to_owned(),
            span_id: "b".to_owned(),
            parent_span_id: parent_span_id.to_owned(),
            ..StoredRow::default()
        };
        let spans = vec![app_span("t", "a", "", NOON, 1_000), app_span("t", "b", "a", NOON + 100, 800)];
        let (answer, texts) = run(&small_world(vec![stored], spans), &off());
        let tree = request_tree(&answer, &texts).unwrap();
        assert_eq!(tree[&1], Some(0), "the stored copy's parent is {parent_span_id:?}");
    }
}

/// An example of `every_row_counts_once_even_if_given_twice`.
#[test]
fn the_first_of_two_rows_with_the_same_id_counts() {
    let row = |number: u64, start_time| StoredRow {
        _id: 1_767_000_000 << 32 | number,
        time: 1_767_000_000,
        agent_id: 1,
        observation_point: "c-p".to_owned(),
        signal_source: 3,
        r#type: 2,
        start_time,
        end_time: NOON + 900,
        trace_id: "t".to_owned(),
        ..StoredRow::default()
    };
    let spans = vec![app_span("t", "a", "", NOON, 1_000)];
    // Another row is between the two in time, so that they are not found by comparing neighbours.
    let rows = [row(1, NOON + 100), row(2, NOON + 150), row(1, NOON + 200)];
    let (answer, _) = run(&small_world(rows.to_vec(), spans), &off());
    assert_eq!(answer.spans.len(), 3);
}
