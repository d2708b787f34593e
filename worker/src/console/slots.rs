//! Slots and their seats.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    console::{
        problem::{AdminError, Problem},
        request::{Asked, options},
        state::Console,
    },
    operator::{
        slots::{SlotView, to_come},
        words::typed,
    },
};

/// Shown at once.
const MOST: u64 = 500;

/// Which slots.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// Of this offering, by its key or id.
    offering: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct Slots {
    slots: Vec<SlotView>,
    /// The command that does the same.
    command: String,
}

/// Lists slots to come, the soonest first.
#[utoipa::path(get, path = "/api/admin/slots", tag = "slots", params(Wanted), responses(
    (status = 200, body = Slots),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub async fn slots(
    State(console): State<Console>,
    Asked(Wanted { offering }): Asked<Wanted>,
) -> Result<Json<Slots>, AdminError> {
    let of = offering.as_deref();
    let slots = to_come(&console.context.db, of, MOST).await?;
    let words = ["worker", "slot", "list"].into_iter();
    let command = typed(words.chain(options([("--offering", of)])));
    Ok(Json(Slots { slots, command }))
}
