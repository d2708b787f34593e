//! The slots that are to come, and how many of their seats are taken.

use std::fmt;

use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;
use shared::{
    clock,
    db::{offering, slot},
};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    catalogue,
    operator::words::{NotFound, moment, wrapped},
};

/// A slot of the catalogue.
#[derive(Debug, Serialize, ToSchema)]
pub struct SlotView {
    id: Uuid,
    offering_id: Option<Uuid>,
    /// Its name.
    offering: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    starts_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    ends_at: OffsetDateTime,
    capacity: i32,
    seats_taken: i32,
    /// No more seats of it are sold.
    closed: bool,
}

/// At most `limit`, the soonest first.
///
/// - `of`: the key or id of an offering.
pub async fn to_come(
    db: &DatabaseConnection,
    of: Option<&str>,
    limit: u64,
) -> anyhow::Result<Vec<SlotView>> {
    let mut rows = slot::Entity::find()
        .find_also_related(offering::Entity)
        .filter(slot::Column::StartsAt.gt(clock::system()))
        .filter(slot::Column::OfferingId.is_not_null())
        .order_by_asc(slot::Column::StartsAt)
        .limit(limit);
    if let Some(key) = of {
        let found = catalogue::find(db, key).await?;
        let found = found.ok_or_else(|| NotFound(format!("there is no offering {key}")))?;
        rows = rows.filter(slot::Column::OfferingId.eq(found.id));
    }
    let rows = rows.all(db).await?;
    let slots = rows.into_iter().map(|(it, offering)| SlotView {
        id: it.id,
        offering_id: it.offering_id,
        offering: offering.map(|it| it.name),
        starts_at: it.starts_at,
        ends_at: it.ends_at,
        capacity: it.capacity,
        seats_taken: it.seats_taken,
        closed: it.closed,
    });
    Ok(slots.collect())
}

impl fmt::Display for SlotView {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.offering.as_deref().unwrap_or("?");
        let closed = if self.closed { ", closed" } else { "" };
        let (at, taken, capacity) = (moment(self.starts_at), self.seats_taken, self.capacity);
        writeln!(out, "{}", wrapped(&format!("{}  {name}", self.id), 4))?;
        write!(out, "    {at}, {taken} of {capacity} taken{closed}")
    }
}
