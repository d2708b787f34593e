//! What follows from everything that is known about a checkout: its booking, its seats, and
//! whether money has to go back.

use sea_orm::{ConnectionTrait, DbErr, EntityTrait};
use shared::db::{
    booking::{self, Status},
    checkout, outbox,
    payment::Status as PaymentStatus,
    refund, slot,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    OnUnfulfillable,
    fulfill_checkout::{
        booking_reference, payment_balance::PaymentBalance, record::Known, update::Fulfillment,
    },
};

/// Reasons of a booking that is not what the buyer wanted; part of the contract.
pub mod reason {
    /// Paid, but not the amount the hold says.
    pub const AMOUNT_MISMATCH: &str = "amount_mismatch";
    /// Paid, but in another currency than the hold's.
    pub const CURRENCY_MISMATCH: &str = "currency_mismatch";
    /// Paid after the hold had ended, and the seats are another buyer's now.
    pub const NO_SEATS: &str = "no_seats";
    /// The same wish is booked already, by another session.
    pub const DUPLICATE_PAYMENT: &str = "duplicate_payment";
    /// The money came back to us, or Stripe would not take it.
    pub const REFUND_FAILED: &str = "refund_failed";
    /// A refund came back to us while the buyer's bank has taken money as well.
    pub const DISPUTED: &str = "disputed";
    /// Paid after the slot had begun.
    pub const SLOT_STARTED: &str = "slot_started";
}

/// What a decision depends on besides what is known of the checkout.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Whether another checkout of the same wish is booked.
    pub duplicate: bool,
    /// When the buyer paid, if that is news and Stripe says it.
    pub paid_at: Option<OffsetDateTime>,
    /// What becomes of a payment without seats.
    pub policy: OnUnfulfillable,
    /// Now.
    pub now: OffsetDateTime,
}

/// Brings booking, payment, seats and promise in line with what is recorded. Running it again
/// changes nothing.
///
/// A dispute alone changes no booking. It counts where a refund is in question: money that the
/// bank has taken is not ours to book for again, and not ours to give back.
pub async fn settle(
    tx: &impl ConnectionTrait,
    known: &mut Known,
    rules: Rules,
) -> Result<Fulfillment, DbErr> {
    let Some(payment) = known.payment.clone() else {
        return unpaid(tx, known).await;
    };
    let money = PaymentBalance::of(known, &payment);
    update_payment(known, money);
    let before = known.booking.as_ref().map(|booking| booking.status);
    let disputed = known.booking.as_ref().and_then(|it| it.reason.as_deref());
    let disputed = disputed == Some(reason::DISPUTED);
    let given_up = money.was_given_back() || known.promise.is_some();
    let (status, reason) = match (before, &known.promise) {
        _ if money.is_refunded() => (Status::Cancelled, None),
        _ if given_up && money.is_gone() => (Status::Cancelled, None),
        _ if money.refund_failed > 0 && (money.lost > 0 || money.contested > 0) => {
            take_seats(tx, known, rules).await?;
            (Status::NeedsAttention, Some(reason::DISPUTED))
        }
        // Once a refund is owed there is no way back to a booking, whatever came of it.
        (_, Some(promise)) if promise.done_at.is_some() && !is_any_on_its_way(&known.refunds) => {
            (Status::NeedsAttention, Some(reason::REFUND_FAILED))
        }
        (Some(Status::Cancelled), Some(_)) => (Status::RefundPending, None),
        (Some(Status::NeedsAttention), None) if disputed => {
            decide(tx, known, money, before, rules).await?
        }
        (Some(Status::Confirmed | Status::RefundPending | Status::NeedsAttention), _) => {
            return Ok(Fulfillment::Recorded);
        }
        // Nothing to go by yet; or a refund that was taken back.
        (None | Some(Status::Cancelled), _) => decide(tx, known, money, before, rules).await?,
    };
    if status == Status::Cancelled
        && let Some(promise) = known.promise.as_mut().filter(|_| money.is_gone())
    {
        promise.done_at.get_or_insert(rules.now);
    }
    let reason_before = known.booking.as_ref().and_then(|it| it.reason.as_deref());
    if before == Some(status) && (status != Status::NeedsAttention || reason_before == reason) {
        return Ok(Fulfillment::Recorded);
    }
    match status {
        Status::RefundPending => {
            let checkout_id = known.checkout.id;
            known
                .promise
                .get_or_insert_with(|| outbox::Model::refund(checkout_id, rules.now));
            free_seats(tx, &mut known.checkout).await?;
        }
        Status::Cancelled => free_seats(tx, &mut known.checkout).await?,
        Status::Confirmed | Status::NeedsAttention => {}
    }
    write_booking(known, status, reason, rules.now);
    Ok(match status {
        Status::Confirmed => Fulfillment::Booked,
        Status::RefundPending => Fulfillment::RefundPending,
        Status::NeedsAttention => Fulfillment::NeedsAttention,
        Status::Cancelled => Fulfillment::Cancelled,
    })
}

