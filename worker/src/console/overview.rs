//! How it stands: the queues lately, what waits for a person, and when the books were last compared.

use std::{
    sync::PoisonError,
    time::{Duration as Span, Instant},
};

use axum::{Json, extract::State};
use sea_orm::EntityTrait;
use serde::Serialize;
use shared::db::{
    self,
    recurring_job::{self, AUDIT, RECONCILE},
};
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

use crate::{
    console::{
        problem::{AdminError, Problem},
        state::Console,
    },
    maintenance::samples::Sample,
    notifications::backlog,
    operator::audit::{Waiting, waiting},
    outage::dependency::Dependency,
    reconcile::{Cursor, Part},
};

/// What waits for a person is counted at most so often.
const COUNT_AGAIN: Span = Span::from_secs(10);

/// How it stands.
#[derive(Serialize, ToSchema)]
pub struct Overview {
    #[serde(with = "time::serde::rfc3339")]
    now: OffsetDateTime,
    /// Of this worker.
    version: &'static str,
    /// The queues of the last quarter of an hour, as this worker has seen them, the oldest first.
    samples: Vec<Sample>,
    /// What does not answer; work that needs it waits.
    down: Vec<&'static str>,
    waiting: Waiting,
    /// What happened and is not handed on yet.
    outbox: Backlog,
    /// Notifications that have not arrived at a destination yet.
    deliveries: Backlog,
    reconcile: Comparison,
    audit: Comparison,
}

/// What waits, and for how long.
#[derive(Serialize, ToSchema)]
struct Backlog {
    number: u64,
    oldest_seconds: i64,
}

impl Backlog {
    fn of((number, oldest): (u64, Duration)) -> Self {
        Self {
            number,
            oldest_seconds: oldest.whole_seconds(),
        }
    }
}

/// A comparison of Stripe's books with ours.
#[derive(Default, Serialize, ToSchema)]
struct Comparison {
    /// When it last came to its end; an audit, when it last found no difference.
    #[serde(with = "time::serde::rfc3339::option")]
    last_success_at: Option<OffsetDateTime>,
    /// What a run that goes on by itself looks at: sessions, refunds, disputes or events.
    running: Option<&'static str>,
}

/// Tells how it stands.
#[utoipa::path(get, path = "/api/admin/overview", tag = "overview", responses(
    (status = 200, body = Overview),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub async fn overview(State(console): State<Console>) -> Result<Json<Overview>, AdminError> {
    let context = &console.context;
    let db = &context.db;
    let now = (context.clock)();
    let mut overview = Overview {
        now,
        version: env!("CARGO_PKG_VERSION"),
        samples: context.samples.all(),
        down: [Dependency::Database, Dependency::Stripe]
            .into_iter()
            .filter(|it| context.breakers.is_open(*it))
            .map(Dependency::as_str)
            .collect(),
        waiting: what_waits(&console).await?,
        outbox: Backlog::of(backlog::outbox(db, now).await?),
        deliveries: Backlog::of(backlog::deliveries(db, context.mailer.is_some(), now).await?),
        reconcile: Comparison::default(),
        audit: Comparison::default(),
    };
    for job in recurring_job::Entity::find().all(db).await? {
        let comparison = Comparison {
            last_success_at: job.last_success_at,
            running: job.cursor.as_deref().and_then(part),
        };
        match job.name.as_str() {
            RECONCILE => overview.reconcile = comparison,
            AUDIT => overview.audit = comparison,
            _ => {}
        }
    }
    Ok(Json(overview))
}

/// Counted anew now and then: some of it walks through all bookings, and pages ask every few seconds.
async fn what_waits(console: &Console) -> Result<Waiting, AdminError> {
    let known = || {
        console
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    };
    if let Some((at, waiting)) = &*known()
        && at.elapsed() < COUNT_AGAIN
    {
        return Ok(waiting.clone());
    }
    let tx = db::begin_long_read(&console.context.db).await?;
    let counted = waiting(&tx).await?;
    tx.commit().await?;
    *known() = Some((Instant::now(), counted.clone()));
    Ok(counted)
}

fn part(cursor: &str) -> Option<&'static str> {
    let cursor: Cursor = serde_json::from_str(cursor).ok()?;
    Some(match cursor.part {
        Part::Sessions { .. } => "sessions",
        Part::Refunds { .. } => "refunds",
        Part::Disputes { .. } => "disputes",
        Part::Events { .. } => "events",
        Part::Done => return None,
    })
}
