//! Connecting to the database, and whether it is the one that this release needs.

use std::time::Duration;

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, RuntimeErr, Statement,
};
use secrecy::ExposeSecret;
use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};

use crate::{
    config::DatabaseSettings,
    db::{Trouble, trouble},
    service::network,
};

/// The newest migration these tables need.
pub const SCHEMA: &str = "m20261130_000022_outbox_room";

pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that was used so recently is not asked first whether it still works.
const TRUSTED: Duration = Duration::from_secs(1);

/// After a failover, connections may still lead to what is the standby now; not for long.
const LONGEST_LIFE: Duration = Duration::from_mins(2);

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

impl ConnectError {
    /// Whether it may work later with the same address: a server that is down, starting or full,
    /// and not one that refuses us.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(error) => !refuses(error),
            Self::NotMigrated(_) | Self::Outdated => false,
        }
    }
}

/// Whether `error` says that the address, the name or the password is wrong.
fn refuses(error: &DbErr) -> bool {
    let (DbErr::Conn(cause) | DbErr::Exec(cause) | DbErr::Query(cause)) = error else {
        return false;
    };
    let RuntimeErr::SqlxError(error) = cause else {
        return false;
    };
    match error.as_ref() {
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            // 28: not let in; 3D: no such database. SQLite's 14: no such file.
            code.starts_with("28") || code.starts_with("3D") || code == "14"
        }
        sqlx::Error::Io(error) => !network::is_outage(error),
        sqlx::Error::Tls(_) | sqlx::Error::Configuration(_) => true,
        _ => false,
    }
}

/// Opens a pool and checks that the migrations have run.
///
/// # Errors
///
/// [`ConnectError`] if the database cannot be used.
pub async fn connect(settings: &DatabaseSettings) -> Result<DatabaseConnection, ConnectError> {
    let db = lazily(settings).await?;
    check_schema(&db).await?;
    Ok(db)
}

/// The same for a service: a database that is down is no reason not to start, since the pool
/// connects when it is back.
///
/// # Errors
///
/// [`ConnectError`] if the database refuses us, is not at the address, or lacks the tables.
pub async fn open(settings: &DatabaseSettings) -> Result<DatabaseConnection, ConnectError> {
    let db = lazily(settings).await?;
    match check_schema(&db).await {
        Err(error) if error.may_pass() => {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "Starting without the database");
        }
        checked => checked?,
    }
    Ok(db)
}

/// Whether the database answers, and has the tables of this release.
///
/// # Errors
///
/// [`ConnectError`] if it does not.
pub async fn check_schema(db: &DatabaseConnection) -> Result<(), ConnectError> {
    let query = Statement::from_sql_and_values(
        db.get_database_backend(),
        "SELECT version FROM seaql_migrations WHERE version = $1",
        [SCHEMA.into()],
    );
    let applied = db.query_one_raw(query).await;
    let applied = applied.map_err(|error| match trouble(&error) {
        Trouble::Lasting => ConnectError::NotMigrated(error),
        Trouble::Outage | Trouble::Contention => ConnectError::Unreachable(error),
    })?;
    applied.ok_or(ConnectError::Outdated).map(drop)
}

async fn lazily(settings: &DatabaseSettings) -> Result<DatabaseConnection, ConnectError> {
    Database::connect(options(settings))
        .await
        .map_err(ConnectError::Unreachable)
}

fn options(settings: &DatabaseSettings) -> ConnectOptions {
    let mut options = ConnectOptions::new(settings.url.expose_secret());
    options
        .connect_lazy(true)
        .max_connections(settings.max_connections)
        .connect_timeout(CONNECT_TIMEOUT)
        .acquire_timeout(CONNECT_TIMEOUT)
        .test_before_acquire_if_idle_for(TRUSTED)
        .max_lifetime(LONGEST_LIFE)
        .sqlx_logging(false)
        // No statement of ours is slow: one that is waits for a lock that will not be released.
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
                // Of each connection; the system keeps the file in memory as well.
                .pragma("cache_size", "-512")
                // Where the queue is embedded, its process checkpoints beside its writers, long before.
                .pragma("wal_autocheckpoint", "10000")
        });
    options
}
