//! Commits that do not wait for the disk.

use sea_orm::{DatabaseConnection, DbBackend, SqlxSqliteConnector};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};

use crate::db::connection::CONNECT_TIMEOUT;

/// The database of `db`, for what may be done once more. On SQLite a commit survives the process, and the machine
/// once a later commit of another connection does; PostgreSQL keeps every commit.
///
/// Source: <https://www.sqlite.org/pragma.html#pragma_synchronous>
pub fn relaxed(db: &DatabaseConnection) -> DatabaseConnection {
    if db.get_database_backend() != DbBackend::Sqlite {
        return db.clone();
    }
    aside(db, |options| options.synchronous(SqliteSynchronous::Normal))
}

/// One more connection to the file of `db`, which is opened when it is needed.
pub(super) fn aside(
    db: &DatabaseConnection,
    change: impl FnOnce(SqliteConnectOptions) -> SqliteConnectOptions,
) -> DatabaseConnection {
    let options = db.get_sqlite_connection_pool().connect_options();
    let options = change(options.as_ref().clone());
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(CONNECT_TIMEOUT)
        .connect_lazy_with(options);
    SqlxSqliteConnector::from_sqlx_sqlite_pool(pool)
}
