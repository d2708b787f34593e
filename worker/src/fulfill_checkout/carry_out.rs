//! Carrying a decision out: seats in the database at once, because it has the last word about
//! them; booking and owed refund in the record.

use sea_orm::{ConnectionTrait, DbErr, EntityTrait};
use shared::db::{booking, checkout, owed_refund, seats, slot};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::fulfill_checkout::{
    booking_reference,
    decide::{Circumstances, Decision, Refund, Seats, decide},
    fulfill_error::FulfillError,
    intervene::{Refusal, intervene},
    intervention::Kind,
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

/// Carries out what a person decided about `record`.
///
/// # Errors
///
/// [`FulfillError::Refused`] if it cannot be; the transaction is to be rolled back.
pub async fn carry_out_decision(
    tx: &impl ConnectionTrait,
    record: &mut CheckoutRecord,
    kind: Kind,
    now: OffsetDateTime,
) -> Result<Fulfillment, FulfillError> {
    let decision = intervene(record, kind)?;
    match decision.seats {
        Seats::Keep => {}
        Seats::Take => {
            record.checkout.seats_held = seats::take(tx, &record.checkout, now).await?;
            if !record.checkout.seats_held {
                let slot = seats::slot_of(tx, &record.checkout).await?;
                let has_begun = slot.is_some_and(|it| it.starts_at <= now);
                let refusal = if has_begun {
                    Refusal::SlotStarted
                } else {
                    Refusal::NoSeats
                };
                return Err(refusal.into());
            }
        }
        Seats::Free => {
            seats::free(tx, &record.checkout).await?;
            record.checkout.seats_held = false;
        }
        Seats::MoveTo(slot_id) => move_to(tx, record, slot_id, now).await?,
    }
    write(record, decision, now);
    Ok(decision.outcome)
}

async fn move_to(
    tx: &impl ConnectionTrait,
    record: &mut CheckoutRecord,
    slot_id: Uuid,
    now: OffsetDateTime,
) -> Result<(), FulfillError> {
    let from = seats::slot_of(tx, &record.checkout).await?;
    let offering_id = from.and_then(|it| it.offering_id);
    let offering_id = offering_id.ok_or(Refusal::NotOfCatalogue)?;
    let to = slot::Entity::find_by_id(slot_id).one(tx).await?;
    let to = to.ok_or(Refusal::NoSuchSlot)?;
    if to.offering_id != Some(offering_id) {
        return Err(Refusal::OtherOffering.into());
    }
    if to.starts_at <= now {
        return Err(Refusal::SlotStarted.into());
    }
    if !seats::move_to(tx, &record.checkout, &to, now).await? {
        return Err(Refusal::NoSeats.into());
    }
    // What is enough once is enough once of the slot it is for now.
    let checkout = &mut record.checkout;
    let fingerprint = |slot| checkout::fingerprint_of_email(slot, &checkout.customer_email);
    let before = checkout.slot_id.map(fingerprint);
    if before.is_some() && before == checkout.order_fingerprint {
        checkout.order_fingerprint = Some(fingerprint(slot_id));
    }
    record.checkout.slot_id = Some(slot_id);
    if let Some(booking) = &mut record.booking {
        booking.slot_id = Some(slot_id);
    }
    Ok(())
}

fn write(record: &mut CheckoutRecord, decision: Decision, now: OffsetDateTime) {
    let checkout = &record.checkout;
    let owed = &mut record.owed_refund;
    match decision.refund {
        Refund::Keep => {}
        Refund::Owe => {
            owed.get_or_insert_with(|| owed_refund::Model::new(checkout.id, now));
        }
        Refund::OweAnew(amount_minor_units) => {
            *owed = Some(owed_refund::Model {
                amount_minor_units,
                ..owed_refund::Model::new(checkout.id, now)
            });
        }
        Refund::OweNothing => {
            if let Some(owed) = owed {
                owed.done_at.get_or_insert(now);
            }
        }
        Refund::Forget => *owed = None,
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
