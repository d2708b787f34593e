//! What operators do with dead letters: look, try again, leave alone.

pub(crate) mod act;
pub mod command;
mod redacted;

pub(crate) use self::redacted::redacted;

use std::fmt;

use sea_orm::{
    ActiveEnum, ColumnTrait, Condition, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait,
    IdenStatic, Iterable, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr,
};
use serde::Serialize;
use shared::{
    db::{
        self,
        dead_letter::{self, Column, Resolution},
    },
    message::{Envelope, Source},
    queue::{Lane, Publisher},
};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    failure_code::FailureCode,
    job_error::JobError,
    operator::{
        command_line::ago,
        words::{NotFound, counted, moment, wrapped},
    },
};

/// Letters listed or acted on at once.
const MOST: u64 = 10_000;

/// Which letters. What is said of each field is its help text on the command line.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Filter {
    /// Their ids.
    pub ids: Vec<Uuid>,
    /// Set aside for this code, such as `stripe_not_found`.
    #[arg(long)]
    pub reason: Option<String>,
    /// Of this type: `stripe.event`, `checkout.confirm` or `booking.cancel`.
    #[arg(long)]
    pub kind: Option<String>,
    /// Set aside since then, such as 72h.
    #[arg(long, value_parser = ago)]
    pub since: Option<OffsetDateTime>,
    /// Also those that were replayed or discarded.
    #[arg(skip)]
    pub resolved: bool,
}

impl Filter {
    fn is_unrestricted(&self) -> bool {
        self.ids.is_empty() && self.reason.is_none() && self.kind.is_none() && self.since.is_none()
    }
}

/// What an operator says to an action; it is kept.
#[derive(Debug, Clone)]
pub struct Statement {
    pub by: String,
    pub why: String,
}

/// A dead letter as it is shown. Without its body, which holds what buyers told Stripe.
#[derive(Debug, Serialize, ToSchema)]
pub struct Letter {
    pub id: Uuid,
    /// When it was last set aside.
    #[serde(with = "time::serde::rfc3339")]
    pub dead_at: OffsetDateTime,
    /// Why, as a code.
    pub reason: String,
    /// What the failure said, if the code does not say it all.
    pub detail: Option<String>,
    pub advice: &'static str,
    pub message_id: Option<String>,
    /// Property `type`.
    pub kind: Option<String>,
    pub lane: String,
    /// Who had asked for the work.
    pub source: Option<String>,
    /// Failed attempts before.
    pub attempt: i64,
    /// How often it was set aside.
    pub times: i32,
    /// Its trace, to find it in the logs.
    pub traceparent: Option<String>,
    pub resolution: Option<String>,
    pub resolved_by: Option<String>,
    pub resolved_why: Option<String>,
}

impl From<&dead_letter::Model> for Letter {
    fn from(row: &dead_letter::Model) -> Self {
        Self {
            id: row.id,
            dead_at: row.dead_at,
            advice: advice(&row.reason),
            reason: row.reason.clone(),
            detail: row.detail.clone(),
            message_id: row.message_id.clone(),
            kind: row.kind.clone(),
            lane: row.lane.clone(),
            source: row.source.clone(),
            attempt: row.attempt,
            times: row.times,
            traceparent: row.traceparent.clone(),
            resolution: row.resolution.as_ref().map(ActiveEnum::to_value),
            resolved_by: row.resolved_by.clone(),
            resolved_why: row.resolved_why.clone(),
        }
    }
}

impl fmt::Display for Letter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resolution = self.resolution.as_deref().unwrap_or("open");
        let id = self.message_id.as_deref().unwrap_or("no message_id");
        let kind = self.kind.as_deref().unwrap_or("no type");
        let failures = counted(self.attempt, "failure");
        let times = counted(self.times, "time");
        writeln!(out, "{}  {}  {resolution}", self.id, moment(self.dead_at))?;
        // A message that is none of ours may say anything here.
        let what = printable(&format!("    {}, {kind} {id}", self.reason));
        writeln!(out, "{}", wrapped(&what, 4))?;
        write!(out, "    {failures} before, set aside {times}")
    }
}

/// Without what a terminal would act on.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|it| !it.is_control()).collect()
}

