//! What the search and the completion ask of a store, whatever it keeps its rows in.

use std::future::Future;

use super::error::StoreError;
use crate::{
    flow::{FlowRow, KeyRow, RowId, Texts},
    search::Question,
};

/// Reads the flow log. Rows come ordered by (`time`, `_id`); their strings go to `texts`.
pub trait FlowStore: Send + Sync + 'static {
    /// The rows that answer a question of the search.
    fn search(
        &self,
        context: &ReadContext,
        question: &Question,
        texts: &mut Texts,
    ) -> impl Future<Output = Result<Page<KeyRow>, StoreError>> + Send;

    /// The rows with these ids, in full. Ids without a row are skipped.
    fn fetch(
        &self,
        context: &ReadContext,
        ids: &[RowId],
        texts: &mut Texts,
    ) -> impl Future<Output = Result<Page<FlowRow>, StoreError>> + Send;

    /// Whether the store can be reached and answers.
    fn ping(&self) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Which completion a store reads for, and within which limits.
#[derive(Clone, Debug)]
pub struct ReadContext {
    /// Id of the completion; a prefix of the `query_id` of each of its queries.
    pub request_id: String,
    /// Most rows that a question may return (`l7_tracing_limit`), at least 1. Does not limit
    /// [`FlowStore::fetch`].
    pub limit_rows: u32,
    /// When the caller stops waiting; the store stops reading then.
    pub deadline: Option<tokio::time::Instant>,
}

impl ReadContext {
    /// A context without a deadline, for a completion that nobody waits for.
    pub fn new(request_id: impl Into<String>, limit_rows: u32) -> Self {
        ReadContext { request_id: request_id.into(), limit_rows, deadline: None }
    }
}

/// Rows, and what they cost.
#[derive(Clone, PartialEq, Debug)]
pub struct Page<T> {
    /// The rows, at most the limit.
    pub rows: Vec<T>,
    /// There were more rows than the limit.
    pub truncated: bool,
    /// Rows that the store read to find these; 0 if it does not say.
    pub read_rows: u64,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Page { rows: Vec::new(), truncated: false, read_rows: 0 }
    }
}
