//! Applying what Stripe said to a record. Every row only moves forward, so that it ends the same
//! in whatever order changes arrive, and however often.

use shared::{
    db::{checkout::State, dispute, payment, refund},
    stripe::refund::{OWED, Refund},
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::fulfill_checkout::{
    payment_balance::PaymentBalance,
    record::CheckoutRecord,
    update::{Change, Dispute, Paid},
};

/// Applies `change`. Bookings and seats are for [`decide`](crate::fulfill_checkout::decide::decide).
pub fn apply(record: &mut CheckoutRecord, change: &Change, now: OffsetDateTime) {
    match change {
        // Lets confirm tell the buyer what Stripe said, while it is fresh.
        Change::Open => record.checkout.stripe_checked_at = Some(now),
        Change::PaymentPending => {
            record.checkout.stripe_checked_at = Some(now);
            advance(record, State::PaymentPending);
        }
        Change::Expired => advance(record, State::Expired),
        Change::PaymentFailed => advance(record, State::PaymentFailed),
        Change::Paid(paid) => {
            apply_payment(record, paid, now);
            advance(record, State::Paid);
        }
        Change::Refunds(refunds) => apply_refunds(record, refunds, now),
        Change::OwedRefundEnded { name, refunds } => {
            apply_refunds(record, refunds, now);
            // And not a debt that took its place.
            if let Some(owed) = record.owed_refund.as_mut().filter(|it| it.name() == *name) {
                owed.done_at.get_or_insert(now);
                // Others were made by hand, and left nothing to give.
                if let Some(ours) = refunds
                    .iter()
                    .find(|it| it.metadata.get(OWED) == Some(name))
                {
                    owed.refund_id = Some(ours.id.clone());
                }
            }
        }
        Change::Disputes(disputes) => {
            for dispute in disputes {
                apply_dispute(record, dispute, now);
            }
        }
        // About the booking, which is not for here.
        Change::Decided(_) => {}
    }
    add_up(record);
}

/// Refunds and disputes as the payment's own columns sum them up.
fn add_up(record: &mut CheckoutRecord) {
    let Some(mut payment) = record.payment.take() else {
        return;
    };
    let money = PaymentBalance::of(record, &payment);
    payment.amount_refunded_minor_units = money.refunded;
    payment.status = match money.refunded {
        0 => payment::Status::Paid,
        all if all >= payment.amount_minor_units => payment::Status::Refunded,
        _ => payment::Status::PartiallyRefunded,
    };
    // One that is still open says more than one that is over.
    payment.dispute_status = record
        .disputes
        .iter()
        .map(|dispute| dispute.status)
        .max_by_key(|status| (status.is_open(), *status));
    record.payment = Some(payment);
}

fn advance(record: &mut CheckoutRecord, next: State) {
    if record.checkout.state.leads_to(next) {
        record.checkout.state = next;
    }
}

fn apply_payment(record: &mut CheckoutRecord, paid: &Paid, now: OffsetDateTime) {
    let checkout_id = record.checkout.id;
    let payment = record.payment.get_or_insert_with(|| payment::Model {
        id: Uuid::now_v7(),
        checkout_id,
        session_id: paid.session_id.clone(),
        payment_intent_id: paid.payment_intent_id.clone(),
        amount_minor_units: paid.minor_units,
        amount_subtotal_minor_units: None,
        amount_discount_minor_units: 0,
        amount_tax_minor_units: 0,
        amount_shipping_minor_units: 0,
        amount_refunded_minor_units: 0,
        currency: paid.currency.clone(),
        status: payment::Status::Paid,
        dispute_status: None,
        created_at: now,
    });
    // An earlier release may have written the payment, without what it is made of.
    if payment.amount_subtotal_minor_units.is_none() {
        payment.amount_subtotal_minor_units = Some(paid.subtotal);
        payment.amount_discount_minor_units = paid.details.amount_discount;
        payment.amount_tax_minor_units = paid.details.amount_tax;
        payment.amount_shipping_minor_units = paid.details.amount_shipping;
    }
}

fn apply_refunds(record: &mut CheckoutRecord, refunds: &[Refund], now: OffsetDateTime) {
    for refund in refunds {
        let status = refund.status();
        let row = refund::Model {
            id: refund.id.clone(),
            checkout_id: record.checkout.id,
            amount_minor_units: refund.amount,
            currency: refund.currency.clone(),
            status,
            created_at: now,
            updated_at: now,
        };
        match record.refunds.iter_mut().find(|it| it.id == refund.id) {
            None => record.refunds.push(row),
            Some(before) if before.status < status => {
                let created_at = before.created_at;
                *before = refund::Model { created_at, ..row };
            }
            Some(_) => {}
        }
    }
}

/// What Stripe answered replaces what is older. What an event said moves the status forward only,
/// but for the verdict: the last one heard stands.
fn apply_dispute(record: &mut CheckoutRecord, dispute: &Dispute, now: OffsetDateTime) {
    let object = &dispute.object;
    let mut row = dispute::Model {
        id: object.id.clone(),
        checkout_id: record.checkout.id,
        amount_minor_units: object.amount,
        currency: object.currency.clone(),
        reason: object.reason.clone(),
        status: object.status,
        funds_withdrawn: dispute.funds_withdrawn,
        funds_reinstated: dispute.funds_reinstated,
        created_at: now,
        updated_at: dispute.asked_at.unwrap_or(now),
    };
    let Some(before) = record.disputes.iter_mut().find(|it| it.id == row.id) else {
        record.disputes.push(row);
        return;
    };
    row.funds_withdrawn |= before.funds_withdrawn;
    row.funds_reinstated |= before.funds_reinstated;
    let replaces = match dispute.asked_at {
        Some(asked_at) => asked_at >= before.updated_at,
        None => row.status.rank() >= before.status.rank(),
    };
    if !replaces {
        row.updated_at = before.updated_at;
        row.amount_minor_units = before.amount_minor_units;
        row.currency.clone_from(&before.currency);
        row.reason.clone_from(&before.reason);
        row.status = before.status;
    }
    row.created_at = before.created_at;
    *before = row;
}

#[cfg(test)]
mod tests;
