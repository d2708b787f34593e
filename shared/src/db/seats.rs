//! Seats of a slot: taken and freed together with the checkout that holds them, so that none is
//! counted twice.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, QueryFilter, sea_query::Expr,
};
use time::OffsetDateTime;

use crate::db::{checkout, slot};

/// Frees the seats of a checkout, if it holds any.
pub async fn free(tx: &impl ConnectionTrait, checkout: &checkout::Model) -> Result<(), DbErr> {
    if set_held(tx, checkout, false).await? {
        slot::Entity::update_many()
            .col_expr(
                slot::Column::SeatsTaken,
                Expr::col(slot::Column::SeatsTaken).sub(checkout.quantity),
            )
            .filter(slot::Column::Id.eq(checkout.slot_id))
            .exec(tx)
            .await?;
    }
    Ok(())
}

/// Takes the seats of a checkout that holds none, if there are that many and the slot has not
/// begun. One statement, so that it cannot race; the table's CHECK constraint stands behind it.
///
/// Returns whether the checkout holds them now.
pub async fn take(
    tx: &impl ConnectionTrait,
    checkout: &checkout::Model,
    now: OffsetDateTime,
) -> Result<bool, DbErr> {
    let taken = Expr::col(slot::Column::SeatsTaken).add(checkout.quantity);
    let updated = slot::Entity::update_many()
        .col_expr(slot::Column::SeatsTaken, taken.clone())
        .filter(slot::Column::Id.eq(checkout.slot_id))
        .filter(slot::Column::StartsAt.gt(now))
        .filter(taken.lte(Expr::col(slot::Column::Capacity)))
        .exec(tx)
        .await?;
    if updated.rows_affected == 0 {
        return Ok(false);
    }
    set_held(tx, checkout, true).await
}

/// Returns whether this call changed it.
async fn set_held(
    tx: &impl ConnectionTrait,
    checkout: &checkout::Model,
    held: bool,
) -> Result<bool, DbErr> {
    let updated = checkout::Entity::update_many()
        .col_expr(checkout::Column::SeatsHeld, Expr::value(held))
        .filter(checkout::Column::Id.eq(checkout.id))
        .filter(checkout::Column::SeatsHeld.eq(!held))
        .exec(tx)
        .await?;
    Ok(updated.rows_affected == 1)
}
