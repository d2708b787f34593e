//! Moving what was written from SQLite's log to its file: beside the writers, and not by the one whose
//! commit makes the log long enough, who would wait for the disk many times over.
//!
//! Source: <https://www.sqlite.org/wal.html#ckpt>

use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};

use crate::db::write_lock::{write_lock, writers};

/// Moves as much as it can without making writers wait.
const STEP: &str = "PRAGMA wal_checkpoint(PASSIVE)";
/// A page that is written often is moved once in this time.
const PAUSE: Duration = Duration::from_millis(500);

/// Checkpoints after what was written. Returns at once if `db` is no SQLite.
pub async fn keep_checkpointing(db: DatabaseConnection) {
    let Some(writers) = writers(&db) else {
        return;
    };
    loop {
        writers.written.notified().await;
        tokio::time::sleep(PAUSE).await;
        if let Err(error) = checkpoint(&db).await {
            // A commit checkpoints when the log has grown much longer.
            tracing::debug!(%error, "No checkpoint");
        }
    }
}

/// Most of it while others write on, then the rest while no other of this process does: the log begins anew only
/// when all of it was moved.
async fn checkpoint(db: &DatabaseConnection) -> Result<(), DbErr> {
    db.execute_unprepared(STEP).await?;
    let _lock = write_lock(db).await?;
    db.execute_unprepared(STEP).await?;
    Ok(())
}
