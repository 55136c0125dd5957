//! Writes rows and names into a flow log with the schema of [`ddl`]: for the demo, tests and benchmarks.
//! Nothing that serves requests writes.

use ::clickhouse::{Client, Row};
use serde::Serialize;

use super::{ddl, new_names::NewNames, physical_row::PhysicalRow, stored_row::StoredRow};
use crate::{
    config::{ConfigError, StoreSettings},
    store::{StoreError, clickhouse},
};

/// Writes to one flow log and to its dictionaries of names.
pub struct FlowWriter {
    client: Client,
    database: String,
    tag_database: String,
}

impl FlowWriter {
    /// A writer for the server and database of the settings. The user needs all rights on both databases.
    pub fn new(settings: &StoreSettings) -> Result<Self, ConfigError> {
        Ok(Self {
            client: clickhouse::client(settings)?,
            database: settings.database.clone(),
            tag_database: settings.tag_database(),
        })
    }

    /// Creates databases, tables, dictionaries and enumerations that do not exist yet. Where all of them exist,
    /// this needs no right to create any.
    pub async fn create_schema(&self) -> Result<(), StoreError> {
        if self.has_schema().await? {
            return Ok(());
        }
        for statement in ddl::statements_of(self.prefix()) {
            self.execute(&statement).await?;
        }
        Ok(())
    }

    /// Writes the names that rows carry, then the rows. A reader sees both at once. Where rows have different
    /// names for one number, the name of the last row counts, also for rows that were written earlier.
    ///
    /// A reader sees the id of the subnet as the id of an address without a resource (types 0 and 255). So
    /// where a row has another id for such an address, that id is written as the id of its subnet.
    pub async fn write(&self, rows: &[StoredRow]) -> Result<(), StoreError> {
        self.write_names(rows).await?;
        // Without the check of the columns: the table has many that we leave out.
        let client = self.client.clone().with_database(&self.database).with_validation(false);
        // One insert may have rows of more hours than the server allows by default.
        let client = client.with_setting("max_partitions_per_insert_block", "0");
        let mut insert =
            client.insert::<PhysicalRow<'_>>("l7_flow_log_local").await.map_err(clickhouse::store_error)?;
        for row in rows {
            insert.write(&PhysicalRow::from(row)).await.map_err(clickhouse::store_error)?;
        }
        insert.end().await.map_err(clickhouse::store_error)
    }

    /// The server counts a dictionary among the tables.
    async fn has_schema(&self) -> Result<bool, StoreError> {
        let names = ddl::names_of(self.prefix());
        let listed: Vec<String> =
            names.iter().map(|(database, name)| format!("('{database}', '{name}')")).collect();
        let sql =
            format!("SELECT count() FROM system.tables WHERE (database, name) IN ({})", listed.join(", "));
        let found: u64 = self.client.query(&sql).fetch_one().await.map_err(clickhouse::store_error)?;
        Ok(found == names.len() as u64)
    }

    async fn write_names(&self, rows: &[StoredRow]) -> Result<(), StoreError> {
        let names = NewNames::of(rows);
        self.insert_names("ch_device", names.devices).await?;
        self.insert_names("ch_subnet", names.subnets).await?;
        self.insert_names("ch_gprocess", names.gprocesses).await?;
        self.insert_names("ch_tap_type", names.tap_types).await?;
        for statement in ddl::reload_statements(self.prefix()) {
            self.execute(&statement).await?;
        }
        Ok(())
    }

    async fn insert_names<R>(&self, table: &str, names: Vec<R>) -> Result<(), StoreError>
    where
        R: Serialize + for<'a> Row<Value<'a> = R> + ::clickhouse::RowWrite + Send + Sync,
    {
        if names.is_empty() {
            return Ok(());
        }
        let client = self.client.clone().with_database(&self.tag_database).with_validation(false);
        let mut insert = client.insert::<R>(table).await.map_err(clickhouse::store_error)?;
        for name in &names {
            insert.write(name).await.map_err(clickhouse::store_error)?;
        }
        insert.end().await.map_err(clickhouse::store_error)
    }

    async fn execute(&self, statement: &str) -> Result<(), StoreError> {
        self.client.query(statement).execute().await.map_err(clickhouse::store_error)
    }

    fn prefix(&self) -> &str {
        self.database.strip_suffix("flow_log").unwrap_or_default()
    }
}
