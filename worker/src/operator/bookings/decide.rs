//! Deciding about a booking: in the transaction in which Stripe's events are carried out, too.

use anyhow::Context as _;
use sea_orm::{DatabaseConnection, EntityTrait};
use shared::db::{checkout, slot};
use uuid::Uuid;

use crate::{
    Context,
    fulfill_checkout::{
        Rules,
        decide::Refund,
        fulfill_checkouts,
        fulfill_error::FulfillError,
        intervene::{Refusal, intervene, left},
        intervention::{Intervention, Kind},
        record::CheckoutRecord,
        update::{Change, Target, Update},
    },
    jobs,
    operator::booking_show::Story,
};

/// What came of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decided {
    /// It is carried out; so much goes back.
    Done {
        /// In minor units.
        refund: i64,
    },
    /// It was before.
    Before(Refusal),
}

/// Carries `intervention` out, once however often it is sent.
///
/// # Errors
///
/// Why it cannot be; nothing is changed.
pub(crate) async fn decide(
    db: &DatabaseConnection,
    rules: Rules<'_>,
    checkout_id: Uuid,
    intervention: Intervention,
) -> anyhow::Result<Decided> {
    let before = record(db, checkout_id).await?;
    let refund = match intervene(&before, intervention.kind) {
        Ok(decision) => owed(&before, decision.refund),
        Err(_) => 0,
    };
    let update = Update {
        target: Target::Checkout(checkout_id),
        change: Change::Decided(intervention),
        event: None,
        traceparent: None,
    };
    match fulfill_checkouts(db, rules, &[&update]).await {
        Ok(_) => Ok(Decided::Done { refund }),
        Err(FulfillError::Refused(refusal @ (Refusal::AlreadyCancelled | Refusal::SameSlot))) => {
            Ok(Decided::Before(refusal))
        }
        Err(FulfillError::Hook(error)) => {
            let detail = error.detail();
            Err(anyhow::Error::from(error).context(format!("your function refuses it: {detail}")))
        }
        Err(error) => Err(error.into()),
    }
}

/// The same by the rules of `context`.
///
/// # Errors
///
/// Why it cannot be; nothing is changed.
pub async fn decide_by_context(
    context: &Context,
    checkout_id: Uuid,
    intervention: Intervention,
) -> anyhow::Result<Decided> {
    decide(&context.db, jobs::rules(context), checkout_id, intervention).await
}

/// What would come of it.
///
/// # Errors
///
/// Why it could not be.
pub(crate) async fn preview(
    db: &DatabaseConnection,
    story: &Story,
    kind: Kind,
) -> anyhow::Result<Decided> {
    let decision = match intervene(&story.record, kind) {
        Ok(decision) => decision,
        Err(refusal @ (Refusal::AlreadyCancelled | Refusal::SameSlot)) => {
            return Ok(Decided::Before(refusal));
        }
        Err(refusal) => return Err(refusal.into()),
    };
    if let Kind::Move { slot_id } = kind {
        let to = slot::Entity::find_by_id(slot_id).one(db).await?;
        let to = to.ok_or(Refusal::NoSuchSlot)?;
        if to.offering_id != story.offering_id {
            return Err(Refusal::OtherOffering.into());
        }
        if to.starts_at <= shared::clock::system() {
            return Err(Refusal::SlotStarted.into());
        }
        let free = to.capacity.saturating_sub(to.seats_taken);
        if free < story.record.checkout.quantity {
            return Err(Refusal::NoSeats.into());
        }
    }
    Ok(Decided::Done {
        refund: owed(&story.record, decision.refund),
    })
}

fn owed(record: &CheckoutRecord, refund: Refund) -> i64 {
    match refund {
        Refund::OweAnew(Some(amount)) => amount,
        Refund::OweAnew(None) | Refund::Owe => left(record),
        Refund::Keep | Refund::OweNothing | Refund::Forget => 0,
    }
}

async fn record(db: &DatabaseConnection, checkout_id: Uuid) -> anyhow::Result<CheckoutRecord> {
    let checkout = checkout::Entity::find_by_id(checkout_id).one(db).await?;
    let checkout = checkout.context("the checkout is gone")?;
    let mut records = CheckoutRecord::load(db, vec![checkout]).await?;
    records.remove(&checkout_id).context("the checkout is gone")
}
