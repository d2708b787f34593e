//! What follows from everything that is known about a checkout: its booking, its seats, and
//! whether money has to go back.

use sea_orm::{ConnectionTrait, DbErr};
use shared::db::{
    booking::{self, Status},
    checkout, outbox,
    payment::{self, Status as PaymentStatus},
    refund,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{OnUnfulfillable, booking_reference, dossier::Known, fact::Fulfillment};

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

/// Brings booking, payment, seats and promise in line with what is recorded. Running it again
/// changes nothing.
///
/// - `duplicate`: whether another checkout of the same wish is booked.
pub async fn settle(
    tx: &impl ConnectionTrait,
    known: &mut Known,
    duplicate: bool,
    policy: OnUnfulfillable,
    now: OffsetDateTime,
) -> Result<Fulfillment, DbErr> {
    if known.payment.is_none() {
        return unpaid(tx, known).await;
    }
    update_payment(known);
    let Some(payment) = known.payment.clone() else {
        return Ok(Fulfillment::Recorded);
    };
    let refunded = payment.amount_refunded_minor_units;
    let before = known.booking.as_ref().map(|booking| booking.status);
    let (status, reason) = match (before, &known.promise) {
        _ if refunded >= payment.amount_minor_units && refunded > 0 => (Status::Cancelled, None),
        // Once a refund is owed there is no way back to a booking, whatever came of it.
        (_, Some(promise)) if promise.done_at.is_some() && !is_any_on_its_way(&known.refunds) => {
            (Status::NeedsAttention, Some(reason::REFUND_FAILED))
        }
        (Some(Status::Cancelled), Some(_)) => (Status::RefundPending, None),
        (Some(Status::Confirmed | Status::RefundPending | Status::NeedsAttention), _) => {
            return Ok(Fulfillment::Recorded);
        }
        // Nothing to go by yet; or a refund that was taken back.
        (None | Some(Status::Cancelled), _) => {
            decide(tx, known, &payment, duplicate, before, policy).await?
        }
    };
    if before == Some(status) {
        return Ok(Fulfillment::Recorded);
    }
    match status {
        Status::RefundPending => {
            let checkout_id = known.checkout.id;
            known
                .promise
                .get_or_insert_with(|| outbox::Model::refund(checkout_id, now));
            free_seats(tx, &mut known.checkout).await?;
        }
        Status::Cancelled => free_seats(tx, &mut known.checkout).await?,
        Status::Confirmed | Status::NeedsAttention => {}
    }
    write_booking(known, status, reason, now);
    Ok(match status {
        Status::Confirmed => Fulfillment::Booked,
        Status::RefundPending => Fulfillment::RefundPending,
        Status::NeedsAttention => Fulfillment::NeedsAttention,
        Status::Cancelled => Fulfillment::Cancelled,
    })
}

/// Nobody has paid: the seats stay held for as long as somebody still may.
async fn unpaid(tx: &impl ConnectionTrait, known: &mut Known) -> Result<Fulfillment, DbErr> {
    use checkout::State;
    match known.checkout.state {
        State::Open => Ok(Fulfillment::StillOpen),
        State::PaymentPending => Ok(Fulfillment::PaymentPending),
        _ if known.checkout.seats_held => {
            free_seats(tx, &mut known.checkout).await?;
            Ok(Fulfillment::Released)
        }
        _ => Ok(Fulfillment::Recorded),
    }
}

/// What a payment leads to. The hold is the authority on what had to be paid, not what the
/// session says about itself.
async fn decide(
    tx: &impl ConnectionTrait,
    known: &mut Known,
    payment: &payment::Model,
    duplicate: bool,
    before: Option<Status>,
    policy: OnUnfulfillable,
) -> Result<(Status, Option<&'static str>), DbErr> {
    let checkout = &mut known.checkout;
    let mismatch = if payment.currency != checkout.currency {
        Some(reason::CURRENCY_MISMATCH)
    } else if payment.amount_minor_units != checkout.amount_minor_units {
        Some(reason::AMOUNT_MISMATCH)
    } else {
        None
    };
    // With a mismatch the seats wait with the money, if there are any.
    if !duplicate && !checkout.seats_held {
        checkout.seats_held = checkout::take_seats(tx, checkout).await?;
    }
    let seated = !duplicate && checkout.seats_held;
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

async fn free_seats(
    tx: &impl ConnectionTrait,
    checkout: &mut checkout::Model,
) -> Result<(), DbErr> {
    if checkout.seats_held {
        checkout::free_seats(tx, checkout).await?;
        checkout.seats_held = false;
    }
    Ok(())
}

/// Whether a checkout is paid and has its seats.
pub fn is_booked(checkout: &checkout::Model) -> bool {
    checkout.state == checkout::State::Paid && checkout.seats_held
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

/// Adds up refunds and disputes.
fn update_payment(known: &mut Known) {
    let Some(payment) = &mut known.payment else {
        return;
    };
    let refunded = known
        .refunds
        .iter()
        .filter(|refund| refund.status == refund::Status::Succeeded)
        .map(|refund| refund.amount_minor_units)
        .fold(0_i64, i64::saturating_add);
    payment.amount_refunded_minor_units = refunded;
    payment.status = match refunded {
        0 => PaymentStatus::Paid,
        all if all >= payment.amount_minor_units => PaymentStatus::Refunded,
        _ => PaymentStatus::PartiallyRefunded,
    };
    // One that is still open says more than one that is over.
    payment.dispute_status = known
        .disputes
        .iter()
        .map(|dispute| dispute.status)
        .max_by_key(|status| (status.is_open(), *status));
}

fn write_booking(known: &mut Known, status: Status, reason: Option<&str>, now: OffsetDateTime) {
    let checkout = &known.checkout;
    let booking = known.booking.get_or_insert_with(|| booking::Model {
        id: Uuid::now_v7(),
        checkout_id: checkout.id,
        slot_id: checkout.slot_id,
        quantity: checkout.quantity,
        reference: booking_reference::new(),
        status,
        reason: None,
        created_at: now,
    });
    booking.status = status;
    booking.reason = reason.map(str::to_owned);
}
