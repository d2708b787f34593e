//! The queue as a table, for a deployment of one machine without a broker.
//!
//! A claim hides a row for [`LEASE`] and counts the hand-out; an ack deletes it. A worker
//! that dies simply lets its lease run out. The lease is also a fence: whoever comes back
//! late finds the row claimed by another and changes nothing.

use std::{collections::HashSet, sync::Arc, time::Duration};

use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, DatabaseConnection, DbErr, EntityTrait, QueryFilter,
    Statement, sea_query::Expr,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Delivery, Lane, PublishError, RetryTier};
use crate::{
    clock,
    db::{self, Writes, dead_letter, job},
    message::Envelope,
    retry,
    together::{Bounds, Together},
};

/// How long a handed-out message is hidden. A worker must be done or give up sooner.
pub const LEASE: Duration = Duration::from_secs(30);
/// Hand-outs of one message before it is dead-lettered: it kills its worker.
const DELIVERY_LIMIT: i32 = 20;
/// Messages of one commit, which waits for the disk however many they are; SQLite bounds the
/// number of parameters.
const TOGETHER: Bounds = Bounds { most: 500, runs: 1 };
/// How soon a message published by another process is noticed; within one, at once.
const POLL: Duration = Duration::from_millis(100);

/// The queue. Clones share the signal that wakes consumers.
#[derive(Clone)]
pub struct Queue {
    db: DatabaseConnection,
    published: Arc<Notify>,
    arrivals: Together<job::ActiveModel, ()>,
}

impl Queue {
    /// A queue in `db`, whose table the migrations made. Must be called inside a tokio runtime.
    #[must_use]
    pub fn new(db: DatabaseConnection) -> Self {
        let shared = db.clone();
        Self {
            arrivals: Together::start(TOGETHER, move |rows| write_all(shared.clone(), rows)),
            db,
            published: Arc::new(Notify::new()),
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

    pub(super) fn consume(&self, lane: Lane, stop: CancellationToken) -> Consumer {
        Consumer {
            queue: self.clone(),
            lane,
            stop,
        }
    }

    pub(super) async fn is_ready(&self) -> bool {
        self.db.ping().await.is_ok()
    }

    /// Hands out the messages that have waited longest, up to `most` of those that are due.
    async fn claim(&self, lane: Lane, most: usize) -> Result<Vec<job::Model>, DbErr> {
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

/// Takes messages off one lane.
pub struct Consumer {
    queue: Queue,
    lane: Lane,
    stop: CancellationToken,
}

impl Consumer {
    pub(super) async fn next_batch(&mut self, most: usize) -> Vec<Delivery> {
        let mut failures = retry::endless(POLL, Duration::from_secs(5));
        while !self.stop.is_cancelled() {
            let published = self.queue.published.notified();
            let wait = match self.queue.claim(self.lane, most).await {
                Ok(jobs) if jobs.is_empty() => POLL,
                Ok(jobs) => {
                    let batch = self.sort_out(jobs).await;
                    if batch.is_empty() {
                        continue;
                    }
                    return batch;
                }
                Err(error) => {
                    tracing::warn!(%error, "Cannot read the embedded queue");
                    failures.next().unwrap_or(POLL)
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = published => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        Vec::new()
    }

    /// Sets aside what was handed out too often.
    async fn sort_out(&self, jobs: Vec<job::Model>) -> Vec<Delivery> {
        let mut batch = Vec::with_capacity(jobs.len());
        for job in jobs {
            let too_often = job.deliveries > DELIVERY_LIMIT;
            let delivery = delivery(&self.queue, job);
            if !too_often {
                batch.push(delivery);
            } else if let Err(error) = delivery.dead_letter("delivery_limit").await {
                tracing::warn!(%error, "Could not set a poisonous message aside");
            }
        }
        batch
    }
}

fn delivery(queue: &Queue, job: job::Model) -> Delivery {
    Delivery {
        redelivered: job.deliveries > 1,
        lane: job.lane.clone(),
        answer: super::consumer::Answer::Embedded(Answer {
            db: queue.db.clone(),
            id: job.id,
            lease: job.lease,
            lane: job.lane,
        }),
        message: Envelope {
            message_id: job.message_id,
            kind: job.kind,
            schema: job.schema,
            attempt: job.attempt,
            received_at_ms: job.received_at_ms,
            source: job.source,
            last_error: job.last_error,
            traceparent: job.traceparent,
            body: job.body.into(),
        },
    }
}

/// How to answer one delivery.
pub struct Answer {
    db: DatabaseConnection,
    id: Uuid,
    lease: Option<Uuid>,
    lane: String,
}

impl Answer {
    pub(super) async fn ack(self) -> Result<(), PublishError> {
        Self::ack_all(vec![self]).await
    }

    /// Acks what one consumer has handed out.
    pub(super) async fn ack_all(answers: Vec<Self>) -> Result<(), PublishError> {
        let Some(db) = answers.first().map(|answer| answer.db.clone()) else {
            return Ok(());
        };
        // What somebody else has claimed meanwhile has a lease that is not among these.
        let leases: HashSet<Uuid> = answers.iter().filter_map(|answer| answer.lease).collect();
        job::Entity::delete_many()
            .filter(job::Column::Id.is_in(answers.iter().map(|answer| answer.id)))
            .filter(job::Column::Lease.is_in(leases))
            .exec(&db)
            .await?;
        Ok(())
    }

    pub(super) async fn retry(
        self,
        tier: RetryTier,
        message: &Envelope,
    ) -> Result<(), PublishError> {
        let due_ms = now_ms().saturating_add(millis(retry::spread(tier.delay())));
        job::Entity::update_many()
            .col_expr(job::Column::AvailableAtMs, Expr::value(due_ms))
            .col_expr(job::Column::Deliveries, Expr::value(0))
            .col_expr(job::Column::Attempt, Expr::value(message.attempt))
            .col_expr(
                job::Column::LastError,
                Expr::value(message.last_error.clone()),
            )
            .filter(self.still_ours())
            .exec(&self.db)
            .await?;
        Ok(())
    }

    /// The lease counts from now. Returns whether the message was still ours.
    pub(super) async fn renew(&self) -> Result<bool, PublishError> {
        let lease_end = now_ms().saturating_add(millis(LEASE));
        let renewed = job::Entity::update_many()
            .col_expr(job::Column::AvailableAtMs, Expr::value(lease_end))
            .filter(self.still_ours())
            .exec(&self.db)
            .await?;
        Ok(renewed.rows_affected == 1)
    }

    /// Moves the row to the table of dead letters in one transaction.
    pub(super) async fn dead_letter(self, message: &Envelope) -> Result<(), PublishError> {
        let tx = db::begin(&self.db).await?;
        let deleted = job::Entity::delete_many()
            .filter(self.still_ours())
            .exec(&tx)
            .await?;
        if deleted.rows_affected == 1 {
            dead_letter::put_aside(&tx, &self.lane, message, clock::system()).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    fn still_ours(&self) -> Condition {
        Condition::all()
            .add(job::Column::Id.eq(self.id))
            .add(job::Column::Lease.eq(self.lease))
    }
}

fn now_ms() -> i64 {
    clock::unix_ms(clock::system())
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
