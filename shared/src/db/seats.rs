//! Seats of a slot: taken and freed together with the checkout that holds them, so that none is
//! counted twice.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, QueryFilter, sea_query::Expr,
};
use time::OffsetDateTime;

use crate::db::{checkout, resource, slot};

/// Frees the seats of a checkout, if it holds any.
pub async fn free(tx: &impl ConnectionTrait, checkout: &checkout::Model) -> Result<(), DbErr> {
    let slot_id = checkout.slot_id;
    if set_held(tx, checkout, false).await?
        && let Some(slot_id) = slot_id
    {
        slot::Entity::update_many()
            .col_expr(
                slot::Column::SeatsTaken,
                Expr::col(slot::Column::SeatsTaken).sub(checkout.quantity),
            )
            .filter(slot::Column::Id.eq(slot_id))
            .exec(tx)
            .await?;
    }
    Ok(())
}

/// Takes the seats of a checkout that holds none, if there are that many and the slot is open and
/// has not begun. One statement, so that it cannot race, or with the resource locked; the table's CHECK
/// constraint stands behind it. Where there is no slot, there is nothing to take, and enough of it.
///
/// Returns whether the checkout holds them now.
pub async fn take(
    tx: &impl ConnectionTrait,
    checkout: &checkout::Model,
    now: OffsetDateTime,
) -> Result<bool, DbErr> {
    let slot = slot_of(tx, checkout).await?;
    take_of(tx, checkout, slot.as_ref(), now).await
}

/// The slot of a checkout, if it has one.
pub async fn slot_of(
    conn: &impl ConnectionTrait,
    checkout: &checkout::Model,
) -> Result<Option<slot::Model>, DbErr> {
    match checkout.slot_id {
        Some(id) => slot::Entity::find_by_id(id).one(conn).await,
        None => Ok(None),
    }
}

/// The same for a caller who knows the checkout's slot.
pub async fn take_of(
    tx: &impl ConnectionTrait,
    checkout: &checkout::Model,
    slot: Option<&slot::Model>,
    now: OffsetDateTime,
) -> Result<bool, DbErr> {
    let Some(slot) = slot else {
        return set_held(tx, checkout, true).await;
    };
    let taken = Expr::col(slot::Column::SeatsTaken).add(checkout.quantity);
    let mut update = slot::Entity::update_many()
        .col_expr(slot::Column::SeatsTaken, taken.clone())
        .filter(slot::Column::Id.eq(slot.id))
        .filter(slot::Column::Closed.eq(false))
        .filter(slot::Column::StartsAt.gt(now));
    update = if let Some(key) = &slot.resource_key {
        let (capacity, taken) = resource::lock_and_count(tx, key, slot).await?;
        if capacity.saturating_sub(taken) < checkout.quantity {
            return Ok(false);
        }
        // What the site says of it now counts, not what it said when the slot was made.
        update.col_expr(slot::Column::Capacity, Expr::value(capacity))
    } else {
        update.filter(taken.lte(Expr::col(slot::Column::Capacity)))
    };
    if update.exec(tx).await?.rows_affected == 0 {
        return Ok(false);
    }
    set_held(tx, checkout, true).await
}

/// Moves the seats of a checkout, which it holds, from its slot to `to`, if there are that many and it
/// has not begun. Slots are locked in their order, as by all others.
///
/// Returns whether it did; if not, the caller has to roll back.
pub async fn move_to(
    tx: &impl ConnectionTrait,
    checkout: &checkout::Model,
    to: &slot::Model,
    now: OffsetDateTime,
) -> Result<bool, DbErr> {
    let Some(from) = checkout.slot_id else {
        return Ok(false);
    };
    let taken = Expr::col(slot::Column::SeatsTaken);
    let leave = slot::Entity::update_many()
        .col_expr(
            slot::Column::SeatsTaken,
            taken.clone().sub(checkout.quantity),
        )
        .filter(slot::Column::Id.eq(from));
    let more = taken.add(checkout.quantity);
    let enter = slot::Entity::update_many()
        .col_expr(slot::Column::SeatsTaken, more.clone())
        .filter(slot::Column::Id.eq(to.id))
        .filter(slot::Column::Closed.eq(false))
        .filter(slot::Column::StartsAt.gt(now))
        .filter(more.lte(Expr::col(slot::Column::Capacity)));
    let entered = if from < to.id {
        leave.exec(tx).await?;
        enter.exec(tx).await?
    } else {
        let entered = enter.exec(tx).await?;
        leave.exec(tx).await?;
        entered
    };
    Ok(entered.rows_affected == 1)
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
