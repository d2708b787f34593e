//! `GET /api/offerings`

use axum::{
    Json,
    extract::State,
    http::{HeaderName, header},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;
use shared::db::{offering, slot};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{Ingress, error::ApiError, problem::Problem};

/// Slots listed at once, the next ones first.
const MAX_SLOTS: u64 = 1000;

/// Seats change by the second.
const NO_STORE: (HeaderName, &str) = (header::CACHE_CONTROL, "no-store");

/// What can be booked.
#[derive(Debug, Serialize, ToSchema)]
pub struct Offerings {
    offerings: Vec<Offering>,
}

/// Something to book.
#[derive(Debug, Serialize, ToSchema)]
pub struct Offering {
    id: Uuid,
    #[schema(example = "Harbour kayak tour")]
    name: String,
    description: String,
    /// Price of one seat, in the currency's minor unit.
    #[schema(example = 4900)]
    unit_amount: i64,
    /// ISO 4217, lower case.
    #[schema(example = "eur")]
    currency: String,
    /// Slots that have not begun, soonest first.
    slots: Vec<Slot>,
}

/// When it takes place.
#[derive(Debug, Serialize, ToSchema)]
pub struct Slot {
    id: Uuid,
    #[serde(with = "time::serde::rfc3339")]
    starts_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    ends_at: OffsetDateTime,
    capacity: i32,
    seats_left: i32,
}

/// Lists what can be booked.
#[utoipa::path(
    get,
    path = "/api/offerings",
    tag = "Shop",
    responses(
        (status = 200, description = "Offerings with their slots", body = Offerings),
        (status = 503, description = "database_unavailable", body = Problem),
    )
)]
pub async fn offerings(
    State(app): State<Ingress>,
) -> Result<([(HeaderName, &'static str); 1], Json<Offerings>), ApiError> {
    let mut offerings: Vec<Offering> = offering::Entity::find()
        .order_by_asc(offering::Column::Name)
        .all(&app.db)
        .await?
        .into_iter()
        .map(|row| Offering {
            id: row.id,
            name: row.name,
            description: row.description,
            unit_amount: row.unit_amount_minor_units,
            currency: row.currency,
            slots: Vec::new(),
        })
        .collect();
    let slots = slot::Entity::find()
        .filter(slot::Column::StartsAt.gt((app.clock)()))
        .order_by_asc(slot::Column::StartsAt)
        .limit(MAX_SLOTS)
        .all(&app.db)
        .await?;
    for row in slots {
        if let Some(offering) = offerings.iter_mut().find(|it| it.id == row.offering_id) {
            offering.slots.push(Slot {
                id: row.id,
                starts_at: row.starts_at,
                ends_at: row.ends_at,
                capacity: row.capacity,
                seats_left: row.capacity.saturating_sub(row.seats_taken),
            });
        }
    }
    Ok(([NO_STORE], Json(Offerings { offerings })))
}
