//! What follows from everything that is known about a checkout: its booking, its seats, and
//! whether money has to go back.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter,
};
use shared::db::{
    booking::{self, Status},
    checkout, dispute, outbox,
    payment::{self, Status as PaymentStatus},
    refund,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{OnUnfulfillable, booking_reference, fact::Fulfillment, lock_checkout::Locked};

/// Reasons of a booking that is not what the buyer wanted; part of the contract.
pub mod reason {
    /// Paid, but not the amount the hold says.
    pub const AMOUNT_MISMATCH: &str = "amount_mismatch";
    /// Paid, but in another currency than the hold's.
    pub const CURRENCY_MISMATCH: &str = "currency_mismatch";
    /// Paid after the hold had ended, and the seats are somebody else's now.
    pub const NO_SEATS: &str = "no_seats";
    /// The same wish is booked already, by another session.
    pub const DUPLICATE_PAYMENT: &str = "duplicate_payment";
    /// The money came back to us, or Stripe would not take it.
    pub const REFUND_FAILED: &str = "refund_failed";
}

/// Brings booking, payment, seats and outbox in line with what is recorded. Running it again
/// changes nothing.
pub async fn settle(
    tx: &impl ConnectionTrait,
    locked: &Locked,
    policy: OnUnfulfillable,
    now: OffsetDateTime,
) -> Result<Fulfillment, DbErr> {
    let checkout = &locked.checkout;
    let payment = payment::Entity::find()
        .filter(payment::Column::CheckoutId.eq(checkout.id))
        .one(tx)
        .await?;
    let Some(payment) = payment else {
        return unpaid(tx, checkout).await;
    };
    let refunds = refund::Entity::find()
        .filter(refund::Column::CheckoutId.eq(checkout.id))
        .all(tx)
        .await?;
    let refunded = update_payment(tx, checkout.id, payment.clone(), &refunds).await?;
    let booking = booking::Entity::find()
        .filter(booking::Column::CheckoutId.eq(checkout.id))
        .one(tx)
        .await?;
    let before = booking.as_ref().map(|booking| booking.status);

    let (status, reason) = match before {
        _ if refunded >= payment.amount_minor_units && refunded > 0 => (Status::Cancelled, None),
        Some(Status::RefundPending) if came_to_nothing(&refunds) => {
            (Status::NeedsAttention, Some(reason::REFUND_FAILED))
        }
        Some(Status::Confirmed | Status::RefundPending | Status::NeedsAttention) => {
            return Ok(Fulfillment::Recorded);
        }
        // Nothing to go by yet; or a refund that was taken back.
        None | Some(Status::Cancelled) => decide(tx, locked, &payment, before, policy).await?,
    };
    if before == Some(status) {
        return Ok(Fulfillment::Recorded);
    }
    match status {
        Status::RefundPending => {
            outbox::promise(tx, outbox::Kind::Refund, checkout.id, now).await?;
            checkout::free_seats(tx, checkout).await?;
        }
        Status::Cancelled => checkout::free_seats(tx, checkout).await?,
        Status::Confirmed | Status::NeedsAttention => {}
    }
    write_booking(tx, checkout, booking, status, reason, now).await?;
    Ok(match status {
        Status::Confirmed => Fulfillment::Booked,
        Status::RefundPending => Fulfillment::RefundPending,
        Status::NeedsAttention => Fulfillment::NeedsAttention,
        Status::Cancelled => Fulfillment::Cancelled,
    })
}

/// Nobody has paid: the seats stay held for as long as somebody still may.
async fn unpaid(
    tx: &impl ConnectionTrait,
    checkout: &checkout::Model,
) -> Result<Fulfillment, DbErr> {
    use checkout::State;
    match checkout.state {
        State::Open => Ok(Fulfillment::StillOpen),
        State::PaymentPending => Ok(Fulfillment::PaymentPending),
        _ if checkout.seats_held => {
            checkout::free_seats(tx, checkout).await?;
            Ok(Fulfillment::Released)
        }
        _ => Ok(Fulfillment::Recorded),
    }
}

/// What a payment leads to. The hold is the authority on what had to be paid, not what the
/// session says about itself.
async fn decide(
    tx: &impl ConnectionTrait,
    locked: &Locked,
    payment: &payment::Model,
    before: Option<Status>,
    policy: OnUnfulfillable,
) -> Result<(Status, Option<&'static str>), DbErr> {
    let checkout = &locked.checkout;
    let why = if is_booked(tx, &locked.siblings).await? {
        reason::DUPLICATE_PAYMENT
    } else {
        let seated = checkout.seats_held || checkout::take_seats(tx, checkout).await?;
        // The seats wait with the money, if there are any.
        if payment.currency != checkout.currency {
            return Ok((Status::NeedsAttention, Some(reason::CURRENCY_MISMATCH)));
        }
        if payment.amount_minor_units != checkout.amount_minor_units {
            return Ok((Status::NeedsAttention, Some(reason::AMOUNT_MISMATCH)));
        }
        if seated {
            return Ok((Status::Confirmed, None));
        }
        reason::NO_SEATS
    };
    Ok(match (before, policy) {
        // We have tried to give it back.
        (Some(_), _) => (Status::NeedsAttention, Some(reason::REFUND_FAILED)),
        (None, OnUnfulfillable::Refund) => (Status::RefundPending, Some(why)),
        (None, OnUnfulfillable::Hold) => (Status::NeedsAttention, Some(why)),
    })
}

/// Whether one of `checkouts` is paid and not given back.
async fn is_booked(tx: &impl ConnectionTrait, checkouts: &[Uuid]) -> Result<bool, DbErr> {
    if checkouts.is_empty() {
        return Ok(false);
    }
    let live = booking::Entity::find()
        .filter(booking::Column::CheckoutId.is_in(checkouts.iter().copied()))
        .filter(booking::Column::Status.is_in([Status::Confirmed, Status::NeedsAttention]))
        .count(tx)
        .await?;
    Ok(live > 0)
}

/// All that was tried has failed.
fn came_to_nothing(refunds: &[refund::Model]) -> bool {
    !refunds.is_empty() && refunds.iter().all(|refund| refund.status.came_to_nothing())
}

/// Adds up refunds and disputes. Returns what went back.
async fn update_payment(
    tx: &impl ConnectionTrait,
    checkout_id: Uuid,
    payment: payment::Model,
    refunds: &[refund::Model],
) -> Result<i64, DbErr> {
    let refunded = refunds
        .iter()
        .filter(|refund| refund.status == refund::Status::Succeeded)
        .map(|refund| refund.amount_minor_units)
        .fold(0_i64, i64::saturating_add);
    let disputes = dispute::Entity::find()
        .filter(dispute::Column::CheckoutId.eq(checkout_id))
        .all(tx)
        .await?;
    let now = payment::Model {
        amount_refunded_minor_units: refunded,
        status: match refunded {
            0 => PaymentStatus::Paid,
            all if all >= payment.amount_minor_units => PaymentStatus::Refunded,
            _ => PaymentStatus::PartiallyRefunded,
        },
        dispute_status: disputes.iter().map(|dispute| dispute.status).max(),
        ..payment.clone()
    };
    if now != payment {
        payment::ActiveModel::from(now)
            .reset_all()
            .update(tx)
            .await?;
    }
    Ok(refunded)
}

async fn write_booking(
    tx: &impl ConnectionTrait,
    checkout: &checkout::Model,
    booking: Option<booking::Model>,
    status: Status,
    reason: Option<&str>,
    now: OffsetDateTime,
) -> Result<(), DbErr> {
    let reason = reason.map(str::to_owned);
    if let Some(booking) = booking {
        let changed = booking::Model {
            status,
            reason,
            ..booking
        };
        let changed = booking::ActiveModel::from(changed).reset_all();
        return changed.update(tx).await.map(drop);
    }
    let new = booking::Model {
        id: Uuid::now_v7(),
        checkout_id: checkout.id,
        slot_id: checkout.slot_id,
        quantity: checkout.quantity,
        reference: booking_reference::new(),
        status,
        reason,
        created_at: now,
    };
    booking::Entity::insert(booking::ActiveModel::from(new).reset_all())
        .exec_without_returning(tx)
        .await
        .map(drop)
}
