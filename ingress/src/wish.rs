//! Whether what a buyer wishes once is booked or paid already.

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter,
};
use shared::db::checkout::{self, Column, State};

use crate::hold::{NewHold, Once};

/// Whether an order has nothing left to do. Only a site is answered: anyone else could ask about anyone. A buyer's second payment goes back.
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
    let others = checkout::Entity::find()
        .filter(Column::OrderFingerprint.eq(wish))
        .filter(Column::SessionId.ne(session_id))
        .filter(is_booked());
    Ok(others.count(conn).await? > 0)
}

fn is_booked() -> Condition {
    Condition::all()
        .add(Column::State.eq(State::Paid))
        .add(Column::SeatsHeld.eq(true))
}
