//! Bookings that stand in the way of a change, and what to do about them.

use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect};
use shared::db::{booking, slot};

/// References that are named; of more, how many there are.
const NAMED: usize = 5;

/// What stands in the way, by reference.
pub async fn in_the_way(
    conn: &impl ConnectionTrait,
    slot: &slot::Model,
    what: &str,
) -> Result<String, DbErr> {
    let references: Vec<String> = booking::Entity::find()
        .select_only()
        .column(booking::Column::Reference)
        .filter(booking::Column::SlotId.eq(slot.id))
        .filter(booking::Column::Status.ne(booking::Status::Cancelled))
        .into_tuple()
        .all(conn)
        .await?;
    let mut named = references
        .iter()
        .take(NAMED)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    let more = references.len().saturating_sub(NAMED);
    if more > 0 {
        named = format!("{named} and {more} more");
    }
    if named.is_empty() {
        "orders that are not paid yet".clone_into(&mut named);
    }
    Ok(format!(
        "{what}: {named}; move or cancel them first (worker booking list --slot {})",
        slot.id
    ))
}
