//! Whose turn it is to write to SQLite, which has one writer a file. One that finds it busy sleeps, for
//! longer each time, and others come before it meanwhile: those of one process queue here instead.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use sea_orm::{ConnAcquireErr, DatabaseConnection, DbBackend, DbErr};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// For a turn. Each writer before waits for the disk at most.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Turns after which what was written is worth a checkpoint.
const CHECKPOINT_AFTER: usize = 200;

static FILES: Mutex<BTreeMap<PathBuf, Arc<Writers>>> = Mutex::new(BTreeMap::new());

/// Those who write to one file.
#[derive(Debug)]
pub(super) struct Writers {
    turn: Arc<Semaphore>,
    turns: AtomicUsize,
    /// When there is something to checkpoint.
    pub(super) written: Notify,
}

/// A turn, until it is dropped. PostgreSQL needs none.
#[derive(Debug)]
pub struct Turn {
    _permit: Option<OwnedSemaphorePermit>,
}

/// Waits for a turn, for a statement without a transaction.
pub async fn turn(db: &DatabaseConnection) -> Result<Turn, DbErr> {
    let Some(writers) = writers(db) else {
        return Ok(Turn { _permit: None });
    };
    let permit = tokio::time::timeout(TIMEOUT, writers.turn.clone().acquire_owned()).await;
    let too_late = DbErr::ConnectionAcquire(ConnAcquireErr::Timeout);
    let permit = permit.map_err(|_| too_late)?.ok();
    let before = writers.turns.fetch_add(1, Ordering::Relaxed);
    if before.checked_rem(CHECKPOINT_AFTER) == Some(0) {
        writers.written.notify_one();
    }
    Ok(Turn { _permit: permit })
}

/// Of the file of `db`, if it is one.
pub(super) fn writers(db: &DatabaseConnection) -> Option<Arc<Writers>> {
    if db.get_database_backend() != DbBackend::Sqlite {
        return None;
    }
    let options = db.get_sqlite_connection_pool().connect_options();
    let file = options.get_filename().to_owned();
    let mut all = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    let new = || {
        Arc::new(Writers {
            turn: Arc::new(Semaphore::new(1)),
            turns: AtomicUsize::new(0),
            written: Notify::new(),
        })
    };
    Some(all.entry(file).or_insert_with(new).clone())
}
