//! Recorded cases of the original. There are several tests of each case:
//!
//! | trials | what they show |
//! |---|---|
//! | `memory::<case>` | search and engine answer as recorded, with the rows in memory |
//! | `server::<case>` | so does a server that is asked over REST and reads a real ClickHouse |
//! | `order::<case>` | the order in which rows are stored and read changes no byte of an answer |
//! | `mutations::<case>` | the comparison finds the faults that it should find, and no others |

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

#[path = "golden/as_read.rs"]
mod as_read;
#[path = "golden/mutations.rs"]
mod mutations;
#[path = "golden/order.rs"]
mod order;
#[path = "golden/server.rs"]
mod server;

use std::{collections::BTreeMap, path::Path};

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use support::{cases, compare};
use trace_completion::{
    completion,
    config::Tracing,
    contract::answer,
    flow_log::MemoryStore,
    store::{FlowStore, ReadContext},
};

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    let mut mutations = mutations::by_case();
    for path in cases::files("golden/cases") {
        let name = path.file_name().unwrap().to_string_lossy().replace(".json.gz", "");
        let mut add = |kind: &str, check: fn(&Value) -> Result<(), Failed>| {
            let path = path.clone();
            trials.push(Trial::test(format!("{kind}::{name}"), move || check(&cases::read(&path))));
        };
        add("memory", check_memory);
        add("server", check_server);
        add("order", order::check);
        if let Some(mutations) = mutations.remove(&name) {
            let check = move || mutations::check(&cases::read(&path), &mutations);
            trials.push(Trial::test(format!("mutations::{name}"), check));
        }
    }
    trials.push(Trial::test("mutations", move || mutations::check_coverage(&mutations)));
    trials.push(Trial::test("adjustments", check_adjustments));
    libtest_mimic::run(&arguments, trials).exit();
}

fn check_memory(case: &Value) -> Result<(), Failed> {
    let answer = answer_in_memory(case);
    if let Ok(folder) = std::env::var("GOLDEN_DUMP") {
        let file = Path::new(&folder).join(format!("{}.json", case["name"].as_str().unwrap()));
        std::fs::write(file, answer.to_string())?;
    }
    no_differences(case, &answer)
}

fn check_server(case: &Value) -> Result<(), Failed> {
    let rows = cases::rows(case);
    let body = server::answer(case, &rows)?;
    let (case, _) = as_read::case(case, &rows);
    no_differences(&case, &serde_json::from_slice(&body)?)?;
    let store = MemoryStore::new(rows.into_iter().map(as_read::row).collect());
    if body != answer_bytes(&case, &cases::tracing(&case), &store) {
        return Err("right, but not the bytes that the rows in memory give".into());
    }
    Ok(())
}

/// Checks that `server::<case>` adjusts the cells that are known, of all cases, and no others. It fails as soon
/// as more or fewer have to be adjusted.
fn check_adjustments() -> Result<(), Failed> {
    let mut all: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for path in cases::files("golden/cases") {
        let case = cases::read(&path);
        for (reason, cells) in as_read::case(&case, &cases::rows(&case)).1 {
            let (cases, sum) = all.entry(reason).or_default();
            *cases += 1;
            *sum += cells;
        }
    }
    for (reason, (cases, cells)) in &all {
        println!("adjusted: {cells} cells in {cases} cases, because {reason}");
    }
    match all.values().collect::<Vec<_>>()[..] {
        [(1, 3)] => Ok(()),
        _ => Err("not the adjustments that are known".into()),
    }
}

fn no_differences(case: &Value, answer: &Value) -> Result<(), Failed> {
    let differences = compare::differences(case, answer);
    if differences.is_empty() {
        return Ok(());
    }
    let shown = differences.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    Err(format!("{} differences\n{shown}", differences.len()).into())
}

/// The answer to the question of a case, as JSON.
fn answer_in_memory(case: &Value) -> Value {
    let store = MemoryStore::new(cases::rows(case));
    serde_json::from_slice(&answer_bytes(case, &cases::tracing(case), &store)).unwrap()
}

/// The body of the answer to the question of a case, from a store.
fn answer_bytes(case: &Value, tracing: &Tracing, store: &impl FlowStore) -> Vec<u8> {
    let request = cases::request(case, tracing);
    let context = ReadContext::new("test", tracing.l7_tracing_limit);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let completion = runtime.block_on(completion::complete(store, tracing, &request, &context)).unwrap();
    let region = case["config"]["region_name"].as_str().unwrap_or("");
    serde_json::to_vec(&answer::response(&completion, region)).unwrap()
}
