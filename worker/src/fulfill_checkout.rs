//! The transaction: one paid Checkout Session becomes one booking and one payment.

use std::time::Duration;

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter,
    QuerySelect,
    sea_query::{Expr, OnConflict},
};
use shared::{
    checkout_session::CheckoutSession,
    db::{
        self, booking,
        checkout::{self, State},
        payment, stripe_event,
    },
    retry::{self, Patience},
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Context, booking_reference,
    fulfillment::{EventRef, Fact, Fulfillment},
    job_error::JobError,
};

/// Tries of the whole transaction within one attempt, for deadlocks and the like.
const PATIENCE: Patience = Patience {
    tries: 4,
    first_delay: Duration::from_millis(50),
};

/// A paid session that cannot become a booking: an operator has to look.
#[derive(Debug, thiserror::Error)]
enum Unfulfillable {
    #[error("paid {paid:?} for a hold of {held}")]
    Amount { paid: Option<i64>, held: i64 },
    #[error("paid in another currency than the hold's")]
    Currency,
    #[error("paid for a hold that had ended as {0:?}")]
    SeatsReleased(State),
}

/// Brings the database in line with `fact` about `session`.
///
/// Safe to run any number of times, also at once, for the same session: the lock on the
/// `checkout` row puts runs one after the other, and unique indexes stand behind it.
///
/// - `event`: what to write into the inbox, in the same transaction.
///
/// # Errors
///
/// [`JobError::Retry`] if the database is in trouble, [`JobError::Reject`] if a paid
/// session does not fit its hold.
///
/// Source: <https://docs.stripe.com/checkout/fulfillment>
pub async fn fulfill_checkout(
    context: &Context,
    session: &CheckoutSession,
    fact: Fact,
    event: Option<EventRef>,
) -> Result<Fulfillment, JobError> {
    tracing::Span::current().record("checkout_session.id", session.id.as_str());
    if session.livemode != context.mode.livemode() {
        return Ok(Fulfillment::NotOurs);
    }
    retry::retry(PATIENCE, JobError::is_database_trouble, || async {
        let now = (context.clock)();
        let tx = db::begin(&context.db).await?;
        let Some(checkout) = lock_checkout(&tx, session).await? else {
            return Ok(Fulfillment::NotOurs);
        };
        let outcome = apply(&tx, &checkout, session, fact, now).await?;
        if let Some(event) = &event
            && !note_event(&tx, event, &checkout, outcome, now).await?
        {
            return Ok(Fulfillment::AlreadyProcessed); // `tx` is dropped: rolled back
        }
        tx.commit().await?;
        Ok(outcome)
    })
    .await
}

/// The hold of `session`, locked until the transaction ends.
///
/// It is found by its id if the session's id was never stored: the event was faster than
/// ingress, or ingress crashed right after Stripe made the session.
async fn lock_checkout(
    tx: &DatabaseTransaction,
    session: &CheckoutSession,
) -> Result<Option<checkout::Model>, DbErr> {
    let by_session = checkout::Entity::find()
        .filter(checkout::Column::SessionId.eq(session.id.as_str()))
        .lock_exclusive()
        .one(tx)
        .await?;
    if by_session.is_some() {
        return Ok(by_session);
    }
    let Some(checkout_id) = session.checkout_id() else {
        return Ok(None);
    };
    // Locked before it is judged: the id may be stored at this very moment.
    let by_id = checkout::Entity::find_by_id(checkout_id)
        .lock_exclusive()
        .one(tx)
        .await?;
    match by_id {
        Some(checkout) if checkout.session_id.is_none() => {
            checkout::Entity::update_many()
                .col_expr(
                    checkout::Column::SessionId,
                    Expr::value(session.id.as_str()),
                )
                .filter(checkout::Column::Id.eq(checkout_id))
                .exec(tx)
                .await?;
            Ok(Some(checkout))
        }
        Some(checkout) if checkout.session_id.as_deref() == Some(session.id.as_str()) => {
            Ok(Some(checkout))
        }
        _ => Ok(None),
    }
}

