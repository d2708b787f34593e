//! Changes of one slot.

use anyhow::{Context as _, bail, ensure};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseConnection,
    EntityTrait, IntoActiveModel, QueryFilter, QuerySelect, sea_query::LockType,
};
use shared::db::{self, checkout, slot};
use uuid::Uuid;

use crate::{catalogue, operator::command_line::line};

pub async fn find(conn: &impl ConnectionTrait, id: Uuid) -> anyhow::Result<slot::Model> {
    let found = slot::Entity::find_by_id(id)
        .lock(LockType::NoKeyUpdate)
        .one(conn)
        .await?;
    let found = found.with_context(|| format!("there is no slot {id}; see worker slot list"))?;
    ensure!(
        found.offering_id.is_some(),
        "it is of a resource, whose site says how many seats it has"
    );
    Ok(found)
}

pub async fn set_closed(db: &DatabaseConnection, id: Uuid, closed: bool) -> anyhow::Result<()> {
    let tx = db::begin(db).await?;
    let mut row = find(&tx, id).await?.into_active_model();
    row.closed = Set(closed);
    row.update(&tx).await?;
    tx.commit().await?;
    Ok(())
}

pub async fn set_capacity(db: &DatabaseConnection, id: Uuid, capacity: i32) -> anyhow::Result<()> {
    let tx = db::begin(db).await?;
    let row = find(&tx, id).await?;
    if capacity < row.seats_taken {
        let what = format!("{} seats of it are sold or held", row.seats_taken);
        bail!(catalogue::in_the_way(&tx, &row, &what).await?);
    }
    let mut row = row.into_active_model();
    row.capacity = Set(capacity);
    row.update(&tx).await?;
    tx.commit().await?;
    line(format!("{id} has {capacity} seats"));
    Ok(())
}

/// By the orders that hold them.
pub async fn recount(db: &DatabaseConnection, id: Uuid) -> anyhow::Result<()> {
    let tx = db::begin(db).await?;
    let row = slot::Entity::find_by_id(id)
        .lock(LockType::NoKeyUpdate)
        .one(&tx)
        .await?;
    let row = row.with_context(|| format!("there is no slot {id}"))?;
    let held: Vec<i32> = checkout::Entity::find()
        .select_only()
        .column(checkout::Column::Quantity)
        .filter(checkout::Column::SlotId.eq(id))
        .filter(checkout::Column::SeatsHeld.eq(true))
        .into_tuple()
        .all(&tx)
        .await?;
    let taken = held.into_iter().fold(0_i32, i32::saturating_add);
    let (before, capacity) = (row.seats_taken, row.capacity);
    ensure!(
        taken <= capacity,
        "{taken} seats are held and {capacity} there are: worker slot set --capacity first"
    );
    let mut row = row.into_active_model();
    row.seats_taken = Set(taken);
    row.update(&tx).await?;
    tx.commit().await?;
    line(format!("{id}: {taken} taken, {before} before"));
    Ok(())
}
