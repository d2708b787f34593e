//! Reads that take long, and keep no other waiting.

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, TransactionTrait,
};

use crate::db::relaxed::aside;

/// Begins a transaction that reads whole tables, for a command that has the time.
///
/// On SQLite over a connection of its own: a process has few, and one is not free before its read has come to the end,
/// even if the request that wanted it was given up.
pub async fn begin_long_read(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    if db.get_database_backend() != DbBackend::Postgres {
        return aside(db, |it| it).begin().await;
    }
    let tx = db.begin().await?;
    let patient = "SET LOCAL statement_timeout = '10min'; SET LOCAL enable_seqscan = on";
    tx.execute_unprepared(patient).await?;
    Ok(tx)
}
