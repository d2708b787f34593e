//! The queue as a table, for a deployment of one machine without a broker.
//!
//! A claim hides a row for [`LEASE`] and counts the hand-out; an ack deletes it, together with the next
//! claim. A worker that dies simply lets its lease run out. The lease is also a fence: a worker that comes back
//! late finds the row claimed by another and changes nothing.

pub(super) mod acker;
pub(super) mod consumer;
mod lanes;

use std::{collections::HashSet, sync::Arc, time::Duration};

use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait,
    PaginatorTrait, QueryFilter, QuerySelect, Statement,
};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::{
    batcher::{BatchLimits, Batcher},
    clock,
    db::{self, Writes, job},
    message::Envelope,
    queue::{
        Lane, PublishError,
        embedded::lanes::{Acked, Lanes, OfLane},
        unacked::UnackedDeliveries,
    },
};

/// How long a handed-out message is hidden. A worker must be done or give up sooner.
pub const LEASE: Duration = Duration::from_secs(30);
/// For a commit behind others; Stripe gives up after 10 s.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(8);
/// Messages of one commit, which waits for the disk however many they are.
const TOGETHER: BatchLimits = BatchLimits { most: 500, runs: 1 };

/// The queue. Clones share the signals that wake consumers.
#[derive(Clone)]
pub struct Queue {
    pub(super) db: DatabaseConnection,
    /// For what is handed out and acked: lost with the machine, it is handed out once more.
    relaxed: DatabaseConnection,
    lanes: Arc<Lanes>,
    pub(super) unacked: UnackedDeliveries,
    arrivals: Batcher<job::ActiveModel, ()>,
    _checkpoints: Arc<AbortOnDropHandle<()>>,
}

impl Queue {
    /// A queue in `db`, whose table the migrations made. Must be called inside a tokio runtime.
    pub fn new(db: DatabaseConnection) -> Self {
        let shared = db.clone();
        let checkpoints = tokio::spawn(db::keep_checkpointing(db.clone()));
        Self {
            arrivals: Batcher::start(TOGETHER, move |rows| write_all(shared.clone(), rows)),
            relaxed: db::relaxed(&db),
            db,
            lanes: Arc::default(),
            unacked: UnackedDeliveries::default(),
            _checkpoints: Arc::new(AbortOnDropHandle::new(checkpoints)),
        }
    }

    pub(super) async fn publish(&self, lane: Lane, message: &Envelope) -> Result<(), PublishError> {
        let id = Uuid::now_v7();
        let row = || job::ActiveModel {
            id: Set(id),
            lane: Set(lane.routing_key().to_owned()),
            available_at_ms: Set(now_ms()),
            // As long as any other: SQLite writes a row anew whose length changes, its body as well.
            lease: Set(Some(Uuid::nil())),
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
        let write = tokio::time::timeout(PUBLISH_TIMEOUT, self.write(row));
        write.await.unwrap_or(Err(PublishError::TimedOut))?;
        self.lane(lane).published.notify_waiters();
        Ok(())
    }

    async fn write(&self, row: impl Fn() -> job::ActiveModel) -> Result<(), PublishError> {
        if self.arrivals.submit(row()).await.is_none() {
            // Perhaps it was one of the others.
            job::Entity::insert(row())
                .exec_without_returning(&db::writer(&self.db).await?)
                .await?;
        }
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

    pub(super) fn lane(&self, lane: Lane) -> &OfLane {
        self.lanes.of(lane)
    }

    /// Forgets what was acked, and hands out the messages that have waited longest, up to `most` of
    /// those that are due.
    pub(super) async fn claim(&self, lane: Lane, most: usize) -> Result<Vec<job::Model>, DbErr> {
        let acked = self.lane(lane).take_acked();
        let claimed = self.forget_and_claim(lane, most, &acked).await;
        if claimed.is_err() {
            self.lane(lane).ack(acked);
        }
        claimed
    }

    async fn forget_and_claim(
        &self,
        lane: Lane,
        most: usize,
        acked: &[Acked],
    ) -> Result<Vec<job::Model>, DbErr> {
        let is_any_due = self.is_any_due(lane).await?;
        if acked.is_empty() && !is_any_due {
            return Ok(Vec::new());
        }
        let tx = db::begin(&self.relaxed).await?;
        delete(&tx, acked).await?;
        let jobs = if is_any_due {
            lease(&tx, lane, most).await?
        } else {
            Vec::new()
        };
        tx.commit().await?;
        Ok(jobs)
    }

    async fn is_any_due(&self, lane: Lane) -> Result<bool, DbErr> {
        let due = job::Entity::find()
            .select_only()
            .column(job::Column::Id)
            .filter(job::Column::Lane.eq(lane.routing_key()))
            .filter(job::Column::AvailableAtMs.lte(now_ms()))
            .limit(1);
        Ok(due.into_tuple::<Uuid>().one(&self.db).await?.is_some())
    }

    /// Forgets what was acked, at the end.
    pub(super) async fn forget(&self, lane: Lane) -> Result<(), DbErr> {
        let acked = self.lane(lane).take_acked();
        if acked.is_empty() {
            return Ok(());
        }
        let tx = db::begin(&self.relaxed).await?;
        delete(&tx, &acked).await?;
        tx.commit().await
    }
}

async fn delete(tx: &impl ConnectionTrait, acked: &[Acked]) -> Result<(), DbErr> {
    for some in acked.chunks(TOGETHER.most) {
        let leases: HashSet<Uuid> = some.iter().filter_map(|it| it.lease).collect();
        let (engine, ids) = (tx.get_database_backend(), some.iter().map(|it| it.id));
        job::Entity::delete_many()
            .filter(db::one_of(engine, job::Column::Id, ids))
            .filter(db::one_of(engine, job::Column::Lease, leases))
            .exec(tx)
            .await?;
    }
    Ok(())
}

/// Claims, up to `most` of the messages that are due.
async fn lease(
    tx: &impl ConnectionTrait,
    lane: Lane,
    most: usize,
) -> Result<Vec<job::Model>, DbErr> {
    let now_ms = now_ms();
    let statement = Statement::from_sql_and_values(
        tx.get_database_backend(),
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
    job::Entity::find().from_raw_sql(statement).all(tx).await
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
