//! Whether what an order wishes once is paid already.

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter,
};
use shared::db::checkout::{self, Column, State};

use crate::hold::{NewHold, Once};

/// Only a site is told: to anyone else the answer would tell who has booked. A buyer's second payment
/// goes back.
pub async fn is_granted(conn: &impl ConnectionTrait, hold: &NewHold) -> Result<bool, DbErr> {
    if !matches!(hold.once, Some(Once::Reference(_))) {
        return Ok(false);
    }
    let booked = Condition::all()
        .add(Column::State.eq(State::Paid))
        .add(Column::SeatsHeld.eq(true));
    let paid = Condition::any()
        .add(booked)
        .add(Column::State.eq(State::PaymentPending));
    let others = checkout::Entity::find()
        .filter(Column::OrderFingerprint.eq(hold.order_fingerprint()))
        .filter(paid);
    Ok(others.count(conn).await? > 0)
}
