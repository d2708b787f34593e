//! The transaction: what Stripe said becomes rows, and what follows from all that is known
//! follows at once.

use std::time::Duration;

use sea_orm::{ActiveModelTrait, ConnectionTrait, DbErr, EntityTrait, sea_query::OnConflict};
use shared::{
    db::{self, stripe_event},
    failpoint,
    retry::{self, Patience},
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Context,
    fact::{EventRef, Fact, Fulfillment, NotOurs},
    job_error::JobError,
    lock_checkout::{self, Subject},
    record_fact::record,
    settle_checkout::settle,
};

/// Tries of the whole transaction within one attempt, for deadlocks and the like.
const PATIENCE: Patience = Patience {
    tries: 4,
    first_delay: Duration::from_millis(50),
};

/// Brings the database in line with `fact` about `subject`.
///
/// Safe to run any number of times, also at once, for the same checkout: the lock on its row
/// puts runs one after the other, and unique indexes stand behind it.
///
/// - `event`: what to write into the inbox, in the same transaction.
///
/// # Errors
///
/// [`JobError::Retry`] if the database is in trouble.
///
/// Source: <https://docs.stripe.com/checkout/fulfillment>
pub async fn fulfill_checkout(
    context: &Context,
    subject: Subject<'_>,
    fact: &Fact,
    event: Option<&EventRef>,
) -> Result<Fulfillment, JobError> {
    retry::retry(PATIENCE, JobError::is_database_trouble, || async {
        let now = (context.clock)();
        let tx = db::begin(&context.db).await?;
        failpoint::crash_at("job_after_begin");
        let Some(mut locked) = lock_checkout::lock(&tx, subject).await? else {
            return Ok(Fulfillment::NotOurs(NotOurs::Foreign));
        };
        failpoint::crash_at("job_after_lock");
        record(&tx, &mut locked.checkout, fact, now).await?;
        failpoint::crash_at("job_after_record");
        let outcome = settle(&tx, &locked, context.on_unfulfillable, now).await?;
        failpoint::crash_at("job_after_settle");
        if let Some(event) = event
            && !note_event(&tx, event, locked.checkout.id, outcome, now).await?
        {
            return Ok(Fulfillment::AlreadyProcessed); // `tx` is dropped: rolled back
        }
        failpoint::crash_at("job_before_commit");
        tx.commit().await?;
        failpoint::crash_at("job_after_commit");
        Ok(outcome)
    })
    .await
}

/// Writes the inbox row. Returns `false` if the event has one, from an earlier run.
async fn note_event(
    tx: &impl ConnectionTrait,
    event: &EventRef,
    checkout_id: Uuid,
    outcome: Fulfillment,
    now: OffsetDateTime,
) -> Result<bool, DbErr> {
    let row = stripe_event::Model {
        id: event.id.clone(),
        kind: event.kind.clone(),
        checkout_id,
        outcome: outcome.as_str().to_owned(),
        processed_at: now,
    };
    let on_conflict = OnConflict::column(stripe_event::Column::Id)
        .do_nothing()
        .to_owned();
    let inserted = stripe_event::Entity::insert(stripe_event::ActiveModel::from(row).reset_all())
        .on_conflict(on_conflict)
        .exec_without_returning(tx)
        .await?;
    Ok(inserted == 1)
}
