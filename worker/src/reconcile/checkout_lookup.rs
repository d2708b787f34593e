//! What we know of Checkout Sessions that Stripe lists.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter};
use shared::{
    db::{booking, checkout, dispute, payment, refund},
    stripe::checkout_session::CheckoutSession,
};
use uuid::Uuid;

/// A checkout with what came of it.
#[derive(Debug)]
pub struct Entry {
    pub checkout: checkout::Model,
    pub payment: Option<payment::Model>,
    pub booking: Option<booking::Model>,
    /// Refunds that are made and have not arrived, in minor units.
    refunds_on_their_way: i64,
}

impl Entry {
    /// What went back of the payment or is on its way, as Stripe's charge counts it.
    pub fn amount_refunded(&self) -> Option<i64> {
        let payment = self.payment.as_ref()?;
        Some(
            payment
                .amount_refunded_minor_units
                .saturating_add(self.refunds_on_their_way),
        )
    }
}

/// A payment with what came after it.
#[derive(Debug)]
pub struct PaidEntry {
    pub payment: payment::Model,
    pub refunds: Vec<refund::Model>,
    pub disputes: Vec<dispute::Model>,
}

impl PaidEntry {
    /// The dispute with this id.
    pub fn dispute(&self, id: &str) -> Option<&dispute::Model> {
        self.disputes.iter().find(|it| it.id == id)
    }
}

/// What we know of the payments by `intents`, by PaymentIntent. What is missing is not ours.
pub async fn look_up_paid(
    conn: &impl ConnectionTrait,
    intents: Vec<String>,
) -> Result<HashMap<String, PaidEntry>, DbErr> {
    if intents.is_empty() {
        return Ok(HashMap::new());
    }
    let payments = payment::Entity::find()
        .filter(payment::Column::PaymentIntentId.is_in(intents))
        .all(conn)
        .await?;
    let ids: Vec<Uuid> = payments.iter().map(|row| row.checkout_id).collect();
    let refunds = refund::Entity::find()
        .filter(refund::Column::CheckoutId.is_in(ids.clone()))
        .all(conn)
        .await?;
    let disputes = dispute::Entity::find()
        .filter(dispute::Column::CheckoutId.is_in(ids))
        .all(conn)
        .await?;
    let entry = |payment: payment::Model| {
        let id = payment.checkout_id;
        let intent = payment.payment_intent_id.clone()?;
        let refunds = refunds.iter().filter(|row| row.checkout_id == id);
        let disputes = disputes.iter().filter(|row| row.checkout_id == id);
        let entry = PaidEntry {
            refunds: refunds.cloned().collect(),
            disputes: disputes.cloned().collect(),
            payment,
        };
        Some((intent, entry))
    };
    Ok(payments.into_iter().filter_map(entry).collect())
}

/// What we know of each of `sessions`, by session id. What is missing is not ours.
pub async fn look_up(
    conn: &impl ConnectionTrait,
    sessions: &[CheckoutSession],
) -> Result<HashMap<String, Entry>, DbErr> {
    let ids = sessions.iter().map(|session| session.id.as_str());
    let hints = sessions.iter().filter_map(CheckoutSession::checkout_id);
    // A hold whose session was never stored is known by its own id only.
    let unclaimed = Condition::all()
        .add(checkout::Column::Id.is_in(hints))
        .add(checkout::Column::SessionId.is_null());
    let either = Condition::any()
        .add(checkout::Column::SessionId.is_in(ids))
        .add(unclaimed);
    let checkouts = checkout::Entity::find().filter(either).all(conn).await?;
    let checkout_ids: Vec<Uuid> = checkouts.iter().map(|row| row.id).collect();
    let mut payments: HashMap<Uuid, payment::Model> = payment::Entity::find()
        .filter(payment::Column::CheckoutId.is_in(checkout_ids.clone()))
        .all(conn)
        .await?
        .into_iter()
        .map(|row| (row.checkout_id, row))
        .collect();
    let mut bookings: HashMap<Uuid, booking::Model> = booking::Entity::find()
        .filter(booking::Column::CheckoutId.is_in(checkout_ids.clone()))
        .all(conn)
        .await?
        .into_iter()
        .map(|row| (row.checkout_id, row))
        .collect();

    let on_their_way = [refund::Status::Pending, refund::Status::RequiresAction];
    let refunds = refund::Entity::find()
        .filter(refund::Column::CheckoutId.is_in(checkout_ids))
        .filter(refund::Column::Status.is_in(on_their_way))
        .all(conn)
        .await?;

    let mut by_session = HashMap::new();
    let mut by_id = HashMap::new();
    for row in checkouts {
        match row.session_id.clone() {
            Some(session_id) => drop(by_session.insert(session_id, row)),
            None => drop(by_id.insert(row.id, row)),
        }
    }
    let mut found = HashMap::new();
    for session in sessions {
        let checkout = by_session
            .remove(&session.id)
            .or_else(|| by_id.remove(&session.checkout_id()?));
        if let Some(checkout) = checkout {
            let on_their_way = refunds
                .iter()
                .filter(|row| row.checkout_id == checkout.id && row.currency == checkout.currency);
            let entry = Entry {
                refunds_on_their_way: on_their_way.map(|row| row.amount_minor_units).sum(),
                payment: payments.remove(&checkout.id),
                booking: bookings.remove(&checkout.id),
                checkout,
            };
            found.insert(session.id.clone(), entry);
        }
    }
    Ok(found)
}
