//! Rows that are visible in the database of the product or of a peer.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

/// Pause between two counts.
const LOOK: Duration = Duration::from_millis(50);
/// Longest wait for rows that were promised.
const PATIENCE: Duration = Duration::from_mins(2);

/// Queries for the rows that payments lead to.
#[derive(Debug)]
pub struct Rows {
    pub db: DatabaseConnection,
    /// Counts all rows, as `count`.
    pub count: &'static str,
    /// Selects the row of the session `$1`.
    pub one: &'static str,
    /// Counts what is still to be done about rows that are there, as `count`, if anything is.
    pub left: Option<&'static str>,
}

impl Rows {
    pub async fn count(&self) -> anyhow::Result<usize> {
        self.counted_by(self.count).await
    }

    async fn counted_by(&self, sql: &'static str) -> anyhow::Result<usize> {
        let statement = Statement::from_string(self.db.get_database_backend(), sql);
        let row = self.db.query_one_raw(statement).await?.context("a count")?;
        Ok(usize::try_from(row.try_get::<i64>("", "count")?)?)
    }

    /// Name of the PostgreSQL database.
    pub async fn database(&self) -> anyhow::Result<String> {
        let backend = self.db.get_database_backend();
        let statement = Statement::from_string(backend, "SELECT current_database()::text AS name");
        let row = self.db.query_one_raw(statement).await?.context("a name")?;
        Ok(row.try_get("", "name")?)
    }

    /// How much the database has written to its log so far, in bytes, if it is PostgreSQL.
    pub async fn wal_bytes(&self) -> anyhow::Result<Option<f64>> {
        let backend = self.db.get_database_backend();
        if backend != DbBackend::Postgres {
            return Ok(None);
        }
        let sql = "SELECT (pg_current_wal_insert_lsn() - '0/0')::float8 AS bytes";
        let statement = Statement::from_string(backend, sql);
        let row = self.db.query_one_raw(statement).await?.context("bytes")?;
        Ok(Some(row.try_get("", "bytes")?))
    }

    pub async fn has(&self, session_id: &str) -> anyhow::Result<bool> {
        let backend = self.db.get_database_backend();
        let statement =
            Statement::from_sql_and_values(backend, self.one, [session_id.to_owned().into()]);
        Ok(self.db.query_one_raw(statement).await?.is_some())
    }

    /// Waits until nothing is left to be done.
    pub async fn wait_for_rest(&self) -> anyhow::Result<()> {
        let start = Instant::now();
        while let Some(left) = self.left
            && self.counted_by(left).await? > 0
        {
            ensure!(
                start.elapsed() < PATIENCE,
                "work is left after {PATIENCE:?}"
            );
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Waits until there are `count` rows, and fails if there are more.
    ///
    /// Returns the time it took.
    pub async fn wait_for(&self, count: usize) -> anyhow::Result<Duration> {
        let start = Instant::now();
        loop {
            let now = self.count().await?;
            ensure!(now <= count, "{now} rows where {count} were promised");
            if now == count {
                return Ok(start.elapsed());
            }
            ensure!(
                start.elapsed() < PATIENCE,
                "{now} of {count} rows after {PATIENCE:?}"
            );
            tokio::time::sleep(LOOK).await;
        }
    }
}
