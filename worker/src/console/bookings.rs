//! Bookings: listed, found, told.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    console::{
        problem::{AdminError, Problem},
        request::{Asked, Body, Named, options, since},
        state::Console,
    },
    fulfill_checkout::{
        intervene::intervene,
        intervention::{Kind, Share, Wish},
    },
    operator::{
        booking_show::{Story, StoryView, story},
        bookings::{self, Filter, Row, RowView},
        slots::{SlotView, to_come},
        words::typed,
    },
};

/// Shown at once.
const MOST: u64 = 100;
/// To which a booking can be moved, at most so many are shown.
const MOST_SLOTS: u64 = 200;

/// Which bookings.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// confirmed, `refund_pending`, `needs_attention` or cancelled.
    status: Option<String>,
    /// With this reason, such as `no_seats`.
    reason: Option<String>,
    /// Of this slot.
    slot: Option<Uuid>,
    /// Of slots that begin on this day where they take place, such as 2027-05-01.
    day: Option<String>,
    /// Made since then, such as 72h.
    since: Option<String>,
}

impl Wanted {
    fn filter(self) -> Result<Filter, AdminError> {
        let wrong =
            |name: &str, problem: String| AdminError::Malformed(format!("{name}: {problem}"));
        let status = self.status.as_deref().map(bookings::status).transpose();
        let day = self.day.map(|day| day.parse()).transpose();
        Ok(Filter {
            status: status.map_err(|it| wrong("status", it))?,
            reason: self.reason,
            slot: self.slot,
            day: day.map_err(|_| wrong("day", "expected such as 2027-05-01".to_owned()))?,
            since: self.since.as_deref().map(since).transpose()?,
            text: None,
            limit: MOST,
        })
    }
}

/// Bookings, the newest first.
#[derive(Serialize, ToSchema)]
pub struct Bookings {
    bookings: Vec<RowView>,
    /// The command that does the same.
    command: String,
}

/// Lists bookings, the newest first: at most a hundred.
#[utoipa::path(get, path = "/api/admin/bookings", tag = "bookings", params(Wanted), responses(
    (status = 200, body = Bookings),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub async fn list(
    State(console): State<Console>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Bookings>, AdminError> {
    let slot = wanted.slot.map(|it| it.to_string());
    let which = options([
        ("--status", wanted.status.as_deref()),
        ("--reason", wanted.reason.as_deref()),
        ("--slot", slot.as_deref()),
        ("--day", wanted.day.as_deref()),
        ("--since", wanted.since.as_deref()),
    ]);
    let command = typed(["worker", "booking", "list"].into_iter().chain(which));
    let rows = bookings::list(&console.context.db, &wanted.filter()?).await?;
    let bookings = rows.iter().map(Row::view).collect();
    Ok(Json(Bookings { bookings, command }))
}

/// What to look for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// An e-mail address, a part of a name, a reference, an id of ours or of Stripe's.
    #[schema(min_length = 1, max_length = 500)]
    word: String,
}

/// Finds what has this e-mail address, name, reference or id, paid or not. A POST, since what is looked
/// for may be a person, who has no place in an address.
#[utoipa::path(post, path = "/api/admin/bookings/search", tag = "bookings", request_body = Search, responses(
    (status = 200, body = Bookings),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub async fn search(
    State(console): State<Console>,
    Body(Search { word }): Body<Search>,
) -> Result<Json<Bookings>, AdminError> {
    if word.trim().is_empty() || word.chars().count() > 500 || word.contains('\0') {
        let problem = "word: expected 1 to 500 characters";
        return Err(AdminError::Malformed(problem.to_owned()));
    }
    let db = &console.context.db;
    let mut rows = bookings::find(db, &word, MOST).await?;
    if rows.is_empty()
        && let Ok(story) = story(db, &word).await
    {
        // An event's id, or a refund's, which no list has.
        let checkout = story.record.checkout.id.to_string();
        rows = bookings::find(db, &checkout, MOST).await?;
    }
    Ok(Json(Bookings {
        bookings: rows.iter().map(Row::view).collect(),
        command: typed(["worker", "booking", "find", &word]),
    }))
}

/// The whole story of one, and what can be decided about it.
#[derive(Serialize, ToSchema)]
pub struct Show {
    buyer: Buyer,
    story: StoryView,
    /// The same as a person reads it.
    lines: Vec<Line>,
    decisions: Vec<Decision>,
    /// To which it can be moved.
    slots: Vec<SlotView>,
    /// The command that does the same.
    command: String,
}

/// Whose it is. A story does not tell, since it may be passed on.
#[derive(Serialize, ToSchema)]
struct Buyer {
    name: String,
    email: String,
}

/// A line of a story.
#[derive(Serialize, ToSchema)]
struct Line {
    /// In the margin; empty if it belongs to the line before.
    name: &'static str,
    text: String,
}

/// What can be decided.
#[derive(Serialize, ToSchema)]
struct Decision {
    /// cancel, move, book, refund or end. The last three resolve what needs attention.
    decision: &'static str,
    /// The command that does the same.
    command: String,
}

/// Tells the whole story of one.
#[utoipa::path(get, path = "/api/admin/bookings/{name}", tag = "bookings",
    params(("name" = String, Path, description = "A booking reference, or the id of a session, event, \
        PaymentIntent, refund, dispute or checkout.")),
    responses(
        (status = 200, body = Show),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
pub async fn show(
    State(console): State<Console>,
    Named(name): Named<String>,
) -> Result<Json<Show>, AdminError> {
    let db = &console.context.db;
    let story = story(db, &name).await?;
    let can_be = |kind| intervene(&story.record, kind).is_ok();
    let name = story.name();
    let cancel = Kind::Cancel {
        wish: Wish::Merchant,
        refund: Share::None,
    };
    let move_to = Kind::Move {
        slot_id: Uuid::nil(),
    };
    let decisions = [
        (cancel, vec!["cancel", &name, "--refund", "full"]),
        (move_to, vec!["move", &name, "SLOT"]),
        (Kind::Book, vec!["resolve", &name, "--book"]),
        (Kind::GiveBack, vec!["resolve", &name, "--refund"]),
        (Kind::End, vec!["resolve", &name, "--end"]),
    ];
    let decisions = decisions.into_iter().filter(|(kind, _)| can_be(*kind));
    let decisions: Vec<Decision> = decisions
        .map(|(kind, words)| Decision {
            decision: kind.as_str(),
            command: typed(["worker", "booking"].into_iter().chain(words)) + " --why …",
        })
        .collect();
    let slots = match story.offering_id {
        Some(id) if can_be(move_to) => to_come(db, Some(&id.to_string()), MOST_SLOTS).await?,
        _ => Vec::new(),
    };
    let checkout = &story.record.checkout;
    Ok(Json(Show {
        buyer: Buyer {
            name: checkout.customer_name.clone(),
            email: checkout.customer_email.clone(),
        },
        lines: lines(&story),
        decisions,
        slots,
        command: typed(["worker", "booking", "show", &name]),
        story: StoryView::from(&story),
    }))
}

fn lines(story: &Story) -> Vec<Line> {
    let lines = story.lines().into_iter();
    lines.map(|(name, text)| Line { name, text }).collect()
}
