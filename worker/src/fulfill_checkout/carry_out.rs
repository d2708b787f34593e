//! Carrying a decision out: seats in the database at once, because it has the last word about
//! them; booking and owed refund in the record.

use sea_orm::{ConnectionTrait, DbErr};
use shared::db::{booking, checkout, owed_refund, seats};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::fulfill_checkout::{
    booking_reference,
    decide::{Circumstances, Decision, Seats, decide},
    outcome::Fulfillment,
    record::CheckoutRecord,
    update::Change,
};

/// Decides about `record`, and carries it out.
pub async fn carry_out(
    tx: &impl ConnectionTrait,
    record: &mut CheckoutRecord,
    given: Circumstances,
    now: OffsetDateTime,
) -> Result<Fulfillment, DbErr> {
    let mut decision = decide(record, given);
    if decision.seats == Seats::Take {
        record.checkout.seats_held = seats::take(tx, &record.checkout, now).await?;
        if !record.checkout.seats_held {
            let without = Circumstances {
                seats_left: false,
                ..given
            };
            decision = decide(record, without);
        }
    }
    if decision.seats == Seats::Free {
        seats::free(tx, &record.checkout).await?;
        record.checkout.seats_held = false;
    }
    write(record, decision, now);
    Ok(decision.outcome)
}

fn write(record: &mut CheckoutRecord, decision: Decision, now: OffsetDateTime) {
    let checkout = &record.checkout;
    if decision.owes_refund {
        record
            .owed_refund
            .get_or_insert_with(|| owed_refund::Model::new(checkout.id, now));
    }
    if let Some(owed) = record
        .owed_refund
        .as_mut()
        .filter(|_| decision.owes_nothing)
    {
        owed.done_at.get_or_insert(now);
    }
    if let Some((status, reason)) = decision.booking {
        let booking = record.booking.get_or_insert_with(|| booking::Model {
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
}

/// Whether the buyer paid after the slot had begun. A hold ends by then, so that a payment in time
/// needs no look at the slot.
pub async fn has_slot_started(
    tx: &impl ConnectionTrait,
    checkout: &checkout::Model,
    change: &Change,
) -> Result<bool, DbErr> {
    let Change::Paid(paid) = change else {
        return Ok(false);
    };
    let Some(paid_at) = paid.completed_at.filter(|at| *at > checkout.expires_at) else {
        return Ok(false);
    };
    let slot = seats::slot_of(tx, checkout).await?;
    Ok(slot.is_some_and(|slot| slot.starts_at <= paid_at))
}
