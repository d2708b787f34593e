//! An order that takes the place of an earlier one: a buyer changed their mind before paying.

use sea_orm::{ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QuerySelect};
use shared::{
    db::{
        self,
        checkout::{self, State},
        resource, seats,
    },
    stripe::{checkout_session::Status, error::StripeError, id::CheckoutSessionId},
};
use time::OffsetDateTime;

use crate::{
    Ingress,
    hold::{NewHold, Replaced},
    hold_seats::{check_limit, idempotency::earlier, lock_holder, place},
    http::error::{ApiError, FieldError},
    order::NO_KEY_OF_REPLACED,
};

/// Whether there is one to end first, which has to be the orderer's own. It is an error if the new order cannot be
/// had instead: then nothing is ended.
pub async fn needs_to_end(
    app: &Ingress,
    replaced: &Replaced,
    new: &NewHold,
    now: OffsetDateTime,
) -> Result<bool, ApiError> {
    let session_id = &replaced.session_id;
    let ours = checkout::Entity::find()
        .filter(checkout::Column::SessionId.eq(session_id.as_str()))
        .one(&app.db)
        .await?;
    let Some(old) = ours else { return Ok(false) };
    match old.state {
        State::Open if replaced.key.is_some() && replaced.key != old.idempotency_key => {
            let wrong = FieldError::new("replaces_key", NO_KEY_OF_REPLACED);
            Err(ApiError::Validation(vec![wrong]))
        }
        State::Open => is_in_the_way(&app.db, &old, new, now).await,
        State::PaymentPending | State::Paid => Err(ApiError::CheckoutCompleted),
        State::Expired | State::PaymentFailed | State::Abandoned => Ok(false),
    }
}

/// Ends it at Stripe before its seats are given away. A buyer who has just paid it is told so and is not sold
/// another.
pub async fn end(app: &Ingress, session_id: &CheckoutSessionId) -> Result<(), ApiError> {
    match app.stripe.expire_checkout_session(session_id).await {
        Ok(_) => Ok(end_hold(&app.db, session_id).await?),
        // Not open any more: expired by itself, or paid this instant.
        Err(StripeError::Refused { .. }) => {
            let session = app.stripe.retrieve_checkout_session(session_id).await?;
            match session.status {
                Some(Status::Complete) => Err(ApiError::CheckoutCompleted),
                Some(Status::Expired) => Ok(end_hold(&app.db, session_id).await?),
                _ => Ok(()),
            }
        }
        Err(StripeError::NotFound) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Whether `old` still has to end for `new`, for which there has to be room then. Another buyer may still be
/// quicker.
async fn is_in_the_way(
    db: &DatabaseConnection,
    old: &checkout::Model,
    new: &NewHold,
    now: OffsetDateTime,
) -> Result<bool, ApiError> {
    // Never committed: it is the order itself that frees and makes.
    let tx = db::begin(db).await?;
    lock_holder(&tx, new).await?;
    if earlier(&tx, new, now).await?.is_some() {
        // The same request was quicker, and has ended the old one.
        return Ok(false);
    }
    checkout::advance(&tx, &mut old.clone(), State::Expired).await?;
    seats::free(&tx, old).await?;
    let (slot, _) = place::find(&tx, &new.place, now).await?;
    check_limit(&tx, new, slot.as_ref(), now).await?;
    let Some(slot) = slot else { return Ok(true) };
    let (capacity, taken) = match &slot.resource_key {
        Some(key) => resource::lock_and_count(&tx, key, &slot).await?,
        None => (slot.capacity, slot.seats_taken),
    };
    if capacity.saturating_sub(taken) < new.quantity {
        return Err(ApiError::SlotFull);
    }
    Ok(true)
}

/// Frees the seats of a hold whose session has ended unpaid.
async fn end_hold(db: &DatabaseConnection, session_id: &CheckoutSessionId) -> Result<(), DbErr> {
    let tx = db::begin(db).await?;
    let checkout = checkout::Entity::find()
        .filter(checkout::Column::SessionId.eq(session_id.as_str()))
        .lock_exclusive()
        .one(&tx)
        .await?;
    if let Some(mut checkout) = checkout
        && checkout.state == State::Open
    {
        checkout::advance(&tx, &mut checkout, State::Expired).await?;
        seats::free(&tx, &checkout).await?;
    }
    tx.commit().await
}
