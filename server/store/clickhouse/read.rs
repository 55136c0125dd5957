//! One query from text to rows, within its time limit, and repeated once where that is safe.

use std::{
    future::Future,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use clickhouse::{Client, Row, RowRead};
use tokio::time::{Instant, timeout_at};

use super::{connection::Connection, error::Failure, sql::Statement};
use crate::{config::StoreSettings, store::flow_store::ReadContext};

/// The server stops a query at `max_execution_time` and says so. This much later we stop waiting for it.
const GRACE: Duration = Duration::from_secs(1);
/// Number of the next query of this process, for all stores: the server refuses an id that is running.
static NEXT_QUERY: AtomicU64 = AtomicU64::new(1);

/// Sends queries and passes on their rows.
pub(super) struct Reader {
    connection: Connection,
    max_execution_time: Duration,
}

impl Reader {
    pub(super) fn new(settings: &StoreSettings, connection: Connection) -> Self {
        Self { connection, max_execution_time: Duration::from_secs(settings.max_execution_time_s.into()) }
    }

    /// Runs a query and gives each row to `sink`. Returns the number of rows that the server says to have
    /// read, 0 where it does not say.
    ///
    /// If the connection breaks before the first byte of the answer, the query is sent once more on a new
    /// connection. That is safe, because queries only read. After the first byte `sink` may have got rows.
    pub(super) async fn run<R, F>(
        &self,
        context: &ReadContext,
        statement: &Statement<'_>,
        sink: &mut F,
    ) -> Result<u64, Failure>
    where
        R: Row + RowRead,
        F: for<'a> FnMut(R::Value<'a>) + Send,
    {
        let mut untouched = true;
        let first =
            self.attempt::<R, F>(&self.connection.pooled, context, statement, sink, &mut untouched).await;
        match first {
            Err(failure) if failure.broken_connection && untouched => {
                tracing::debug!(error = %failure.error, "query repeated on a new connection");
                self.attempt::<R, F>(&self.connection.fresh, context, statement, sink, &mut untouched).await
            }
            result => result,
        }
    }

    async fn attempt<R, F>(
        &self,
        client: &Client,
        context: &ReadContext,
        statement: &Statement<'_>,
        sink: &mut F,
        untouched: &mut bool,
    ) -> Result<u64, Failure>
    where
        R: Row + RowRead,
        F: for<'a> FnMut(R::Value<'a>) + Send,
    {
        let now = Instant::now();
        let left = context.deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(now));
        let time = left.min(self.max_execution_time);
        // 0 means "no limit" to the server.
        let millis = time.as_millis();
        if millis == 0 {
            return Err(Failure::timeout());
        }
        let query_id = format!("{}-{}", context.request_id, NEXT_QUERY.fetch_add(1, Ordering::Relaxed));
        let query = statement
            .query(client)
            .with_setting("query_id", query_id)
            .with_setting("max_execution_time", format!("{}.{:03}", millis / 1000, millis % 1000));

        let end = now + time + GRACE;
        let end = context.deadline.map_or(end, |deadline| end.min(deadline));
        let read = async {
            let mut cursor = query.fetch::<R>()?;
            let end = loop {
                match cursor.next().await {
                    Ok(Some(row)) => sink(row),
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(Failure::from(error)),
                }
            };
            *untouched = cursor.received_bytes() == 0;
            end?;
            Ok(cursor.summary().and_then(clickhouse::QuerySummary::read_rows).unwrap_or(0))
        };
        within(end, read).await
    }
}

/// Dropping the future closes the connection, and that cancels the query.
async fn within<T>(end: Instant, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    timeout_at(end, work).await.unwrap_or_else(|_| Err(Failure::timeout()))
}
