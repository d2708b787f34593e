//! The latest events.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    console::{
        problem::{AdminError, Problem},
        state::Console,
    },
    operator::events::{LatestEvent, latest},
};

/// Shown at once.
const MOST: u64 = 100;

#[derive(Serialize, ToSchema)]
pub struct Events {
    events: Vec<LatestEvent>,
}

/// Lists the latest of Stripe's events that were acted on, and what came of each.
#[utoipa::path(get, path = "/api/admin/events", tag = "events", responses(
    (status = 200, body = Events),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub async fn events(State(console): State<Console>) -> Result<Json<Events>, AdminError> {
    let context = &console.context;
    let events = latest(&context.db, (context.clock)(), MOST).await?;
    Ok(Json(Events { events }))
}
