//! Where rows come from. [`FlowStore`] is all that the rest of the program knows of it; the only
//! implementation in the program reads DeepFlow's ClickHouse.

pub mod clickhouse;
pub mod ddl;
pub mod stored_row;
pub mod writer;

use std::future::Future;

use crate::{
    flow::{FlowRow, KeyRow, RowId, Texts},
    search::Question,
};

pub use clickhouse::{ClickHouseStore, StoreSettings};
pub use stored_row::StoredRow;
pub use writer::FlowWriter;

/// Reads the flow log. Rows come in the total order (`time`, `_id`); strings go to `texts`.
pub trait FlowStore: Send + Sync + 'static {
    /// The rows that answer a question of the search.
    fn search(
        &self,
        context: &ReadContext,
        question: &Question,
        texts: &mut Texts,
    ) -> impl Future<Output = Result<Page<KeyRow>, StoreError>> + Send;

    /// The rows with these ids, in full. Ids that are not there are skipped.
    fn fetch(
        &self,
        context: &ReadContext,
        ids: &[RowId],
        texts: &mut Texts,
    ) -> impl Future<Output = Result<Page<FlowRow>, StoreError>> + Send;

    /// Whether the store answers.
    fn ping(&self) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// For whom a store reads, and within which limits.
#[derive(Clone, Debug)]
pub struct ReadContext {
    /// Id of the completion; a prefix of the `query_id` of each of its queries.
    pub request_id: String,
    /// Most rows that a question may return (`l7_tracing_limit`), at least 1. Does not bind [`FlowStore::fetch`].
    pub limit_rows: u32,
    /// When the answer is of no use any more.
    pub deadline: Option<tokio::time::Instant>,
}

/// Rows, and what they cost.
#[derive(Clone, PartialEq, Debug)]
pub struct Page<T> {
    /// The rows, at most the limit.
    pub rows: Vec<T>,
    /// There were more rows than the limit.
    pub truncated: bool,
    /// Rows that the store read to find these, 0 where it does not say.
    pub read_rows: u64,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Page { rows: Vec::new(), truncated: false, read_rows: 0 }
    }
}

/// Why a store gave no rows. Texts are for operators; none carries row data or credentials.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StoreError {
    /// Connecting or talking to the store failed.
    #[error("the flow log is unreachable: {0}")]
    Unreachable(String),
    /// The store refused our credentials or a right that we need.
    #[error("the flow log refused access: {0}")]
    Denied(String),
    /// The query ran out of time.
    #[error("the flow log did not answer in time")]
    Timeout,
    /// The query met a limit of the store: memory, rows, concurrency.
    #[error("the flow log is out of resources: {0}")]
    Exhausted(String),
    /// A table or column that we need is missing.
    #[error("the flow log lacks {0}")]
    Schema(String),
    /// Anything else: an answer that makes no sense.
    #[error("the flow log answered nonsense: {0}")]
    Nonsense(String),
}
