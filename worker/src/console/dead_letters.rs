//! Dead letters: looked at, replayed, discarded.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    console::{
        problem::{AdminError, Problem},
        request::{Asked, Body, Named, options, said, since},
        state::Console,
    },
    operator::{
        dead_letters::{
            self, Filter, Letter, Statement,
            act::{Acted, Action, act, chosen, preview},
            redacted,
        },
        words::typed,
    },
};

/// Decided about at once.
const MOST_AT_ONCE: usize = 500;

/// Which letters.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// Set aside for this code, such as `stripe_not_found`.
    reason: Option<String>,
    /// Of this type: `stripe.event`, `checkout.confirm` or `booking.cancel`.
    kind: Option<String>,
    /// Set aside since then, such as 72h.
    since: Option<String>,
    /// Also those that were replayed or discarded.
    #[serde(default)]
    all: bool,
}

#[derive(Serialize, ToSchema)]
pub struct Letters {
    letters: Vec<Letter>,
    /// The command that does the same.
    command: String,
}

/// The options of the command line that say which.
fn which<'a>(
    reason: Option<&'a str>,
    kind: Option<&'a str>,
    since: Option<&'a str>,
) -> impl Iterator<Item = &'a str> {
    options([("--reason", reason), ("--kind", kind), ("--since", since)])
}

/// Lists dead letters, the newest first.
#[utoipa::path(get, path = "/api/admin/dead-letters", tag = "dead letters", params(Wanted), responses(
    (status = 200, body = Letters),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub async fn list(
    State(console): State<Console>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Letters>, AdminError> {
    let Wanted {
        reason,
        kind,
        since: ago,
        all,
    } = &wanted;
    let which = which(reason.as_deref(), kind.as_deref(), ago.as_deref());
    let words = ["worker", "dead", "list"].into_iter().chain(which);
    let command = typed(words.chain(all.then_some("--all")));
    let filter = Filter {
        since: ago.as_deref().map(since).transpose()?,
        reason: reason.clone(),
        kind: kind.clone(),
        resolved: *all,
        ids: Vec::new(),
    };
    let rows = dead_letters::list(&console.context.db, &filter).await?;
    let letters = rows.iter().map(Letter::from).collect();
    Ok(Json(Letters { letters, command }))
}

/// A letter with its body, as far as that is no person's.
#[derive(Serialize, ToSchema)]
pub struct Whole {
    letter: Letter,
    /// The body without what a buyer told Stripe; null if it is no JSON.
    body: Option<String>,
    /// How many bytes the body has.
    bytes: usize,
    /// Whether it waits for a decision.
    is_open: bool,
    /// The command that does the same.
    command: String,
}

/// Shows one, with its body as far as that is no person's.
#[utoipa::path(get, path = "/api/admin/dead-letters/{id}", tag = "dead letters",
    params(("id" = Uuid, Path)), responses(
        (status = 200, body = Whole),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
pub async fn show(
    State(console): State<Console>,
    Named(id): Named<Uuid>,
) -> Result<Json<Whole>, AdminError> {
    let row = dead_letters::find(&console.context.db, id).await?;
    Ok(Json(Whole {
        letter: Letter::from(&row),
        body: redacted(&row.body),
        bytes: row.body.len(),
        is_open: row.resolution.is_none(),
        command: typed(["worker", "dead", "show", &id.to_string()]),
    }))
}

/// Which letters, who decides, and why; kept with each.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// These.
    #[serde(default)]
    #[schema(max_items = 100)]
    ids: Vec<Uuid>,
    /// Those set aside for this code.
    reason: Option<String>,
    /// Those of this type.
    kind: Option<String>,
    /// Those set aside since then, such as 72h.
    since: Option<String>,
    /// All that are open, if nothing else says which.
    #[serde(default)]
    all: bool,
    /// How many were seen: if there are others by now, nothing is done.
    number: Option<usize>,
    #[schema(min_length = 1, max_length = 200)]
    by: String,
    #[schema(min_length = 1, max_length = 2000)]
    why: String,
    /// Only look which it would be.
    #[serde(default)]
    dry_run: bool,
}

/// What was done, or would be.
#[derive(Serialize, ToSchema)]
pub struct Done {
    acted: Acted,
    /// The same as a person reads it.
    text: String,
    /// The command that does the same.
    command: String,
}

/// Puts letters on the queue again, as new. What was done is not done twice.
#[utoipa::path(post, path = "/api/admin/dead-letters/replay", tag = "dead letters", request_body = Wish,
    responses(
        (status = 200, body = Done),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
pub async fn replay(
    State(console): State<Console>,
    Body(wish): Body<Wish>,
) -> Result<Json<Done>, AdminError> {
    decide(&console, wish, &Action::Replay(console.publisher.clone())).await
}

/// Leaves letters alone for good. They stay in the table.
#[utoipa::path(post, path = "/api/admin/dead-letters/discard", tag = "dead letters", request_body = Wish,
    responses(
        (status = 200, body = Done),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
pub async fn discard(
    State(console): State<Console>,
    Body(wish): Body<Wish>,
) -> Result<Json<Done>, AdminError> {
    decide(&console, wish, &Action::Discard).await
}

async fn decide(console: &Console, wish: Wish, action: &Action) -> Result<Json<Done>, AdminError> {
    let ids: Vec<String> = wish.ids.iter().map(Uuid::to_string).collect();
    let (reason, kind) = (wish.reason.as_deref(), wish.kind.as_deref());
    let words = ["worker", "dead", action.verb()].into_iter();
    let words = words
        .chain(ids.iter().map(String::as_str))
        .chain(which(reason, kind, wish.since.as_deref()))
        .chain(wish.all.then_some("--all"));
    let command = typed(words.chain(said(&wish.by, &wish.why)?));
    let filter = Filter {
        since: wish.since.as_deref().map(since).transpose()?,
        ids: wish.ids,
        reason: wish.reason,
        kind: wish.kind,
        resolved: false,
    };
    let db = &console.context.db;
    let letters = chosen(db, &filter, wish.all).await?;
    if let Some(number) = wish.number.filter(|it| *it != letters.len()) {
        let problem = format!(
            "{} are open by now, not {number}: look again",
            letters.len()
        );
        return Err(AdminError::Refused(problem));
    }
    if letters.len() > MOST_AT_ONCE {
        let problem = format!("more than {MOST_AT_ONCE} at once are for the command: {command}");
        return Err(AdminError::Refused(problem));
    }
    let acted = if wish.dry_run {
        preview(&letters)
    } else {
        let statement = Statement {
            by: wish.by,
            why: wish.why,
        };
        // Goes on though the browser is closed, so that none is between published and noted.
        let (db, action) = (db.clone(), action.clone());
        let work = async move { act(&db, &letters, &action, &statement, |_| ()).await };
        tokio::spawn(work)
            .await
            .map_err(|_| AdminError::Unavailable)?
    };
    Ok(Json(Done {
        text: action.said(&acted),
        acted,
        command,
    }))
}
