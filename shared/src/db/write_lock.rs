//! The right to write to SQLite, which has one writer a file. A writer that finds the file locked sleeps, longer
//! each time, while others come before it: those of one process queue here instead.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sea_orm::{DatabaseConnection, DbBackend, DbErr};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::db::trouble::locked;

/// For the writers before. Each waits for the disk, and perhaps for another process.
const TIMEOUT: Duration = Duration::from_secs(5);

static FILES: Mutex<BTreeMap<PathBuf, Arc<Writers>>> = Mutex::new(BTreeMap::new());

/// Those who write to one file.
#[derive(Debug)]
pub(super) struct Writers {
    lock: Arc<Semaphore>,
    /// When there may be something to checkpoint.
    pub(super) written: Notify,
}

/// Held while one writes. PostgreSQL needs none.
#[derive(Debug)]
pub(super) struct WriteLock {
    _permit: Option<OwnedSemaphorePermit>,
}

/// Waits until the writers before are done.
pub(super) async fn write_lock(db: &DatabaseConnection) -> Result<WriteLock, DbErr> {
    let Some(writers) = writers(db) else {
        return Ok(WriteLock { _permit: None });
    };
    let permit = tokio::time::timeout(TIMEOUT, writers.lock.clone().acquire_owned()).await;
    let permit = permit.map_err(|_| locked())?.ok();
    Ok(WriteLock { _permit: permit })
}

/// Says that something is about to be written.
pub(super) fn note_write(db: &DatabaseConnection) {
    if let Some(writers) = writers(db) {
        writers.written.notify_one();
    }
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
            lock: Arc::new(Semaphore::new(1)),
            written: Notify::new(),
        })
    };
    Some(all.entry(file).or_insert_with(new).clone())
}
