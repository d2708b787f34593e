//! Writing down what Stripe said. Every row only moves forward, so that it ends the same in
//! whatever order the facts arrive, and however often.

use shared::{
    db::{checkout::State, dispute, payment, refund},
    stripe::refund::Refund,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::fulfill_checkout::{
    record::Known,
    update::{Dispute, Fact, Paid},
};

/// Writes `fact` down.
pub fn record(known: &mut Known, fact: &Fact, now: OffsetDateTime) {
    match fact {
        // Lets confirm tell the buyer what Stripe said, while it is fresh.
        Fact::Open => known.checkout.stripe_checked_at = Some(now),
        Fact::PaymentPending => {
            known.checkout.stripe_checked_at = Some(now);
            advance(known, State::PaymentPending);
        }
        Fact::Expired => advance(known, State::Expired),
        Fact::PaymentFailed => advance(known, State::PaymentFailed),
        Fact::Paid(paid) => {
            record_payment(known, paid, now);
            advance(known, State::Paid);
        }
        Fact::Refunds(refunds) => record_refunds(known, refunds, now),
        Fact::PromiseKept(refunds) => {
            record_refunds(known, refunds, now);
            if let Some(promise) = &mut known.promise {
                promise.done_at.get_or_insert(now);
            }
        }
        Fact::Disputes(disputes) => {
            for dispute in disputes {
                record_dispute(known, dispute, now);
            }
        }
    }
}

fn advance(known: &mut Known, next: State) {
    if known.checkout.state.leads_to(next) {
        known.checkout.state = next;
    }
}

fn record_payment(known: &mut Known, paid: &Paid, now: OffsetDateTime) {
    let checkout_id = known.checkout.id;
    known.payment.get_or_insert_with(|| payment::Model {
        id: Uuid::now_v7(),
        checkout_id,
        session_id: paid.session_id.clone(),
        payment_intent_id: paid.payment_intent_id.clone(),
        amount_minor_units: paid.minor_units,
        amount_refunded_minor_units: 0,
        currency: paid.currency.clone(),
        status: payment::Status::Paid,
        dispute_status: None,
        created_at: now,
    });
}

fn record_refunds(known: &mut Known, refunds: &[Refund], now: OffsetDateTime) {
    for refund in refunds {
        let status = refund.status();
        let row = refund::Model {
            id: refund.id.clone(),
            checkout_id: known.checkout.id,
            amount_minor_units: refund.amount,
            currency: refund.currency.clone(),
            status,
            created_at: now,
            updated_at: now,
        };
        match known.refunds.iter_mut().find(|it| it.id == refund.id) {
            None => known.refunds.push(row),
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
fn record_dispute(known: &mut Known, dispute: &Dispute, now: OffsetDateTime) {
    let mut row = dispute::Model {
        id: dispute.id.clone(),
        checkout_id: known.checkout.id,
        amount_minor_units: dispute.amount,
        currency: dispute.currency.clone(),
        reason: dispute.reason.clone(),
        status: dispute.status,
        funds_withdrawn: dispute.funds_withdrawn,
        funds_reinstated: dispute.funds_reinstated,
        created_at: now,
        updated_at: dispute.asked_at.unwrap_or(now),
    };
    let Some(before) = known.disputes.iter_mut().find(|it| it.id == row.id) else {
        known.disputes.push(row);
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
