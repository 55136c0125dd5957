//! A flow log in memory. What the store that reads ClickHouse gives for a question, this one gives too.

use std::cmp::Ordering;

use rustc_hash::FxHashSet;

use super::{matching, stored_row::StoredRow};
use crate::{
    flow::{FlowRow, KeyRow, RowId, Texts},
    search::Question,
    store::{FlowStore, Page, ReadContext, StoreError},
};

/// Rows in the order of the store: (`time`, `_id`). For tests and examples: each question looks at all rows.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    rows: Vec<StoredRow>,
}

impl MemoryStore {
    /// Holds these rows, which may come in any order. Of several rows with one `_id`, a question gets one.
    pub fn new(mut rows: Vec<StoredRow>) -> Self {
        rows.sort_by(total_order);
        Self { rows }
    }
}

impl FlowStore for MemoryStore {
    async fn search(
        &self,
        context: &ReadContext,
        question: &Question,
        texts: &mut Texts,
    ) -> Result<Page<KeyRow>, StoreError> {
        Ok(matching::page(&self.rows, question, context.limit_rows, texts))
    }

    async fn fetch(
        &self,
        _context: &ReadContext,
        ids: &[RowId],
        texts: &mut Texts,
    ) -> Result<Page<FlowRow>, StoreError> {
        let seconds = ids.iter().map(|id| id.second());
        let (Some(from), Some(to)) = (seconds.clone().min(), seconds.max()) else {
            return Ok(Page::default());
        };
        // Each id is fetched once.
        let mut wanted: FxHashSet<u64> = ids.iter().map(|id| id.0).collect();
        let rows = self
            .rows
            .iter()
            .filter(|row| (from..=to).contains(&i64::from(row.time)) && wanted.remove(&row._id))
            .map(|row| row.flow_row(texts))
            .collect();
        Ok(Page { rows, truncated: false, read_rows: 0 })
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// The order in which ClickHouse is asked for rows, ties included.
fn total_order(a: &StoredRow, b: &StoredRow) -> Ordering {
    let key = |row: &StoredRow| (row.time, row._id, row.start_time, row.end_time);
    let tie = |row: &StoredRow| (row.agent_id, row.r#type);
    key(a)
        .cmp(&key(b))
        .then_with(|| a.observation_point.cmp(&b.observation_point))
        .then_with(|| tie(a).cmp(&tie(b)))
}
