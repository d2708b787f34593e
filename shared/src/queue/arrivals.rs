//! Messages on their way into the table of the embedded queue: those that arrive together are
//! written together, because each commit waits for the disk.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sea_orm::{DatabaseConnection, DbErr, EntityTrait};
use tokio::sync::oneshot;

use crate::db::job;

/// Rows of one statement; SQLite bounds the number of parameters.
const MOST_TOGETHER: usize = 500;

/// The way into the table. Clones lead to the same one.
#[derive(Clone)]
pub(super) struct Arrivals {
    db: DatabaseConnection,
    waiting: Arc<Mutex<Vec<Arrival>>>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

struct Arrival {
    row: job::ActiveModel,
    /// Hears whether it is written.
    written: oneshot::Sender<bool>,
}

impl Arrivals {
    pub(super) fn new(db: DatabaseConnection) -> Self {
        Self {
            db,
            waiting: Arc::default(),
            turn: Arc::default(),
        }
    }

    /// Returns once `row` is durable.
    pub(super) async fn write(&self, row: job::ActiveModel) -> Result<(), DbErr> {
        let (written, answer) = oneshot::channel();
        self.waiting().push(Arrival {
            row: row.clone(),
            written,
        });
        // A task of its own: whoever asked for it may hang up, the others have not.
        tokio::spawn(self.clone().write_all());
        if answer.await.unwrap_or(false) {
            return Ok(());
        }
        // Perhaps it was one of the others.
        job::Entity::insert(row)
            .exec_without_returning(&self.db)
            .await?;
        Ok(())
    }

    /// Writes whatever waits when its turn comes; often somebody else has done it by then.
    async fn write_all(self) {
        let _turn = self.turn.lock().await;
        loop {
            let some: Vec<Arrival> = {
                let mut waiting = self.waiting();
                let count = waiting.len().min(MOST_TOGETHER);
                waiting.drain(..count).collect()
            };
            if some.is_empty() {
                return;
            }
            let (rows, written): (Vec<_>, Vec<_>) =
                some.into_iter().map(|it| (it.row, it.written)).unzip();
            let insert = job::Entity::insert_many(rows).exec_without_returning(&self.db);
            let is_written = insert.await.is_ok();
            for answer in written {
                answer.send(is_written).ok();
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Arrival>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
