//! The latest events.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    console::{
        problem::{AdminError, Problem},
        request::Asked,
        state::Console,
    },
    operator::events::{LatestEvent, latest},
};

/// Shown at once.
const MOST: u64 = 100;

/// How many.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// At most so many, up to 100.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u64>,
}

#[derive(Serialize, ToSchema)]
pub struct Events {
    events: Vec<LatestEvent>,
}

/// Lists the latest of Stripe's events that were acted on, and what came of each.
#[utoipa::path(get, path = "/api/admin/events", tag = "events", params(Wanted), responses(
    (status = 200, body = Events),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub async fn events(
    State(console): State<Console>,
    Asked(Wanted { limit }): Asked<Wanted>,
) -> Result<Json<Events>, AdminError> {
    let context = &console.context;
    let limit = limit.unwrap_or(MOST);
    if !(1..=MOST).contains(&limit) {
        return Err(AdminError::Malformed("limit: expected 1 to 100".to_owned()));
    }
    let events = latest(&context.db, (context.clock)(), limit).await?;
    Ok(Json(Events { events }))
}
