//! Holds whose end was not announced: their seats must not stay taken for ever.
//!
//! The sweep itself decides nothing. It puts a confirm job on the queue, and the job asks
//! Stripe: a session that was paid in the last second is booked, one that is still open is
//! expired first.

use sea_orm::{
    ColumnTrait, Condition, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, UpdateMany,
    sea_query::{Expr, LockBehavior, LockType, SimpleExpr},
};
use shared::{
    db::{
        self,
        checkout::{self, Column, State},
        seats,
    },
    message::{Envelope, Source},
    queue::{Lane, Publisher},
    service::spans,
};
use time::{Duration, OffsetDateTime};

use crate::{
    Context, fulfill_checkout::other_tabs::GRACE, job_error::JobError,
    outage::dependency::Dependency,
};

/// Holds looked at in one sweep.
const AT_ONCE: u64 = 20;
/// Before the same hold is looked at again.
const OPEN_AGAIN: Duration = Duration::minutes(5);
/// A bank may take days, so Stripe is asked a few times a day.
const PENDING_AGAIN: Duration = Duration::hours(6);
/// Before another worker takes up a hold whose job may not have reached the queue: longer than it takes
/// to publish those of one sweep.
const LEASE: Duration = Duration::seconds(30);

/// Looks for overdue holds and has them looked into. Several workers at once share the work.
///
/// Returns how many there were.
///
/// # Errors
///
/// [`JobError`] if the database is in trouble, or the queue does not take the jobs; they are
/// tried again in a later sweep, half a minute from now.
pub async fn sweep_holds(context: &Context, publisher: &Publisher) -> Result<usize, JobError> {
    // Asking waits until Stripe is back.
    if context.breakers.is_open(Dependency::Stripe) {
        return Ok(0);
    }
    let now = (context.clock)();
    let overdue = lease(context, now).await?;
    if overdue.is_empty() {
        return Ok(0);
    }
    for checkout in &overdue {
        let Some(Ok(session_id)) = checkout.session_id.as_deref().map(str::parse) else {
            continue;
        };
        let trace = spans::context(&spans::look("an overdue hold")).unwrap_or_default();
        let job = Envelope::checkout_confirm(&session_id, now, &trace).from_source(Source::Sweep);
        // Not into the lane of buyers who wait: no buyer waits for these.
        publisher.publish(Lane::Events, &job).await?;
    }
    // Only now: a worker that dies before this must not leave them alone for as long as a look lasts.
    enqueued_at(Expr::value(now), &overdue)
        .exec(&db::writer(&context.db).await?)
        .await?;
    Ok(overdue.len())
}

/// Marks overdue holds, so that no other worker takes them up for a while, and ends those that never got a
/// session: there is nothing to ask Stripe about. Should one have been made and paid all the
/// same, its event names the checkout.
async fn lease(context: &Context, now: OffsetDateTime) -> Result<Vec<checkout::Model>, DbErr> {
    let not_since = |age: Duration| {
        Condition::any()
            .add(Column::ConfirmEnqueuedAt.is_null())
            .add(Column::ConfirmEnqueuedAt.lt(now.saturating_sub(age)))
    };
    let open = Condition::all()
        .add(Column::State.eq(State::Open))
        .add(not_since(OPEN_AGAIN));
    let pending = Condition::all()
        .add(Column::State.eq(State::PaymentPending))
        .add(not_since(PENDING_AGAIN));
    let tx = db::begin(&context.db).await?;
    let mut overdue = checkout::Entity::find()
        .filter(Column::ExpiresAt.lt(now.saturating_sub(GRACE)))
        .filter(Condition::any().add(open).add(pending))
        .order_by_asc(Column::ExpiresAt)
        .limit(AT_ONCE)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .all(&tx)
        .await?;
    if overdue.is_empty() {
        return Ok(overdue);
    }
    let due_after_lease =
        |again: Duration| Expr::value(now.saturating_add(LEASE).saturating_sub(again));
    let at = Expr::case(
        Column::State.eq(State::PaymentPending),
        due_after_lease(PENDING_AGAIN),
    );
    let at = at.finally(due_after_lease(OPEN_AGAIN));
    enqueued_at(at.into(), &overdue).exec(&tx).await?;
    // Every transaction locks slots in the same order.
    overdue.sort_by_key(|checkout| checkout.slot_id);
    for checkout in &mut overdue {
        if checkout.session_id.is_none() {
            checkout::advance(&tx, checkout, State::Abandoned).await?;
            seats::free(&tx, checkout).await?;
        }
    }
    tx.commit().await?;
    Ok(overdue)
}

fn enqueued_at(at: SimpleExpr, holds: &[checkout::Model]) -> UpdateMany<checkout::Entity> {
    checkout::Entity::update_many()
        .col_expr(Column::ConfirmEnqueuedAt, at)
        .filter(Column::Id.is_in(holds.iter().map(|hold| hold.id)))
}
