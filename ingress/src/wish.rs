//! Whether what a buyer wishes once is booked or paid already.

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, JoinType, PaginatorTrait,
    QueryFilter, QuerySelect, RelationTrait, Select,
};
use shared::db::{
    checkout::{self, Column, State},
    payment,
};

use crate::hold::{NewHold, Once};

/// Whether an order has nothing left to do. Only a site is answered, since anyone could ask about
/// anyone: a buyer's second payment goes back.
pub async fn is_granted(conn: &impl ConnectionTrait, hold: &NewHold) -> Result<bool, DbErr> {
    if !matches!(hold.once, Some(Once::Reference(_))) {
        return Ok(false);
    }
    let paid = Condition::any()
        .add(is_booked())
        .add(Column::State.eq(State::PaymentPending));
    let others = checkout::Entity::find()
        .filter(Column::OrderFingerprint.eq(hold.order_fingerprint()))
        .filter(paid);
    Ok(others.count(conn).await? > 0)
}

/// Whether a session of `wish` other than `session_id` is booked.
///
/// - `wish`: a checkout's `order_fingerprint`.
pub async fn is_booked_by_another(
    conn: &impl ConnectionTrait,
    wish: &str,
    session_id: &str,
) -> Result<bool, DbErr> {
    Ok(booked_by_another(wish, session_id).count(conn).await? > 0)
}

/// Whether another session of the same wish was booked after `checkout` was made. What was booked
/// before stays unsaid, as in [`is_granted`].
pub async fn was_booked_meanwhile(
    conn: &impl ConnectionTrait,
    checkout: &checkout::Model,
    session_id: &str,
) -> Result<bool, DbErr> {
    let Some(wish) = &checkout.order_fingerprint else {
        return Ok(false);
    };
    let meanwhile = booked_by_another(wish, session_id)
        .join(JoinType::InnerJoin, checkout::Relation::Payment.def())
        .filter(payment::Column::CreatedAt.gte(checkout.created_at));
    Ok(meanwhile.count(conn).await? > 0)
}

fn booked_by_another(wish: &str, session_id: &str) -> Select<checkout::Entity> {
    checkout::Entity::find()
        .filter(Column::OrderFingerprint.eq(wish))
        .filter(Column::SessionId.ne(session_id))
        .filter(is_booked())
}

fn is_booked() -> Condition {
    Condition::all()
        .add(Column::State.eq(State::Paid))
        .add(Column::SeatsHeld.eq(true))
}
