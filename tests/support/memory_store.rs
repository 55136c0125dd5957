//! A flow log in memory, with the semantics of the store that reads ClickHouse: what one returns for a
//! question, the other returns too.

use std::{cmp::Ordering, collections::HashSet};

use trace_completion::{
    flow::{FlowRow, KeyRow, L7Protocol, LogType, RowId, Texts},
    search::{AssociationKeys, Question, Window},
    store::{FlowStore, Page, ReadContext, StoreError, StoredRow},
};

/// Rows in the total order (`time`, `_id`), each `_id` once.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryStore {
    rows: Vec<StoredRow>,
}

impl MemoryStore {
    /// Holds `rows`. Of rows with the same `_id` and second, the first in the total order stays.
    pub(crate) fn new(mut rows: Vec<StoredRow>) -> Self {
        rows.sort_by(total_order);
        let mut seen = HashSet::new();
        rows.retain(|row| seen.insert(row._id));
        Self { rows }
    }

    fn matching(&self, question: &Question, limit_rows: u32, texts: &mut Texts) -> Page<KeyRow> {
        let mut found = self.rows.iter().filter(|row| question_matches(question, row));
        let limit = match question {
            Question::Entry { .. } => 1,
            Question::ByTraceId { .. } | Question::ByAssociation { .. } => limit_rows as usize,
        };
        let rows = found.by_ref().take(limit).map(|row| row.key_row(texts)).collect();
        let truncated = !matches!(question, Question::Entry { .. }) && found.next().is_some();
        Page { rows, truncated, read_rows: 0 }
    }
}

impl FlowStore for MemoryStore {
    async fn search(
        &self,
        context: &ReadContext,
        question: &Question,
        texts: &mut Texts,
    ) -> Result<Page<KeyRow>, StoreError> {
        Ok(self.matching(question, context.limit_rows, texts))
    }

    async fn fetch(
        &self,
        _context: &ReadContext,
        ids: &[RowId],
        texts: &mut Texts,
    ) -> Result<Page<FlowRow>, StoreError> {
        let wanted: HashSet<u64> = ids.iter().map(|id| id.0).collect();
        let seconds = ids.iter().map(|id| id.second());
        let (Some(from), Some(to)) = (seconds.clone().min(), seconds.max()) else {
            return Ok(Page::default());
        };
        let rows = self
            .rows
            .iter()
            .filter(|row| wanted.contains(&row._id) && (from..=to).contains(&i64::from(row.time)))
            .map(|row| row.flow_row(texts))
            .collect();
        Ok(Page { rows, truncated: false, read_rows: 0 })
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

fn question_matches(question: &Question, row: &StoredRow) -> bool {
    match question {
        Question::Entry { trace_id, window } => in_window(*window, row) && carries(row, trace_id),
        Question::ByTraceId { trace_ids, window } => {
            in_window(*window, row) && trace_ids.iter().any(|id| carries(row, id))
        }
        Question::ByAssociation { keys, window } => in_window(*window, row) && associated(keys, row),
    }
}

fn in_window(window: Window, row: &StoredRow) -> bool {
    (window.from_s..=window.to_s).contains(&i64::from(row.time))
}

/// The empty trace id is no trace id: it would match every row without one.
fn carries(row: &StoredRow, trace_id: &str) -> bool {
    !trace_id.is_empty() && (row.trace_id == trace_id || row._trace_id_2 == trace_id)
}

fn associated(keys: &AssociationKeys, row: &StoredRow) -> bool {
    keys.req_tcp_seqs.contains(&row.req_tcp_seq)
        || keys.resp_tcp_seqs.contains(&row.resp_tcp_seq)
        || keys.syscall_trace_ids.contains(&row.syscall_trace_id_request)
        || keys.syscall_trace_ids.contains(&row.syscall_trace_id_response)
        || keys.x_request_ids.contains(&row.x_request_id_0)
        || keys.x_request_ids.contains(&row.x_request_id_1)
        || (row.l7_protocol == L7Protocol::DNS.0
            && row.request_id.is_some_and(|id| keys.dns_request_ids.contains(&id)))
        || (row.r#type == LogType::RESPONSE.0 && keys.response_flow_ids.contains(&row.flow_id))
}

fn total_order(a: &StoredRow, b: &StoredRow) -> Ordering {
    let key = |row: &StoredRow| (row.time, row._id, row.start_time, row.end_time);
    let tie = |row: &StoredRow| (row.agent_id, row.r#type);
    key(a)
        .cmp(&key(b))
        .then_with(|| a.observation_point.cmp(&b.observation_point))
        .then_with(|| tie(a).cmp(&tie(b)))
}
