//! An order that takes the place of an earlier one: a buyer changed their mind before paying.

use sea_orm::{ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QuerySelect};
use shared::{
    db::{
        self,
        checkout::{self, State},
        seats, slot,
    },
    stripe::{checkout_session::Status, error::StripeError, id::CheckoutSessionId},
};
use time::OffsetDateTime;

use crate::{Ingress, hold_seats::NewHold, http::error::ApiError};

/// Ends the session at Stripe before its seats are given away. A buyer who has just paid it is
/// told so and is not sold another. Nothing is ended if there are too few seats for the new order.
pub async fn end_replaced(
    app: &Ingress,
    session_id: &CheckoutSessionId,
    new: &NewHold,
    now: OffsetDateTime,
) -> Result<(), ApiError> {
    let ours = checkout::Entity::find()
        .filter(checkout::Column::SessionId.eq(session_id.as_str()))
        .one(&app.db)
        .await?;
    let Some(old) = ours else { return Ok(()) };
    match old.state {
        State::Open => check_room(&app.db, &old, new, now).await?,
        State::PaymentPending | State::Paid => return Err(ApiError::CheckoutCompleted),
        State::Expired | State::PaymentFailed | State::Abandoned => return Ok(()),
    }
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

/// Whether there are seats for `new` once those of `old` are free. Another buyer may still be
/// quicker.
async fn check_room(
    db: &DatabaseConnection,
    old: &checkout::Model,
    new: &NewHold,
    now: OffsetDateTime,
) -> Result<(), ApiError> {
    let slot = slot::Entity::find_by_id(new.slot_id).one(db).await?;
    let slot = slot.ok_or(ApiError::SlotNotFound)?;
    if slot.starts_at <= now {
        return Err(ApiError::SlotClosed);
    }
    let own = if old.slot_id == slot.id && old.seats_held {
        old.quantity
    } else {
        0
    };
    let taken = slot.seats_taken.saturating_sub(own);
    if i64::from(slot.capacity.saturating_sub(taken)) < new.quantity {
        return Err(ApiError::SlotFull);
    }
    Ok(())
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
