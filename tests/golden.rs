//! Recorded cases of the original, each a test: rows in memory, through search and engine.

mod support;

use libtest_mimic::{Arguments, Failed, Trial};
use support::{cases, compare, memory_store::MemoryStore};
use trace_completion::{api::answer, completion, store::ReadContext};

fn main() {
    let arguments = Arguments::from_args();
    let trials = cases::files("golden/cases").into_iter().map(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().replace(".json.gz", "");
        Trial::test(format!("memory::{name}"), move || check(&path))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

fn check(path: &std::path::Path) -> Result<(), Failed> {
    let case = cases::read(path);
    let tracing = cases::tracing(&case);
    let request = cases::request(&case, &tracing);
    let store = MemoryStore::new(cases::rows(&case));
    let context =
        ReadContext { request_id: "test".to_owned(), limit_rows: tracing.l7_tracing_limit, deadline: None };
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let completion = runtime.block_on(completion::complete(&store, &tracing, &request, &context))?;
    let region = case["config"]["region_name"].as_str().unwrap_or("");
    let answer = serde_json::to_value(answer::response(&completion, region))?;
    let differences = compare::differences(&case, &answer);
    if let Ok(folder) = std::env::var("GOLDEN_DUMP") {
        std::fs::write(format!("{folder}/{}.json", case["name"].as_str().unwrap_or("")), answer.to_string())?;
    }
    if differences.is_empty() {
        return Ok(());
    }
    let shown = differences.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    Err(format!("{} differences\n{shown}", differences.len()).into())
}
