//! [`ClickHouseStore`]: each question of the search becomes one query or, where lists are long, several.

use std::{borrow::Cow, ops::RangeInclusive, time::Duration};

use tokio::time::{Instant, timeout_at};

use super::{
    chunks,
    collected::Collected,
    connection::Connection,
    error::Failure,
    read::Reader,
    records::Recorded,
    schema::{Schema, SchemaSource},
    sql::Statement,
};
use crate::{
    config::{ConfigError, StoreSettings},
    flow::{FlowRow, KeyRow, RowId, Texts},
    search::{AssociationKeys, Question, Window},
    store::{
        error::StoreError,
        flow_store::{FlowStore, Page, ReadContext},
    },
};

/// Longest wait for the answer to a ping.
const PING_TIME: Duration = Duration::from_secs(2);

/// Reads `l7_flow_log` of one ClickHouse. Connects at the first query, not when it is created. While the
/// server cannot be reached, queries fail; they work again as soon as it can be reached.
pub struct ClickHouseStore {
    reader: Reader,
    schema: SchemaSource,
    keys_per_query: usize,
}

impl ClickHouseStore {
    /// A store for the server that the settings describe. Fails only where a setting is invalid.
    pub fn new(settings: &StoreSettings) -> Result<Self, ConfigError> {
        let connection = Connection::new(settings)?;
        Ok(Self {
            reader: Reader::new(settings, connection),
            schema: SchemaSource::new(settings),
            keys_per_query: settings.keys_per_query as usize,
        })
    }

    async fn by_trace_id(
        &self,
        context: &ReadContext,
        trace_ids: &[String],
        seconds: &RangeInclusive<u32>,
        texts: &mut Texts,
    ) -> Result<Page<KeyRow>, StoreError> {
        let mut found = Collected::default();
        let limit = context.limit_rows;
        let trace_ids = without_empty(trace_ids);
        for part in chunks::text_lists(&trace_ids, self.keys_per_query) {
            let statement = |schema: &Schema| {
                Statement::by_trace_id(&schema.table, &schema.columns, part, seconds, limit)
            };
            self.read(context, statement, &mut found, texts).await?;
        }
        Ok(found.into_page(limit))
    }

    async fn by_association(
        &self,
        context: &ReadContext,
        keys: &AssociationKeys,
        seconds: &RangeInclusive<u32>,
        texts: &mut Texts,
    ) -> Result<Page<KeyRow>, StoreError> {
        let mut found = Collected::default();
        let limit = context.limit_rows;
        for part in chunks::key_lists(keys, self.keys_per_query) {
            let statement = |schema: &Schema| {
                Statement::by_association(&schema.table, &schema.columns, &part, seconds, limit)
            };
            self.read(context, statement, &mut found, texts).await?;
        }
        Ok(found.into_page(limit))
    }

    /// Runs one query and adds its rows to `found`. If it fails, a changed schema may be the cause, and the
    /// schema has changed, the query is written for the new schema and run once more.
    async fn read<'q, T: Recorded>(
        &self,
        context: &ReadContext,
        statement: impl Fn(&Schema) -> Statement<'q> + Send + Sync,
        found: &mut Collected<T>,
        texts: &mut Texts,
    ) -> Result<(), StoreError> {
        let schema = self.schema.get(&self.reader, context).await?;
        let before = found.rows.len();
        let failure = match self.read_once(context, &statement(&schema), found, texts).await {
            Ok(()) => return Ok(()),
            Err(failure) if failure.may_be_the_schema() && found.rows.len() == before => failure,
            Err(failure) => return Err(failure.error),
        };
        match self.schema.get_after(&schema, &self.reader, context).await {
            Ok(Some(schema)) => {
                let again = self.read_once(context, &statement(&schema), found, texts).await;
                again.map_err(|failure| failure.error)
            }
            // This error names the column or table.
            Err(error @ StoreError::Schema(_)) => Err(error),
            Ok(None) | Err(_) => Err(failure.error),
        }
    }

    async fn read_once<T: Recorded>(
        &self,
        context: &ReadContext,
        statement: &Statement<'_>,
        found: &mut Collected<T>,
        texts: &mut Texts,
    ) -> Result<(), Failure> {
        let before = found.rows.len();
        let rows = &mut found.rows;
        let read_rows = T::run(&self.reader, context, statement, &mut |row| rows.push(row), texts).await?;
        found.read_rows += read_rows;
        found.longest = found.longest.max(found.rows.len() - before);
        found.queries += 1;
        Ok(())
    }
}

