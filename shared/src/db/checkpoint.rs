//! Moving what was written from SQLite's log to its file: beside the writers, and not by the one whose
//! commit makes the log long enough, who would wait for the disk many times over.
//!
//! Source: <https://www.sqlite.org/wal.html#ckpt>

use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};

use crate::db::turn::{turn, writers};

/// Moves as much as it can without making writers wait.
const STEP: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// Checkpoints whenever there is enough to move. Returns at once if `db` is no SQLite.
pub async fn keep_checkpointing(db: DatabaseConnection) {
    let Some(writers) = writers(&db) else {
        return;
    };
    loop {
        writers.written.notified().await;
        if let Err(error) = checkpoint(&db).await {
            // A commit checkpoints when the log has grown much longer.
            tracing::debug!(%error, "No checkpoint");
        }
    }
}

/// Most of it while others write on, then the rest while none does: the log begins anew only when all of it
/// was moved.
async fn checkpoint(db: &DatabaseConnection) -> Result<(), DbErr> {
    db.execute_unprepared(STEP).await?;
    let _turn = turn(db).await?;
    db.execute_unprepared(STEP).await?;
    Ok(())
}
