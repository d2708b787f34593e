//! Deciding about a booking: cancelling, moving, and resolving what needs attention.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    console::{
        problem::{AdminError, Problem},
        request::{Body, Named, said},
        state::Console,
    },
    fulfill_checkout::intervention::{Intervention, Kind, Wish},
    jobs,
    operator::{
        booking_show::{Story, story},
        bookings::{Report, act},
        words::typed,
    },
};

/// What goes back, and who decides so, and why; both are kept with the booking.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// What goes back: full, none, policy (what the offering's says now), or an amount such as 12.50.
    #[schema(example = "full")]
    refund: String,
    #[schema(min_length = 1, max_length = 200)]
    by: String,
    #[schema(min_length = 1, max_length = 2000)]
    why: String,
    /// Only look what would happen.
    #[serde(default)]
    dry_run: bool,
}

/// Where it goes, and who decides so, and why; both are kept with the booking.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MoveTo {
    /// Another slot of the same offering.
    slot_id: Uuid,
    #[schema(min_length = 1, max_length = 200)]
    by: String,
    #[schema(min_length = 1, max_length = 2000)]
    why: String,
    /// Only look what would happen.
    #[serde(default)]
    dry_run: bool,
}

/// What becomes of it, and who decides so, and why; both are kept with the booking.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Resolve {
    resolution: Resolution,
    #[schema(min_length = 1, max_length = 200)]
    by: String,
    #[schema(min_length = 1, max_length = 2000)]
    why: String,
    /// Only look what would happen.
    #[serde(default)]
    dry_run: bool,
}

/// What becomes of a payment that needs attention.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Resolution {
    /// It is booked as it is, if there are seats.
    Book,
    /// All of it goes back.
    Refund,
    /// It is settled outside: it ends, and no money moves.
    End,
}

/// What came of a decision, or would.
#[derive(Serialize, ToSchema)]
pub struct Decided {
    report: Report,
    /// The same as a person reads it.
    text: String,
    /// The command that does the same.
    command: String,
}

/// Ends a booking: its seats are free, and its payment goes back, or a part of it.
#[utoipa::path(post, path = "/api/admin/bookings/{name}/cancel", tag = "bookings",
    params(("name" = String, Path)), request_body = Cancel, responses(
        (status = 200, body = Decided),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
pub async fn cancel(
    State(console): State<Console>,
    Named(name): Named<String>,
    Body(body): Body<Cancel>,
) -> Result<Json<Decided>, AdminError> {
    let statement = (body.by, body.why, body.dry_run);
    let story = story(&console.context.db, &name).await?;
    let refund = act::share(&console.context.db, &body.refund, &story).await?;
    let wish = Wish::Merchant;
    let words = ["cancel", &name, "--refund", &body.refund];
    decide(
        &console,
        &story,
        Kind::Cancel { wish, refund },
        statement,
        &words,
    )
    .await
}

/// Moves a booking to another slot of the same offering. Nothing is paid, nothing goes back.
#[utoipa::path(post, path = "/api/admin/bookings/{name}/move", tag = "bookings",
    params(("name" = String, Path)), request_body = MoveTo, responses(
        (status = 200, body = Decided),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
pub async fn move_to(
    State(console): State<Console>,
    Named(name): Named<String>,
    Body(body): Body<MoveTo>,
) -> Result<Json<Decided>, AdminError> {
    let statement = (body.by, body.why, body.dry_run);
    let story = story(&console.context.db, &name).await?;
    let slot_id = body.slot_id;
    let words = ["move", &name, &slot_id.to_string()];
    decide(&console, &story, Kind::Move { slot_id }, statement, &words).await
}

/// Decides about a payment that needs attention.
#[utoipa::path(post, path = "/api/admin/bookings/{name}/resolve", tag = "bookings",
    params(("name" = String, Path)), request_body = Resolve, responses(
        (status = 200, body = Decided),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
pub async fn resolve(
    State(console): State<Console>,
    Named(name): Named<String>,
    Body(body): Body<Resolve>,
) -> Result<Json<Decided>, AdminError> {
    let statement = (body.by, body.why, body.dry_run);
    let story = story(&console.context.db, &name).await?;
    let (kind, flag) = match body.resolution {
        Resolution::Book => (Kind::Book, "--book"),
        Resolution::Refund => (Kind::GiveBack, "--refund"),
        Resolution::End => (Kind::End, "--end"),
    };
    decide(&console, &story, kind, statement, &["resolve", &name, flag]).await
}

async fn decide(
    console: &Console,
    story: &Story,
    kind: Kind,
    (by, why, dry_run): (String, String, bool),
    words: &[&str],
) -> Result<Json<Decided>, AdminError> {
    let who = said(&by, &why)?;
    let words = ["worker", "booking"].iter().chain(words).copied();
    let command = typed(words.chain(who));
    let context = &console.context;
    let intervention = Intervention { kind, by, why };
    let report = act::act(
        &context.db,
        jobs::rules(context),
        story,
        intervention,
        dry_run,
    )
    .await?;
    Ok(Json(Decided {
        text: report.to_string(),
        report,
        command,
    }))
}