impl FlowStore for ClickHouseStore {
    async fn search(
        &self,
        context: &ReadContext,
        question: &Question,
        texts: &mut Texts,
    ) -> Result<Page<KeyRow>, StoreError> {
        let (Question::Entry { window, .. }
        | Question::ByTraceId { window, .. }
        | Question::ByAssociation { window, .. }) = question;
        let Some(seconds) = seconds(*window) else {
            return Ok(Page::default());
        };
        let answer = async {
            match question {
                // The empty text would match every row without a second trace id.
                Question::Entry { trace_id, .. } if trace_id.is_empty() => Ok(Page::default()),
                Question::Entry { trace_id, .. } => {
                    let mut found = Collected::default();
                    let statement = |schema: &Schema| {
                        Statement::entry(&schema.table, &schema.columns, trace_id, &seconds)
                    };
                    self.read(context, statement, &mut found, texts).await?;
                    Ok(found.into_page(1))
                }
                Question::ByTraceId { trace_ids, .. } => {
                    self.by_trace_id(context, trace_ids, &seconds, texts).await
                }
                Question::ByAssociation { keys, .. } => {
                    self.by_association(context, keys, &seconds, texts).await
                }
            }
        };
        in_time(context, answer).await
    }

    async fn fetch(
        &self,
        context: &ReadContext,
        ids: &[RowId],
        texts: &mut Texts,
    ) -> Result<Page<FlowRow>, StoreError> {
        let mut ids: Vec<u64> = ids.iter().map(|id| id.0).collect();
        ids.sort_unstable();
        ids.dedup();
        let answer = async {
            let mut found = Collected::default();
            for part in ids.chunks(self.keys_per_query) {
                let second =
                    |id: Option<&u64>| id.and_then(|id| u32::try_from(id >> 32).ok()).unwrap_or_default();
                let seconds = second(part.first())..=second(part.last());
                let statement =
                    |schema: &Schema| Statement::by_id(&schema.table, &schema.columns, part, &seconds);
                self.read(context, statement, &mut found, texts).await?;
            }
            Ok(found.into_page(u32::MAX))
        };
        in_time(context, answer).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let context = ReadContext {
            request_id: "ping".to_owned(),
            limit_rows: 1,
            deadline: Some(Instant::now() + PING_TIME),
        };
        let answer = self.reader.run::<u8, _>(&context, &Statement::plain("SELECT 1"), &mut |_: u8| ()).await;
        answer.map(drop).map_err(|failure| failure.error)
    }
}

/// The part of a window that the column `time` can hold.
fn seconds(window: Window) -> Option<RangeInclusive<u32>> {
    let from = u32::try_from(window.from_s.max(0)).ok()?;
    let to = u32::try_from(window.to_s.min(u32::MAX.into())).ok()?;
    (from <= to).then_some(from..=to)
}

fn without_empty(texts: &[String]) -> Cow<'_, [String]> {
    if texts.iter().any(String::is_empty) {
        Cow::Owned(texts.iter().filter(|text| !text.is_empty()).cloned().collect())
    } else {
        Cow::Borrowed(texts)
    }
}

/// Ends work at the deadline. A query has a time limit of its own; the wait for another task's lookup of the
/// schema has none.
async fn in_time<T>(
    context: &ReadContext,
    work: impl Future<Output = Result<T, StoreError>> + Send,
) -> Result<T, StoreError> {
    match context.deadline {
        None => work.await,
        Some(deadline) => timeout_at(deadline, work).await.unwrap_or(Err(StoreError::Timeout)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_cut_to_what_a_time_can_be() {
        let cut = |from_s, to_s| seconds(Window { from_s, to_s });
        assert_eq!(cut(5, 9), Some(5..=9));
        assert_eq!(cut(-3, 9), Some(0..=9));
        assert_eq!(cut(7, i64::MAX), Some(7..=u32::MAX));
        assert_eq!(cut(i64::MIN, i64::MAX), Some(0..=u32::MAX));
        assert_eq!(cut(-9, -1), None);
        assert_eq!(cut(9, 5), None);
        assert_eq!(cut(i64::from(u32::MAX) + 1, i64::MAX), None);
    }
}