/// States only move forward, so the order in which facts arrive does not matter.
async fn apply(
    tx: &DatabaseTransaction,
    checkout: &checkout::Model,
    session: &CheckoutSession,
    fact: Fact,
    now: OffsetDateTime,
) -> Result<Fulfillment, JobError> {
    match (fact, checkout.state) {
        (_, State::Fulfilled) => Ok(Fulfillment::AlreadyFulfilled),
        (Fact::Paid, state) => {
            check(checkout, session).map_err(|(code, error)| JobError::reject(code, error))?;
            if !state.is_undecided() {
                let error = Unfulfillable::SeatsReleased(state);
                return Err(JobError::reject("seats_released", error));
            }
            create(tx, checkout, session, now).await?;
            Ok(Fulfillment::Created)
        }
        (_, state) if !state.is_undecided() => Ok(Fulfillment::AlreadyEnded),
        (Fact::Open, _) => {
            note_checked(tx, checkout, checkout.state, now).await?;
            Ok(Fulfillment::StillOpen)
        }
        (Fact::PaymentPending, _) => {
            note_checked(tx, checkout, State::PaymentPending, now).await?;
            Ok(Fulfillment::PaymentPending)
        }
        (Fact::PaymentFailed, _) => {
            checkout::release(tx, checkout, State::PaymentFailed).await?;
            Ok(Fulfillment::Released)
        }
        (Fact::Expired, _) => {
            checkout::release(tx, checkout, State::Expired).await?;
            Ok(Fulfillment::Released)
        }
    }
}

/// The hold is the authority on what had to be paid, not what the session says about itself.
fn check(
    checkout: &checkout::Model,
    session: &CheckoutSession,
) -> Result<(), (&'static str, Unfulfillable)> {
    if session.currency.as_deref() != Some(checkout.currency.as_str()) {
        return Err(("currency_mismatch", Unfulfillable::Currency));
    }
    if session.amount_total != Some(checkout.amount_minor_units) {
        let (paid, held) = (session.amount_total, checkout.amount_minor_units);
        return Err(("amount_mismatch", Unfulfillable::Amount { paid, held }));
    }
    Ok(())
}

/// Booking, payment and the end of the hold. The seats pass from the hold to the booking,
/// so `seats_taken` does not change.
async fn create(
    tx: &DatabaseTransaction,
    checkout: &checkout::Model,
    session: &CheckoutSession,
    now: OffsetDateTime,
) -> Result<(), DbErr> {
    let booking = booking::ActiveModel {
        id: Set(Uuid::now_v7()),
        checkout_id: Set(checkout.id),
        slot_id: Set(checkout.slot_id),
        quantity: Set(checkout.quantity),
        reference: Set(booking_reference::new()),
        status: Set(booking::Status::Confirmed),
        created_at: Set(now),
    };
    booking::Entity::insert(booking)
        .exec_without_returning(tx)
        .await?;
    let payment = payment::ActiveModel {
        id: Set(Uuid::now_v7()),
        checkout_id: Set(checkout.id),
        session_id: Set(session.id.to_string()),
        payment_intent_id: Set(session.payment_intent_id().map(str::to_owned)),
        amount_minor_units: Set(checkout.amount_minor_units),
        currency: Set(checkout.currency.clone()),
        status: Set(payment::Status::Paid),
        created_at: Set(now),
    };
    payment::Entity::insert(payment)
        .exec_without_returning(tx)
        .await?;
    checkout::Entity::update_many()
        .col_expr(checkout::Column::State, Expr::value(State::Fulfilled))
        .filter(checkout::Column::Id.eq(checkout.id))
        .exec(tx)
        .await?;
    Ok(())
}

/// Lets confirm tell the buyer what Stripe said, while it is fresh.
async fn note_checked(
    tx: &impl ConnectionTrait,
    checkout: &checkout::Model,
    state: State,
    now: OffsetDateTime,
) -> Result<(), DbErr> {
    checkout::Entity::update_many()
        .col_expr(checkout::Column::State, Expr::value(state))
        .col_expr(checkout::Column::StripeCheckedAt, Expr::value(now))
        .filter(checkout::Column::Id.eq(checkout.id))
        .exec(tx)
        .await?;
    Ok(())
}

/// Writes the inbox row. Returns `false` if the event has one, from an earlier run.
async fn note_event(
    tx: &impl ConnectionTrait,
    event: &EventRef,
    checkout: &checkout::Model,
    outcome: Fulfillment,
    now: OffsetDateTime,
) -> Result<bool, DbErr> {
    let row = stripe_event::ActiveModel {
        id: Set(event.id.clone()),
        kind: Set(event.kind.clone()),
        checkout_id: Set(checkout.id),
        outcome: Set(outcome.as_str().to_owned()),
        processed_at: Set(now),
    };
    let on_conflict = OnConflict::column(stripe_event::Column::Id)
        .do_nothing()
        .to_owned();
    let inserted = stripe_event::Entity::insert(row)
        .on_conflict(on_conflict)
        .exec_without_returning(tx)
        .await?;
    Ok(inserted == 1)
}
