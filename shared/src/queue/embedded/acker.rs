//! What becomes of a row that was handed out.

use std::collections::HashSet;

use sea_orm::{
    ColumnTrait, Condition, DatabaseConnection, EntityTrait, QueryFilter, sea_query::Expr,
};
use uuid::Uuid;

use crate::{
    clock,
    db::{self, dead_letter, job},
    message::Envelope,
    queue::{
        PublishError, RetryTier,
        embedded::{LEASE, millis, now_ms},
    },
    retry,
};

/// How to answer one delivery.
pub struct Answer {
    pub(super) db: DatabaseConnection,
    pub(super) id: Uuid,
    pub(super) lease: Option<Uuid>,
    pub(super) lane: String,
}

impl Answer {
    /// Acks what one consumer has handed out.
    pub(in crate::queue) async fn ack_all(answers: Vec<Self>) -> Result<(), PublishError> {
        let Some(db) = answers.first().map(|answer| answer.db.clone()) else {
            return Ok(());
        };
        // A message that another worker has claimed meanwhile has a lease that is not among these.
        let leases: HashSet<Uuid> = answers.iter().filter_map(|answer| answer.lease).collect();
        job::Entity::delete_many()
            .filter(job::Column::Id.is_in(answers.iter().map(|answer| answer.id)))
            .filter(job::Column::Lease.is_in(leases))
            .exec(&db)
            .await?;
        Ok(())
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
            .exec(&self.db)
            .await?;
        Ok(())
    }

    /// The lease counts from now. Returns whether the message was still ours.
    pub(in crate::queue) async fn renew(&self) -> Result<bool, PublishError> {
        let lease_end = now_ms().saturating_add(millis(LEASE));
        let renewed = job::Entity::update_many()
            .col_expr(job::Column::AvailableAtMs, Expr::value(lease_end))
            .filter(self.still_ours())
            .exec(&self.db)
            .await?;
        Ok(renewed.rows_affected == 1)
    }

    /// Moves the row to the table of dead letters in one transaction.
    pub(in crate::queue) async fn dead_letter(
        self,
        message: &Envelope,
    ) -> Result<(), PublishError> {
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
