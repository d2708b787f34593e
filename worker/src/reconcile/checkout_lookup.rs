//! What we know of the sessions, refunds and disputes that Stripe lists.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter};
use shared::{
    db::{self, checkout, payment},
    stripe::checkout_session::{CheckoutSession, Expandable},
};

use crate::fulfill_checkout::{record::CheckoutRecord, update::Target};

/// What we know of each of `sessions`, by session id. What is missing is not ours.
pub async fn of_sessions(
    conn: &impl ConnectionTrait,
    sessions: &[CheckoutSession],
) -> Result<HashMap<String, CheckoutRecord>, DbErr> {
    if sessions.is_empty() {
        return Ok(HashMap::new());
    }
    let backend = conn.get_database_backend();
    let ids = sessions.iter().map(|session| session.id.clone());
    let hints: Vec<_> = sessions
        .iter()
        .filter_map(CheckoutSession::checkout_id)
        .collect();
    let mut either = Condition::any().add(db::one_of(backend, checkout::Column::SessionId, ids));
    if !hints.is_empty() {
        // A hold whose session was never stored is known by its own id only.
        let by_hint = Condition::all()
            .add(db::one_of(backend, checkout::Column::Id, hints))
            .add(checkout::Column::SessionId.is_null());
        either = either.add(by_hint);
    }
    let checkouts = checkout::Entity::find().filter(either).all(conn).await?;
    let records = CheckoutRecord::load(conn, checkouts).await?;
    let mut records: Vec<CheckoutRecord> = records.into_values().collect();
    // That it is written down counts more than what the session says.
    records.sort_by_key(|it| it.checkout.session_id.is_none());
    let record = |session: &CheckoutSession| {
        let target = Target::of(session);
        let place = records.iter().position(|it| target.is(&it.checkout))?;
        Some((session.id.clone(), records.remove(place)))
    };
    Ok(sessions.iter().filter_map(record).collect())
}

/// What we know of the checkouts that `intents` paid, by PaymentIntent. What is missing is not ours.
pub async fn of_payments<'a>(
    conn: &impl ConnectionTrait,
    intents: impl Iterator<Item = Option<&'a Expandable>>,
) -> Result<HashMap<String, CheckoutRecord>, DbErr> {
    let intents: Vec<&str> = intents.flatten().map(Expandable::id).collect();
    if intents.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = payment::Entity::find()
        .find_also_related(checkout::Entity)
        .filter(payment::Column::PaymentIntentId.is_in(intents))
        .all(conn)
        .await?;
    let checkouts = rows
        .into_iter()
        .filter_map(|(_, checkout)| checkout)
        .collect();
    let records = CheckoutRecord::load(conn, checkouts).await?.into_values();
    let by_intent = records.filter_map(|record| {
        let intent = record.payment.as_ref()?.payment_intent_id.clone()?;
        Some((intent, record))
    });
    Ok(by_intent.collect())
}
