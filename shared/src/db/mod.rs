//! The tables that ingress and worker share. Functions take the caller's connection or
//! transaction and neither begin nor commit one.

#![expect(
    missing_docs,
    reason = "a column that needs no word more than its name has none"
)]
pub mod booking;
pub mod checkout;
pub mod dead_letter;
pub mod dispute;
pub mod job;
pub mod offering;
pub mod outbox;
pub mod payment;
pub mod recurring_job;
pub mod refund;
pub mod slot;
pub mod stripe_event;
pub mod suspect;
mod writes;

use std::time::Duration;

use sea_orm::{
    ColumnTrait, ConnectOptions, ConnectionTrait, Database, DatabaseConnection,
    DatabaseTransaction, DbBackend, DbErr, EntityTrait, SqliteTransactionMode, TransactionOptions,
    TransactionTrait, Value,
    sea_query::{Expr, postgres_array::NotU8},
};
use secrecy::ExposeSecret;
use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};

pub use self::writes::Writes;
use crate::settings::DatabaseSettings;

/// The newest migration these tables need.
pub const SCHEMA: &str = "m20261124_000004_operations";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that was used so recently is not asked first whether it still works.
const TRUSTED: Duration = Duration::from_secs(1);

/// After a failover, connections may still lead to what is the standby now; not for long.
const LONGEST_LIFE: Duration = Duration::from_mins(2);

const SQLITE_BUSY: u32 = 5;
const SQLITE_LOCKED: u32 = 6;
const SQLITE_READONLY: u32 = 8;
const SQLITE_IOERR: u32 = 10;
const SQLITE_FULL: u32 = 13;
const SQLITE_CANTOPEN: u32 = 14;

/// The database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// It does not answer, or refuses us.
    #[error("cannot connect to the database")]
    Unreachable(#[source] DbErr),
    /// It answers, but the tables are not there.
    #[error("the database has no Bookonce tables; run `migrations up` first")]
    NotMigrated(#[source] DbErr),
    /// The tables are those of an earlier release.
    #[error("the database lacks the migration {SCHEMA}; run `migrations up` first")]
    Outdated,
}

/// Opens a pool and checks that the migrations have run.
///
/// # Errors
///
/// [`ConnectError`] if the database cannot be used.
pub async fn connect(settings: &DatabaseSettings) -> Result<DatabaseConnection, ConnectError> {
    let db = Database::connect(options(settings))
        .await
        .map_err(ConnectError::Unreachable)?;
    let applied = seaql_migrations::Entity::find_by_id(SCHEMA)
        .one(&db)
        .await
        .map_err(ConnectError::NotMigrated)?;
    applied.ok_or(ConnectError::Outdated)?;
    Ok(db)
}

/// What `migrations up` notes down.
mod seaql_migrations {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "seaql_migrations")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub version: String,
        pub applied_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

fn options(settings: &DatabaseSettings) -> ConnectOptions {
    let mut options = ConnectOptions::new(settings.url.expose_secret());
    options
        .max_connections(settings.max_connections)
        .connect_timeout(CONNECT_TIMEOUT)
        .acquire_timeout(CONNECT_TIMEOUT)
        .test_before_acquire_if_idle_for(TRUSTED)
        .max_lifetime(LONGEST_LIFE)
        .sqlx_logging(false)
        // No statement of ours is slow: one that is waits for a lock nobody will release.
        .map_sqlx_postgres_opts(|postgres| {
            postgres.options([
                ("statement_timeout", "10s"),
                ("lock_timeout", "5s"),
                ("idle_in_transaction_session_timeout", "30s"),
                // Who loses a race then sees the winner's row.
                ("default_transaction_isolation", "read committed"),
                // Each statement is planned once, perhaps while its table is still empty. What has
                // an index shall use it from then on.
                ("plan_cache_mode", "force_generic_plan"),
                ("enable_seqscan", "off"),
                ("jit", "off"),
            ])
        })
        // Durable after a commit even if the power fails; readers do not wait for the writer.
        .map_sqlx_sqlite_opts(|sqlite| {
            sqlite
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .foreign_keys(true)
                .busy_timeout(CONNECT_TIMEOUT)
        });
    options
}

/// Begins a transaction that writes.
///
/// IMMEDIATE on SQLite: a transaction that reads first and writes later would fail at once
/// instead of waiting for its turn.
///
/// # Errors
///
/// [`DbErr`] if no connection is to be had.
pub async fn begin(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..Default::default()
    };
    db.begin_with_options(options).await
}

/// Begins a transaction that reads whole tables, for somebody who has the time.
///
/// # Errors
///
/// [`DbErr`] if no connection is to be had.
pub async fn begin_long_read(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let tx = db.begin().await?;
    if tx.get_database_backend() == DbBackend::Postgres {
        let patient = "SET LOCAL statement_timeout = '10min'; SET LOCAL enable_seqscan = on";
        tx.execute_unprepared(patient).await?;
    }
    Ok(tx)
}

/// Whether `column` is one of `values`. Where the engine has arrays, it is the same statement
/// for any number of them, and so planned once.
pub fn one_of<V>(
    backend: DbBackend,
    column: impl ColumnTrait,
    values: impl IntoIterator<Item = V>,
) -> Expr
where
    V: Into<Value> + NotU8,
{
    match backend {
        DbBackend::Postgres => column.eq_any(values),
        _ => column.is_in(values),
    }
}

/// Why a statement failed, as far as it tells whether to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The database cannot be reached, is going down, is full or takes no writes.
    Outage,
    /// Another transaction was in the way: a serialization failure, a deadlock, a lock not to
    /// be had in time.
    Contention,
    /// A violated constraint, a missing table, a value that does not fit: it will not pass.
    Lasting,
}

/// What kind of trouble `error` is.
///
/// Source: <https://www.postgresql.org/docs/current/errcodes-appendix.html>,
/// <https://www.sqlite.org/rescode.html>
#[must_use]
pub fn trouble(error: &DbErr) -> Trouble {
    let cause = match error {
        DbErr::Exec(cause) | DbErr::Query(cause) => cause,
        DbErr::Conn(_) | DbErr::ConnectionAcquire(_) => return Trouble::Outage,
        _ => return Trouble::Lasting,
    };
    let sea_orm::RuntimeErr::SqlxError(error) = cause else {
        return Trouble::Outage;
    };
    match error.as_ref() {
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            // SQLite's codes are numbers; the low byte is the family.
            if let Ok(sqlite) = code.parse::<u32>()
                && code.len() < 5
            {
                return match sqlite & 0xff {
                    SQLITE_BUSY | SQLITE_LOCKED => Trouble::Contention,
                    SQLITE_READONLY | SQLITE_IOERR | SQLITE_FULL | SQLITE_CANTOPEN => {
                        Trouble::Outage
                    }
                    _ => Trouble::Lasting,
                };
            }
            match (code.get(..2).unwrap_or_default(), code.as_ref()) {
                ("40", _) | (_, "55P03" | "57014") => Trouble::Contention,
                // Of the database, or of the way there: it lets us in no more.
                ("08" | "28" | "3D" | "53" | "57" | "58", _) | (_, "55000" | "25006") => {
                    Trouble::Outage
                }
                _ => Trouble::Lasting,
            }
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Trouble::Outage,
        _ => Trouble::Lasting,
    }
}
