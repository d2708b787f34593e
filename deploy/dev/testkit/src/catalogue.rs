//! What a shop sells, and what a buyer orders.

use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait};
use serde_json::{Value, json};
use shared::{
    clock,
    db::{offering, slot},
};
use time::OffsetDateTime;
use uuid::Uuid;

/// Price of one seat, in cents.
pub const PRICE: i64 = 4900;

/// A kayak tour at 49.00 EUR a seat.
///
/// # Errors
///
/// The database refuses.
pub async fn insert_offering(db: &impl ConnectionTrait) -> anyhow::Result<Uuid> {
    let row = offering::Model {
        id: Uuid::now_v7(),
        key: None,
        name: "Harbour kayak tour".to_owned(),
        description: String::new(),
        unit_amount_minor_units: PRICE,
        currency: "eur".to_owned(),
        time_zone: Some("Europe/Berlin".to_owned()),
        location: Some("Pier 3".to_owned()),
        closed: false,
        cancellation_free_hours: None,
        cancellation_late_percent: None,
    };
    let id = row.id;
    offering::Entity::insert(offering::ActiveModel::from(row).reset_all())
        .exec_without_returning(db)
        .await?;
    Ok(id)
}

/// An hour of an offering.
///
/// # Errors
///
/// The database refuses.
pub async fn insert_slot(
    db: &impl ConnectionTrait,
    offering_id: Uuid,
    starts_at: OffsetDateTime,
    (capacity, seats_taken): (i32, i32),
) -> anyhow::Result<Uuid> {
    let row = slot::Model {
        id: Uuid::now_v7(),
        offering_id: Some(offering_id),
        resource_key: None,
        starts_at,
        ends_at: starts_at.saturating_add(time::Duration::HOUR),
        capacity,
        seats_taken,
        closed: false,
    };
    let id = row.id;
    slot::Entity::insert(slot::ActiveModel::from(row).reset_all())
        .exec_without_returning(db)
        .await?;
    Ok(id)
}

/// A time that is well ahead.
pub fn tomorrow() -> OffsetDateTime {
    clock::system().saturating_add(time::Duration::DAY)
}

/// The body of an order.
pub fn order(slot: Uuid, quantity: i64) -> Value {
    json!({
        "slot_id": slot,
        "quantity": quantity,
        "customer": { "name": "Ada Lovelace", "email": "ada@example.com" },
    })
}
