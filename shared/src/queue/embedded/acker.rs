//! What becomes of a row that was handed out.

use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, sea_query::Expr};
use uuid::Uuid;

use crate::{
    clock,
    db::{self, dead_letter, job},
    message::Envelope,
    queue::{
        Lane, PublishError, RetryTier,
        embedded::{LEASE, Queue, lanes::Acked, millis, now_ms},
    },
    retry,
};

/// How to answer one delivery.
pub struct Answer {
    pub(super) queue: Queue,
    pub(super) consumer: Lane,
    pub(super) id: Uuid,
    pub(super) lease: Option<Uuid>,
    /// As it stands in the row.
    pub(super) lane: String,
}

impl Answer {
    /// Acks what one consumer has handed out.
    pub(in crate::queue) fn ack_all(answers: &[Self]) {
        let Some(first) = answers.first() else {
            return;
        };
        let acked = answers.iter().map(|answer| Acked {
            id: answer.id,
            lease: answer.lease,
        });
        first.queue.lane(first.consumer).ack(acked);
    }

    pub(in crate::queue) async fn retry(
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
            .exec(&db::writer(&self.queue.db).await?)
            .await?;
        Ok(())
    }

    /// The lease counts from now. Returns whether the message was still ours.
    pub(in crate::queue) async fn renew(&self) -> Result<bool, PublishError> {
        let lease_end = now_ms().saturating_add(millis(LEASE));
        let renewed = job::Entity::update_many()
            .col_expr(job::Column::AvailableAtMs, Expr::value(lease_end))
            .filter(self.still_ours())
            .exec(&db::writer(&self.queue.db).await?)
            .await?;
        Ok(renewed.rows_affected == 1)
    }

    /// Moves the row to the table of dead letters in one transaction.
    pub(in crate::queue) async fn dead_letter(
        self,
        message: &Envelope,
    ) -> Result<(), PublishError> {
        let tx = db::begin(&self.queue.db).await?;
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
