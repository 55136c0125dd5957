//! What the server has: the columns of the flow log and the dictionaries of names. Looked up at the first
//! query, every `schema_refresh_s` seconds, and after an error that a change of either may explain.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use clickhouse::Row;
use serde::Deserialize;
use tokio::{sync::Mutex, time::Instant};

use super::{
    columns::Columns, dictionary::Dictionary, error::Failure, quoting, read::Reader, sql::Statement,
};
use crate::{
    config::StoreSettings,
    store::{error::StoreError, flow_store::ReadContext},
};

/// The table that all releases of DeepFlow have, on one server or on a cluster.
const TABLE: &str = "l7_flow_log";

/// Columns and dictionaries, as one lookup found them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Schema {
    /// Quoted, with its database.
    pub(super) table: String,
    pub(super) columns: Columns,
}

/// Looks up the [`Schema`] and keeps it.
pub(super) struct SchemaSource {
    database: String,
    tag_database: String,
    refresh: Duration,
    // Locked during a lookup, so that one query does it and the others wait for its result.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: Option<(Arc<Schema>, Instant)>,
    /// The dictionaries whose absence has been logged.
    reported: Vec<Dictionary>,
}

#[derive(Row, Deserialize)]
struct Column<'a> {
    name: &'a str,
    r#type: &'a str,
}

impl SchemaSource {
    pub(super) fn new(settings: &StoreSettings) -> Self {
        Self {
            database: settings.database.clone(),
            tag_database: settings.tag_database(),
            refresh: Duration::from_secs(settings.schema_refresh_s.into()),
            state: Mutex::default(),
        }
    }

    /// The schema, looked up if it is not known, or was looked up too long ago.
    pub(super) async fn get(
        &self,
        reader: &Reader,
        context: &ReadContext,
    ) -> Result<Arc<Schema>, StoreError> {
        let mut state = self.state.lock().await;
        if let Some((schema, at)) = &state.known
            && at.elapsed() < self.refresh
        {
            return Ok(Arc::clone(schema));
        }
        self.look_up(&mut state, reader, context).await
    }

    /// The schema after a query with the schema `failed` has failed. `None` if it has not changed.
    pub(super) async fn get_after(
        &self,
        failed: &Arc<Schema>,
        reader: &Reader,
        context: &ReadContext,
    ) -> Result<Option<Arc<Schema>>, StoreError> {
        let mut state = self.state.lock().await;
        let schema = match &state.known {
            Some((schema, _)) if !Arc::ptr_eq(schema, failed) => Arc::clone(schema),
            _ => self.look_up(&mut state, reader, context).await?,
        };
        Ok((schema != *failed).then_some(schema))
    }

    async fn look_up(
        &self,
        state: &mut State,
        reader: &Reader,
        context: &ReadContext,
    ) -> Result<Arc<Schema>, StoreError> {
        let found = self.columns_and_dictionaries(reader, context).await;
        let (columns, dictionaries) = match (found, &state.known) {
            (Ok(found), _) => found,
            // A busy server is more likely than an upgrade, so the old schema is used on.
            (Err(error), Some((schema, _))) if !matches!(error, StoreError::Schema(_)) => {
                let schema = Arc::clone(schema);
                tracing::warn!(%error, "looking up the columns of the flow log failed; the known ones are used");
                state.known = Some((Arc::clone(&schema), Instant::now()));
                return Ok(schema);
            }
            (Err(error), _) => {
                state.known = None;
                return Err(error);
            }
        };
        self.report_missing(state, &dictionaries);
        let schema = Arc::new(Schema { table: self.quoted_table(), columns });
        state.known = Some((Arc::clone(&schema), Instant::now()));
        Ok(schema)
    }

    async fn columns_and_dictionaries(
        &self,
        reader: &Reader,
        context: &ReadContext,
    ) -> Result<(Columns, Vec<Dictionary>), StoreError> {
        let mut present = BTreeMap::new();
        let statement = Statement::column_names(&self.database, TABLE);
        let mut keep = |column: Column<'_>| {
            present.insert(column.name.to_owned(), column.r#type.to_owned());
        };
        reader.run::<Column<'_>, _>(context, &statement, &mut keep).await.map_err(|failure| failure.error)?;
        let table = format!("{}.{TABLE}", self.database);
        if present.is_empty() {
            // A table that the user may not see gives no columns either.
            return Err(StoreError::Schema(format!("table {table}, or the right to read it")));
        }
        // First of all the columns: without the required ones the dictionaries do not matter.
        Columns::new(&table, &present, &self.tag_database, &[])?;
        let dictionaries = self.dictionaries(reader, context).await?;
        let columns = Columns::new(&table, &present, &self.tag_database, &dictionaries)?;
        Ok((columns, dictionaries))
    }

    /// The dictionaries that can be read. All are asked for in one query first, since mostly all can.
    async fn dictionaries(
        &self,
        reader: &Reader,
        context: &ReadContext,
    ) -> Result<Vec<Dictionary>, StoreError> {
        if self.answer(&Dictionary::ALL, reader, context).await? {
            return Ok(Dictionary::ALL.to_vec());
        }
        let mut answering = Vec::new();
        for dictionary in Dictionary::ALL {
            if self.answer(&[dictionary], reader, context).await? {
                answering.push(dictionary);
            }
        }
        Ok(answering)
    }

    async fn answer(
        &self,
        dictionaries: &[Dictionary],
        reader: &Reader,
        context: &ReadContext,
    ) -> Result<bool, StoreError> {
        let probes: Vec<String> =
            dictionaries.iter().map(|dictionary| dictionary.probe(&self.tag_database)).collect();
        let statement = Statement::plain(format!("SELECT concat({}, '') LIMIT 1", probes.join(", ")));
        match reader.run::<String, _>(context, &statement, &mut |_: String| ()).await {
            Ok(_) => Ok(true),
            Err(failure) if failure.may_be_the_schema() => {
                tracing::debug!(?dictionaries, error = %failure.error, "dictionary cannot be read");
                Ok(false)
            }
            Err(Failure { error, .. }) => Err(error),
        }
    }

    fn report_missing(&self, state: &mut State, answering: &[Dictionary]) {
        let missing: Vec<Dictionary> =
            Dictionary::ALL.into_iter().filter(|dictionary| !answering.contains(dictionary)).collect();
        if missing == state.reported {
            return;
        }
        if missing.is_empty() {
            tracing::info!(database = %self.tag_database, "all dictionaries of names can be read");
        } else {
            let names: Vec<&str> = missing.iter().map(|dictionary| dictionary.name()).collect();
            tracing::warn!(
                database = %self.tag_database,
                dictionaries = %names.join(", "),
                "dictionaries missing or unreadable; the names that they hold stay empty"
            );
        }
        state.reported = missing;
    }

    fn quoted_table(&self) -> String {
        format!("{}.{}", quoting::identifier(&self.database), quoting::identifier(TABLE))
    }
}
