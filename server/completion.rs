//! A completion from question to answer, in four phases: search which rows belong, fetch them, assemble the trace, and
//! say what is missing. The only place that knows search, store and engine.

use std::time::Instant;

use crate::{
    config::Tracing,
    engine::{self, Completed},
    flow::{CompletionRequest, FlowRow, RowId, Texts},
    offload,
    search::{Cost, Round, Search},
    store::{FlowStore, ReadContext, StoreError},
};

/// Traces up to this size are assembled on an async worker: that takes less than 500 µs.
const SMALL_TRACE_SPANS: usize = 200;

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
    let searched = search(store, tracing, request, context, &mut texts, progress).await?;
    let fetched = fetch(store, context, &searched.ids, &mut texts).await?;
    let missing_rows = searched.ids.len().saturating_sub(fetched.rows.len());
    let (completed, texts) = assemble(fetched.rows, request, tracing, texts).await;

    Ok(Completion {
        shortfalls: shortfalls(&searched, missing_rows, tracing, context),
        notes: notes(&completed, tracing),
        queries: searched.queries + fetched.queries,
        read_rows: searched.rounds.iter().map(|round| round.read_rows).sum::<u64>() + fetched.read_rows,
        rounds: searched.rounds,
        completed,
        texts,
    })
}

/// What the search found.
struct Searched {
    ids: Vec<RowId>,
    rounds: Vec<Round>,
    queries: u32,
    /// Questions whose answer was cut at `l7_tracing_limit`.
    truncated: u32,
    /// The search ended at `max_rows`.
    full: bool,
    /// Why the search ended before it was done.
    ended_early: Option<StoreError>,
}

/// Asks the store question after question, until the search is done. A store that fails after rows were found ends the
/// search, but not the completion.
async fn search<S: FlowStore>(
    store: &S,
    tracing: &Tracing,
    request: &CompletionRequest,
    context: &ReadContext,
    texts: &mut Texts,
    progress: &mut (impl FnMut(Progress) + Send),
) -> Result<Searched, StoreError> {
    let mut search = Search::new(request, tracing, texts);
    let (mut queries, mut truncated, mut ended_early) = (0, 0, None);
    let mut so_far = Progress::default();
    while let Some(question) = search.next(texts) {
        queries += 1;
        let asked = Instant::now();
        match store.search(context, &question, texts).await {
            Ok(page) => {
                truncated += u32::from(page.truncated);
                let cost = Cost {
                    truncated: page.truncated,
                    read_rows: page.read_rows,
                    elapsed_us: asked.elapsed().as_micros() as u64,
                };
                so_far.iteration = search.iteration();
                so_far.rows_read = so_far.rows_read.saturating_add(page.read_rows);
                search.answer(page.rows, cost, texts);
                so_far.rows_found = search.found_rows();
                progress(so_far);
            }
            Err(error) if search.found_rows() == 0 => return Err(error),
            Err(error) => {
                ended_early = Some(error);
                search.abandon();
            }
        }
    }
    let found = search.finish();
    Ok(Searched { ids: found.ids, rounds: found.rounds, queries, truncated, full: found.full, ended_early })
}

/// The rows in full, and what they cost.
#[derive(Default)]
struct Fetched {
    rows: Vec<FlowRow>,
    queries: u32,
    read_rows: u64,
}

/// R-SEARCH-15: fetches the rows that were found, in one query; none where nothing was found.
async fn fetch<S: FlowStore>(
    store: &S,
    context: &ReadContext,
    ids: &[RowId],
    texts: &mut Texts,
) -> Result<Fetched, StoreError> {
    if ids.is_empty() {
        return Ok(Fetched::default());
    }
    let page = store.fetch(context, ids, texts).await?;
    Ok(Fetched { rows: page.rows, queries: 1, read_rows: page.read_rows })
}

/// Builds the trace, off the async workers where it is large.
async fn assemble(
    rows: Vec<FlowRow>,
    request: &CompletionRequest,
    tracing: &Tracing,
    mut texts: Texts,
) -> (Completed, Texts) {
    let small = rows.len() + request.app_spans.len() <= SMALL_TRACE_SPANS;
    let (request, tracing) = (request.clone(), tracing.clone());
    offload::unless_small(small, move || {
        let completed = engine::complete(rows, &request, &tracing, &mut texts);
        (completed, texts)
    })
    .await
}

/// What the answer lacks, and why.
fn shortfalls(
    searched: &Searched,
    missing_rows: usize,
    tracing: &Tracing,
    context: &ReadContext,
) -> Vec<String> {
    let mut shortfalls = Vec::new();
    if let Some(error) = &searched.ended_early {
        shortfalls.push(format!("the search ended early: {error}"));
    }
    if searched.truncated > 0 {
        let (queries, limit) = (searched.truncated, context.limit_rows);
        shortfalls.push(format!("{queries} search queries met l7_tracing_limit ({limit} rows)"));
    }
    if searched.full {
        shortfalls.push(format!("the search ended at max_rows ({} rows)", tracing.max_rows));
    }
    if missing_rows > 0 {
        shortfalls.push(format!("{missing_rows} of {} rows were gone when fetched", searched.ids.len()));
    }
    shortfalls
}

/// What a caller should know although nothing is missing.
fn notes(completed: &Completed, tracing: &Tracing) -> Vec<String> {
    let (spans, max) = (completed.cut_spans, tracing.max_related_ids);
    if spans == 0 {
        return Vec::new();
    }
    vec![format!("related_ids of {spans} spans were cut (tracing.max_related_ids: {max})")]
}
