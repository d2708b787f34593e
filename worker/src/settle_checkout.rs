//! What follows from everything that is known about a checkout: its booking, its seats, and
//! whether money has to go back.

use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter};
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

    let promise = outbox::Entity::find()
        .filter(outbox::Column::Kind.eq(outbox::Kind::Refund))
        .filter(outbox::Column::CheckoutId.eq(checkout.id))
        .one(tx)
        .await?;

    let (status, reason) = match (before, promise) {
        _ if refunded >= payment.amount_minor_units && refunded > 0 => (Status::Cancelled, None),
        // Once a refund is owed there is no way back to a booking, whatever came of it.
        (_, Some(promise)) if promise.done_at.is_some() && !is_any_on_its_way(&refunds) => {
            (Status::NeedsAttention, Some(reason::REFUND_FAILED))
        }
        (Some(Status::Cancelled), Some(_)) => (Status::RefundPending, None),
        (Some(Status::Confirmed | Status::RefundPending | Status::NeedsAttention), _) => {
            return Ok(Fulfillment::Recorded);
        }
        // Nothing to go by yet; or a refund that was taken back.
        (None | Some(Status::Cancelled), _) => decide(tx, locked, &payment, before, policy).await?,
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
    let mismatch = if payment.currency != checkout.currency {
        Some(reason::CURRENCY_MISMATCH)
    } else if payment.amount_minor_units != checkout.amount_minor_units {
        Some(reason::AMOUNT_MISMATCH)
    } else {
        None
    };
    let duplicate = locked.siblings.iter().any(is_booked);
    // With a mismatch the seats wait with the money, if there are any.
    let seated = if duplicate {
        false
    } else {
        checkout.seats_held || checkout::take_seats(tx, checkout).await?
    };
    let why = match (mismatch, duplicate, seated) {
        (Some(_), _, _) => return Ok((Status::NeedsAttention, mismatch)),
        (None, false, true) => return Ok((Status::Confirmed, None)),
        (None, true, _) => reason::DUPLICATE_PAYMENT,
        (None, false, false) => reason::NO_SEATS,
    };
    Ok(match (before, policy) {
        // There is nothing to give back.
        _ if payment.amount_minor_units == 0 => (Status::Cancelled, Some(why)),
        // The money had gone back, and came back to us.
        (Some(_), _) => (Status::NeedsAttention, Some(reason::REFUND_FAILED)),
        (None, OnUnfulfillable::Refund) => (Status::RefundPending, Some(why)),
        (None, OnUnfulfillable::Hold) => (Status::NeedsAttention, Some(why)),
    })
}

/// Whether a checkout of the same wish is paid and has its seats.
fn is_booked(sibling: &checkout::Model) -> bool {
    sibling.state == checkout::State::Paid && sibling.seats_held
}

fn is_any_on_its_way(refunds: &[refund::Model]) -> bool {
    let on_its_way = |refund: &refund::Model| {
        matches!(
            refund.status,
            refund::Status::Pending | refund::Status::RequiresAction
        )
    };
    refunds.iter().any(on_its_way)
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
        // One that is still open says more than one that is over.
        dispute_status: disputes
            .iter()
            .map(|dispute| dispute.status)
            .max_by_key(|status| (status.is_open(), *status)),
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