/// Not paid: the seats stay held for as long as the buyer may still pay.
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
    money: PaymentBalance,
    before: Option<Status>,
    rules: Rules,
) -> Result<(Status, Option<&'static str>), DbErr> {
    let checkout = &mut known.checkout;
    let currency = known.payment.as_ref().map(|payment| &payment.currency);
    let mismatch = if currency != Some(&checkout.currency) {
        Some(reason::CURRENCY_MISMATCH)
    } else if money.paid != checkout.amount_minor_units {
        Some(reason::AMOUNT_MISMATCH)
    } else {
        None
    };
    let too_late = before.is_none() && is_too_late(tx, checkout, rules.paid_at).await?;
    if too_late {
        free_seats(tx, checkout).await?;
    } else {
        // With a mismatch the seats wait with the money, if there are any.
        take_seats(tx, known, rules).await?;
    }
    let seated = !rules.duplicate && known.checkout.seats_held;
    let why = match (mismatch, rules.duplicate, seated) {
        (Some(_), _, _) => return Ok((Status::NeedsAttention, mismatch)),
        (None, false, true) => return Ok((Status::Confirmed, None)),
        (None, true, _) => reason::DUPLICATE_PAYMENT,
        (None, false, false) if too_late => reason::SLOT_STARTED,
        (None, false, false) => reason::NO_SEATS,
    };
    Ok(match (before, rules.policy) {
        // There is nothing to give back.
        _ if money.paid == 0 => (Status::Cancelled, Some(why)),
        // The money had gone back, and came back to us.
        (Some(_), _) => (Status::NeedsAttention, Some(reason::REFUND_FAILED)),
        (None, OnUnfulfillable::Refund) => (Status::RefundPending, Some(why)),
        (None, OnUnfulfillable::Hold) => (Status::NeedsAttention, Some(why)),
    })
}

/// Whether the buyer paid after the slot had begun. A hold ends by then, so that a payment in time
/// needs no look at the slot.
async fn is_too_late(
    tx: &impl ConnectionTrait,
    checkout: &checkout::Model,
    paid_at: Option<OffsetDateTime>,
) -> Result<bool, DbErr> {
    let Some(paid_at) = paid_at.filter(|paid_at| *paid_at > checkout.expires_at) else {
        return Ok(false);
    };
    let slot = slot::Entity::find_by_id(checkout.slot_id).one(tx).await?;
    Ok(slot.is_some_and(|slot| slot.starts_at <= paid_at))
}

/// Takes the seats that a payment without them wants, if there are any left.
async fn take_seats(
    tx: &impl ConnectionTrait,
    known: &mut Known,
    rules: Rules,
) -> Result<(), DbErr> {
    let checkout = &mut known.checkout;
    if !rules.duplicate && !checkout.seats_held {
        checkout.seats_held = checkout::take_seats(tx, checkout, rules.now).await?;
    }
    Ok(())
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
fn update_payment(known: &mut Known, money: PaymentBalance) {
    let Some(payment) = &mut known.payment else {
        return;
    };
    payment.amount_refunded_minor_units = money.refunded;
    payment.status = match money.refunded {
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
