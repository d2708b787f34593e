//! `GET /api/offerings`, and more of an offering's slots

use std::collections::HashMap;

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{HeaderName, header},
};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    Statement, sea_query::Expr,
};
use serde::{Deserialize, Serialize};
use shared::db::{catalogue, offering, slot};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    Ingress,
    http::{error::ApiError, problem::Problem},
};

/// Slots of one offering on a page, the next ones first.
const PAGE: u16 = 50;

/// Seats change by the second.
const NO_STORE: (HeaderName, &str) = (header::CACHE_CONTROL, "no-store");

type Answer<T> = Result<([(HeaderName, &'static str); 1], Json<T>), ApiError>;

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
    /// By whose clock it takes place: an IANA name, if the shop says.
    #[schema(example = "Europe/Berlin")]
    time_zone: Option<String>,
    /// Where it takes place, if the shop says.
    #[schema(example = "Pier 3")]
    location: Option<String>,
    #[serde(flatten)]
    slots: Slots,
}

/// A page of an offering's slots.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Slots {
    /// Slots that have not begun, soonest first, at most 50.
    slots: Vec<Slot>,
    /// Whether there are later ones: ask for those after the last of these.
    more_slots: bool,
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

impl Slots {
    /// - `rows`: one more than fits on the page, if there are more.
    fn page(mut rows: Vec<slot::Model>) -> Self {
        let more_slots = rows.len() > usize::from(PAGE);
        rows.truncate(PAGE.into());
        let slot = |row: slot::Model| Slot {
            id: row.id,
            starts_at: row.starts_at,
            ends_at: row.ends_at,
            capacity: row.capacity,
            seats_left: row.capacity.saturating_sub(row.seats_taken).max(0),
        };
        Self {
            slots: rows.into_iter().map(slot).collect(),
            more_slots,
        }
    }
}

/// Lists what can be booked.
///
/// Each offering comes with its next slots. What cannot be sold, such as a row without a price in
/// a currency, is left out; `worker doctor` names it.
#[utoipa::path(
    get,
    path = "/api/offerings",
    tag = "Shop",
    responses(
        (status = 200, description = "Offerings with their next slots", body = Offerings),
        (status = 503, description = "database_unavailable", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn offerings(State(app): State<Ingress>) -> Answer<Offerings> {
    let by_name = offering::Entity::find()
        .filter(offering::Column::Closed.eq(false))
        .order_by_asc(offering::Column::Name);
    let (rows, _unreadable) = catalogue::readable(&app.db, by_name).await?;
    let mut slots = next_slots(&app).await?;
    let for_sale = rows.into_iter().filter_map(|row| {
        let price = row.price().ok()?;
        Some(Offering {
            id: row.id,
            name: row.name,
            description: row.description,
            unit_amount: price.minor_units,
            currency: price.currency.into(),
            time_zone: row.time_zone,
            location: row.location,
            slots: Slots::page(slots.remove(&row.id).unwrap_or_default()),
        })
    });
    let offerings = for_sale.collect();
    Ok(([NO_STORE], Json(Offerings { offerings })))
}

/// The next slots of every offering, and one more of each that has more.
async fn next_slots(app: &Ingress) -> Result<HashMap<Uuid, Vec<slot::Model>>, ApiError> {
    // Each column by its name: a connection that has prepared it outlives a column that is added.
    const NEXT: &str = "SELECT id, offering_id, resource_key, starts_at, ends_at, capacity, seats_taken, closed \
         FROM (SELECT id, offering_id, resource_key, starts_at, ends_at, capacity, seats_taken, closed, \
         ROW_NUMBER() OVER (PARTITION BY offering_id ORDER BY starts_at, id) AS place \
         FROM slot WHERE offering_id IS NOT NULL AND NOT closed AND starts_at > $1 AND ends_at > starts_at) AS numbered \
         WHERE place <= $2 ORDER BY starts_at, id";
    let now = (app.clock)();
    let values = [now.into(), i64::from(PAGE).saturating_add(1).into()];
    let next = Statement::from_sql_and_values(app.db.get_database_backend(), NEXT, values);
    let (rows, _unreadable) =
        catalogue::sort_out::<slot::Entity>(app.db.query_all_raw(next).await?);
    let mut slots: HashMap<Uuid, Vec<slot::Model>> = HashMap::new();
    for row in rows {
        if let Some(offering_id) = row.offering_id {
            slots.entry(offering_id).or_default().push(row);
        }
    }
    Ok(slots)
}

/// Where the page before ended.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct After {
    /// The last slot of the page before.
    after: Uuid,
}

/// Lists later slots of an offering.
#[utoipa::path(
    get,
    path = "/api/offerings/{offering_id}/slots",
    tag = "Shop",
    params(("offering_id" = Uuid, Path, description = "From GET /api/offerings"), After),
    responses(
        (status = 200, description = "The slots after that one", body = Slots),
        (status = 400, description = "malformed_request", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "slot_not_found", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "database_unavailable", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn more_slots(
    State(app): State<Ingress>,
    offering_id: Result<Path<Uuid>, axum::extract::rejection::PathRejection>,
    after: Result<Query<After>, QueryRejection>,
) -> Answer<Slots> {
    let (Ok(Path(offering_id)), Ok(Query(After { after }))) = (offering_id, after) else {
        return Err(ApiError::MalformedRequest(None));
    };
    let last = slot::Entity::find_by_id(after)
        .filter(slot::Column::OfferingId.eq(offering_id))
        .one(&app.db)
        .await?;
    let last = last.ok_or(ApiError::SlotNotFound)?;
    let at_the_same_time = Condition::all()
        .add(slot::Column::StartsAt.eq(last.starts_at))
        .add(slot::Column::Id.gt(last.id));
    let later = Condition::any()
        .add(slot::Column::StartsAt.gt(last.starts_at))
        .add(at_the_same_time);
    let select = slot::Entity::find()
        .filter(slot::Column::OfferingId.eq(offering_id))
        .filter(slot::Column::StartsAt.gt((app.clock)()))
        .filter(slot::Column::Closed.eq(false))
        .filter(Expr::cust("slot.ends_at > slot.starts_at"))
        .filter(later)
        .order_by_asc(slot::Column::StartsAt)
        .order_by_asc(slot::Column::Id)
        .limit(u64::from(PAGE).saturating_add(1));
    let (rows, _unreadable) = catalogue::readable(&app.db, select).await?;
    Ok(([NO_STORE], Json(Slots::page(rows))))
}
