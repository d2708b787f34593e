//! The queue as a table, for a deployment of one machine without a broker.
//!
//! A claim hides a row for [`LEASE`] and counts the hand-out; an ack deletes it. A worker
//! that dies simply lets its lease run out. The lease is also a fence: a worker that comes back
//! late finds the row claimed by another and changes nothing.

pub(super) mod acker;
pub(super) mod consumer;

use std::{sync::Arc, time::Duration};

use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseConnection, DbErr, EntityTrait, PaginatorTrait,
    QueryFilter, Statement,
};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{
    batcher::{BatchLimits, Batcher},
    clock,
    db::{self, Writes, job},
    message::Envelope,
    queue::{Lane, PublishError, unacked::UnackedDeliveries},
};

/// How long a handed-out message is hidden. A worker must be done or give up sooner.
pub const LEASE: Duration = Duration::from_secs(30);
/// Messages of one commit, which waits for the disk however many they are; SQLite bounds the
/// number of parameters.
const TOGETHER: BatchLimits = BatchLimits { most: 500, runs: 1 };

/// The queue. Clones share the signal that wakes consumers.
#[derive(Clone)]
pub struct Queue {
    pub(super) db: DatabaseConnection,
    pub(super) published: Arc<Notify>,
    pub(super) unacked: UnackedDeliveries,
    arrivals: Batcher<job::ActiveModel, ()>,
}

impl Queue {
    /// A queue in `db`, whose table the migrations made. Must be called inside a tokio runtime.
    pub fn new(db: DatabaseConnection) -> Self {
        let shared = db.clone();
        Self {
            arrivals: Batcher::start(TOGETHER, move |rows| write_all(shared.clone(), rows)),
            db,
            published: Arc::new(Notify::new()),
            unacked: UnackedDeliveries::default(),
        }
    }

    pub(super) async fn publish(&self, lane: Lane, message: &Envelope) -> Result<(), PublishError> {
        let row = job::ActiveModel {
            id: Set(Uuid::now_v7()),
            lane: Set(lane.routing_key().to_owned()),
            available_at_ms: Set(now_ms()),
            lease: Set(None),
            deliveries: Set(0),
            message_id: Set(message.message_id.clone()),
            kind: Set(message.kind.clone()),
            schema: Set(message.schema),
            attempt: Set(message.attempt),
            received_at_ms: Set(message.received_at_ms),
            source: Set(message.source.clone()),
            last_error: Set(message.last_error.clone()),
            traceparent: Set(message.traceparent.clone()),
            signature: Set(message.signature.clone()),
            body: Set(message.body.to_vec()),
        };
        if self.arrivals.submit(row.clone()).await.is_none() {
            // Perhaps it was one of the others.
            let insert = job::Entity::insert(row);
            insert.exec_without_returning(&self.db).await?;
        }
        self.published.notify_waiters();
        Ok(())
    }

    pub(super) async fn is_ready(&self) -> bool {
        self.db.ping().await.is_ok()
    }

    pub(super) async fn waiting(&self, lane: Lane) -> Result<u64, DbErr> {
        job::Entity::find()
            .filter(job::Column::Lane.eq(lane.routing_key()))
            .filter(job::Column::AvailableAtMs.lte(now_ms()))
            .count(&self.db)
            .await
    }

    /// How many wait for their next attempt.
    pub(super) async fn to_be_retried(&self) -> Result<u64, DbErr> {
        job::Entity::find()
            .filter(job::Column::AvailableAtMs.gt(now_ms()))
            .filter(job::Column::Deliveries.eq(0))
            .count(&self.db)
            .await
    }

    /// Hands out the messages that have waited longest, up to `most` of those that are due.
    pub(super) async fn claim(&self, lane: Lane, most: usize) -> Result<Vec<job::Model>, DbErr> {
        let now_ms = now_ms();
        let statement = Statement::from_sql_and_values(
            self.db.get_database_backend(),
            "UPDATE job SET available_at_ms = $1, lease = $2, deliveries = deliveries + 1 \
             WHERE id IN (SELECT id FROM job WHERE lane = $3 AND available_at_ms <= $4 \
                          ORDER BY available_at_ms, id LIMIT $5) \
             RETURNING *",
            [
                now_ms.saturating_add(millis(LEASE)).into(),
                Uuid::now_v7().into(),
                lane.routing_key().into(),
                now_ms.into(),
                i64::try_from(most).unwrap_or(1).into(),
            ],
        );
        job::Entity::find()
            .from_raw_sql(statement)
            .all(&self.db)
            .await
    }
}

/// Says nothing of any if it fails.
async fn write_all(db: DatabaseConnection, rows: Vec<job::ActiveModel>) -> Vec<()> {
    let count = rows.len();
    let write = async {
        let tx = db::begin(&db).await?;
        let mut writes = Writes::new(db.get_database_backend());
        writes.insert(rows)?;
        writes.run(&tx).await?;
        tx.commit().await
    };
    match write.await {
        Ok(()) => vec![(); count],
        Err(_) => Vec::new(),
    }
}

pub(super) fn now_ms() -> i64 {
    clock::unix_ms(clock::system())
}

pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
