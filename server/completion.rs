//! A completion from question to answer: lets the search ask the store until it is done, and hands the
//! rows to the engine. The only place that knows all three.

use std::time::Instant;

use crate::{
    config::Tracing,
    engine::{self, Completed},
    flow::{CompletionRequest, Texts},
    search::{Cost, Round, Search},
    store::{FlowStore, ReadContext, StoreError},
};

/// A completed trace with its strings, and what is missing from it.
pub struct Completion {
    /// The trace.
    pub completed: Completed,
    /// Its strings.
    pub texts: Texts,
    /// What the answer lacks and why, a sentence each; empty for a whole answer.
    pub shortfalls: Vec<String>,
    /// What a caller should know of a whole answer, a sentence each.
    pub notes: Vec<String>,
    /// What the search asked, and what it got.
    pub rounds: Vec<Round>,
    /// Queries sent to the store, the final fetch included.
    pub queries: u32,
    /// Rows that the store read for them, as far as it says.
    pub read_rows: u64,
}

/// How far a search is. No number ever falls.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// Iteration of the question just answered, from 1; 0 is the lookup of the first row.
    pub iteration: u32,
    /// Rows found so far that belong to the trace.
    pub rows_found: usize,
    /// Rows that the store has read so far, as far as it says.
    pub rows_read: u64,
}

/// Completes one trace. Fails only where nothing was found before the store failed; later failures leave
/// an answer with shortfalls.
pub async fn complete<S: FlowStore>(
    store: &S,
    tracing: &Tracing,
    request: &CompletionRequest,
    context: &ReadContext,
) -> Result<Completion, StoreError> {
    complete_with(store, tracing, request, context, &mut |_| {}).await
}

/// Like [`complete`], and tells `progress` after each question that the store has answered.
pub async fn complete_with<S: FlowStore>(
    store: &S,
    tracing: &Tracing,
    request: &CompletionRequest,
    context: &ReadContext,
    progress: &mut (impl FnMut(Progress) + Send),
) -> Result<Completion, StoreError> {
    let mut texts = Texts::new();
    let mut search = Search::new(request, tracing, &mut texts);
    let mut shortfalls = Vec::new();
    let mut queries = 0;
    let mut truncated = 0;
    let mut so_far = Progress::default();
    while let Some(question) = search.next(&texts) {
        queries += 1;
        let asked = Instant::now();
        match store.search(context, &question, &mut texts).await {
            Ok(page) => {
                truncated += u32::from(page.truncated);
                let cost = Cost {
                    truncated: page.truncated,
                    read_rows: page.read_rows,
                    elapsed_us: asked.elapsed().as_micros() as u64,
                };
                so_far.iteration = search.iteration();
                so_far.rows_read = so_far.rows_read.saturating_add(page.read_rows);
                search.answer(page.rows, cost, &mut texts);
                so_far.rows_found = search.found_rows();
                progress(so_far);
            }
            Err(error) if search.found_rows() == 0 => return Err(error),
            Err(error) => {
                shortfalls.push(format!("the search ended early: {error}"));
                search.abandon();
            }
        }
    }
    if truncated > 0 {
        let limit = context.limit_rows;
        shortfalls.push(format!("{truncated} search queries met l7_tracing_limit ({limit} rows)"));
    }
    let found = search.finish();
    if found.full {
        shortfalls.push(format!("the search ended at max_rows ({} rows)", tracing.max_rows));
    }
    let mut read_rows: u64 = found.rounds.iter().map(|round| round.read_rows).sum();
    let mut rows = Vec::new();
    if !found.ids.is_empty() {
        queries += 1;
        let page = store.fetch(context, &found.ids, &mut texts).await?;
        read_rows += page.read_rows;
        rows = page.rows;
        if rows.len() < found.ids.len() {
            let missing = found.ids.len() - rows.len();
            shortfalls.push(format!("{missing} of {} rows were gone when fetched", found.ids.len()));
        }
    }
    let max_related_ids = tracing.max_related_ids;
    let (request, tracing) = (request.clone(), tracing.clone());
    let (completed, texts) = off_the_reactor(rows.len() + request.app_spans.len(), move || {
        let completed = engine::complete(rows, &request, &tracing, &mut texts);
        (completed, texts)
    })
    .await?;
    let mut notes = Vec::new();
    if completed.cut_spans > 0 {
        let spans = completed.cut_spans;
        notes.push(format!(
            "related_ids of {spans} spans were cut (tracing.max_related_ids: {max_related_ids})"
        ));
    }
    Ok(Completion { completed, texts, shortfalls, notes, rounds: found.rounds, queries, read_rows })
}

/// Spans that the engine assembles in less time than a task may hold an async worker.
const QUICK_SPANS: usize = 200;

/// Runs work on its own thread, unless there is so little that the way there costs more.
async fn off_the_reactor<T: Send + 'static>(
    spans: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    if spans <= QUICK_SPANS {
        return Ok(work());
    }
    // The engine does not panic; if it did, the door would answer with an internal error.
    tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Nonsense("the engine failed".to_owned()))
}