/// What to do about letters that are dead for `reason`.
pub(crate) fn advice(reason: &str) -> &'static str {
    FailureCode::of_word(reason).map_or(
        "see the log for this traceparent, then replay or discard",
        FailureCode::advice,
    )
}

/// The letters that `filter` lets through, newest first. Without their bodies: there may be thousands, in
/// the process that books.
pub(crate) async fn list(
    db: &DatabaseConnection,
    filter: &Filter,
) -> Result<Vec<dead_letter::Model>, DbErr> {
    let ids = Column::Id.is_in(filter.ids.iter().copied());
    let wanted = Condition::all()
        .add_option((!filter.ids.is_empty()).then_some(ids))
        .add_option(filter.reason.as_ref().map(|it| Column::Reason.eq(it)))
        .add_option(filter.kind.as_ref().map(|it| Column::Kind.eq(it)))
        .add_option(filter.since.map(|it| Column::DeadAt.gte(it)))
        .add_option((!filter.resolved).then(|| Column::ResolvedAt.is_null()));
    let columns = Column::iter().filter(|it| !matches!(it, Column::Body));
    dead_letter::Entity::find()
        .select_only()
        .columns(columns)
        .expr_as(Expr::value(Vec::<u8>::new()), Column::Body.as_str())
        .filter(wanted)
        .order_by_desc(Column::DeadAt)
        .limit(MOST)
        .all(db)
        .await
}

/// The letter `id`, open or not.
pub(crate) async fn find(db: &DatabaseConnection, id: Uuid) -> anyhow::Result<dead_letter::Model> {
    let found = dead_letter::Entity::find_by_id(id).one(db).await?;
    Ok(found.ok_or_else(|| NotFound(format!("there is no dead letter {id}")))?)
}

pub(crate) async fn count_open(db: &impl ConnectionTrait) -> Result<u64, DbErr> {
    dead_letter::Entity::find()
        .filter(Column::ResolvedAt.is_null())
        .count(db)
        .await
}

/// Puts a letter on the queue again, as new. Published first and noted then: a failure in between
/// leaves it open, and replaying it again changes nothing that was done.
pub async fn replay(
    db: &DatabaseConnection,
    publisher: &Publisher,
    letter: &dead_letter::Model,
    statement: &Statement,
    now: OffsetDateTime,
) -> Result<(), JobError> {
    // With its body, which a list leaves out.
    let whole = dead_letter::Entity::find_by_id(letter.id).one(db).await?;
    let whole = whole.ok_or_else(|| DbErr::RecordNotFound(letter.id.to_string()))?;
    let message = Envelope {
        attempt: 0,
        last_error: None,
        last_error_detail: None,
        ..(&whole).into()
    };
    let lane = match Lane::of_routing_key(&letter.lane) {
        Some(lane @ (Lane::Events | Lane::Confirm)) => lane,
        _ => Lane::Events,
    };
    publisher
        .publish(lane, &message.from_source(Source::Replay))
        .await?;
    resolve(db, letter, Resolution::Replayed, statement, now).await
}

/// Leaves a letter alone for good. It stays in the table.
async fn discard(
    db: &DatabaseConnection,
    letter: &dead_letter::Model,
    statement: &Statement,
    now: OffsetDateTime,
) -> Result<(), JobError> {
    resolve(db, letter, Resolution::Discarded, statement, now).await
}

async fn resolve(
    db: &DatabaseConnection,
    letter: &dead_letter::Model,
    resolution: Resolution,
    statement: &Statement,
    now: OffsetDateTime,
) -> Result<(), JobError> {
    dead_letter::Entity::update_many()
        .col_expr(Column::Resolution, Expr::value(resolution))
        .col_expr(Column::ResolvedAt, Expr::value(now))
        .col_expr(Column::ResolvedBy, Expr::value(statement.by.as_str()))
        .col_expr(Column::ResolvedWhy, Expr::value(statement.why.as_str()))
        .filter(Column::Id.eq(letter.id))
        // It may have died again meanwhile, and is open then.
        .filter(Column::Times.eq(letter.times))
        .exec(&db::writer(db).await?)
        .await?;
    Ok(())
}
