//! Looking for bookings.

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use sea_orm::{
    ColumnTrait, Condition, DatabaseConnection, EntityTrait, ExprTrait, JoinType, QueryFilter,
    QueryOrder, QuerySelect, RelationTrait, Select,
    sea_query::{Expr, Func},
};
use shared::db::{
    self,
    booking::{self, Status},
    checkout::{self, Column},
    offering, payment, slot,
};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::operator::bookings::row::Row;

/// Rows that are read at most.
const MOST: u64 = 100_000;

/// Which bookings. What is said of each field is its help text on the command line.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Filter {
    /// confirmed, `refund_pending`, `needs_attention` or cancelled.
    #[arg(long, value_parser = status)]
    pub status: Option<Status>,
    /// With this reason, such as `no_seats`.
    #[arg(long)]
    pub reason: Option<String>,
    /// Of this slot.
    #[arg(long, value_name = "ID")]
    pub slot: Option<Uuid>,
    /// Of slots that begin on this day where they take place, such as 2027-05-01.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub day: Option<Date>,
    /// Made since then, such as 72h.
    #[arg(long, value_parser = crate::operator::command_line::ago, value_name = "TIME")]
    pub since: Option<OffsetDateTime>,
    /// With this in name, e-mail address, reference or `client_reference`.
    #[arg(long)]
    pub text: Option<String>,
    /// At most so many, the newest first.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub limit: u64,
}

/// One of the four.
pub(crate) fn status(word: &str) -> Result<Status, String> {
    let all = [
        Status::Confirmed,
        Status::RefundPending,
        Status::NeedsAttention,
        Status::Cancelled,
    ];
    let found = all.into_iter().find(|it| it.as_str() == word);
    found.ok_or_else(|| format!("expected {}", all.map(Status::as_str).join(", ")))
}

/// Bookings that fit all of `filter`, the newest first.
///
/// # Errors
///
/// The database cannot be read.
pub async fn list(db: &DatabaseConnection, filter: &Filter) -> anyhow::Result<Vec<Row>> {
    let mut wanted = Condition::all().add(booking::Column::Id.is_not_null());
    if let Some(status) = filter.status {
        wanted = wanted.add(booking::Column::Status.eq(status));
    }
    if let Some(reason) = &filter.reason {
        wanted = wanted.add(booking::Column::Reason.eq(reason.as_str()));
    }
    if let Some(slot) = filter.slot {
        wanted = wanted.add(booking::Column::SlotId.eq(slot));
    }
    if let Some(day) = filter.day {
        let (begin, end) = around(day)?;
        wanted = wanted
            .add(slot::Column::StartsAt.gte(begin))
            .add(slot::Column::StartsAt.lt(end));
    }
    if let Some(since) = filter.since {
        wanted = wanted.add(booking::Column::CreatedAt.gte(since));
    }
    if let Some(text) = &filter.text {
        wanted = wanted.add(with_text(text));
    }
    let Some(day) = filter.day else {
        return read(db, query().filter(wanted).limit(filter.limit)).await;
    };
    // Which day it is where it takes place, the database does not know.
    let mut rows = read(db, query().filter(wanted).limit(MOST)).await?;
    rows.retain(|row| begins_on(row, day));
    rows.truncate(usize::try_from(filter.limit).unwrap_or(usize::MAX));
    Ok(rows)
}

/// Everything that is called `word`, paid or not: an e-mail address, a part of a name, a reference, an
/// id of ours or of Stripe's.
///
/// # Errors
///
/// The database cannot be read.
pub async fn find(db: &DatabaseConnection, word: &str, limit: u64) -> anyhow::Result<Vec<Row>> {
    let word = word.trim();
    let mut wanted = with_text(word)
        .add(booking::Column::Reference.eq(booking::reference_of(word)))
        .add(Column::SessionId.eq(word))
        .add(payment::Column::PaymentIntentId.eq(word));
    if let Ok(id) = Uuid::parse_str(word) {
        wanted = wanted
            .add(Column::Id.eq(id))
            .add(booking::Column::Id.eq(id))
            .add(Column::SlotId.eq(id));
    }
    read(db, query().filter(wanted).limit(limit)).await
}

fn with_text(text: &str) -> Condition {
    let lower = text.to_lowercase();
    let literal = lower
        .replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_");
    let has = |column: Expr| {
        let like = sea_orm::sea_query::LikeExpr::new(format!("%{literal}%")).escape('\\');
        Expr::expr(Func::lower(column)).like(like)
    };
    Condition::any()
        .add(has(Expr::col((checkout::Entity, Column::CustomerName))))
        .add(has(Expr::col((checkout::Entity, Column::CustomerEmail))))
        .add(has(Expr::col((
            booking::Entity,
            booking::Column::Reference,
        ))))
        .add(Column::ClientReference.eq(text))
}

fn query() -> Select<checkout::Entity> {
    checkout::Entity::find()
        .select_only()
        .column_as(Column::Id, "checkout_id")
        .columns([
            Column::State,
            Column::Quantity,
            Column::CustomerName,
            Column::CustomerEmail,
            Column::SessionId,
            Column::ClientReference,
            Column::LineItems,
            Column::SlotId,
            Column::Currency,
            Column::CreatedAt,
        ])
        .columns([
            booking::Column::Reference,
            booking::Column::Status,
            booking::Column::Reason,
        ])
        .column_as(offering::Column::Name, "offering")
        .column(offering::Column::TimeZone)
        .column(slot::Column::StartsAt)
        .column_as(
            Expr::expr(Func::coalesce([
                Expr::col((payment::Entity, payment::Column::AmountMinorUnits)),
                Expr::col((checkout::Entity, Column::AmountMinorUnits)),
            ])),
            "amount",
        )
        .column_as(payment::Column::AmountRefundedMinorUnits, "refunded")
        .join(JoinType::LeftJoin, checkout::Relation::Booking.def())
        .join(JoinType::LeftJoin, checkout::Relation::Payment.def())
        .join(JoinType::LeftJoin, checkout::Relation::Slot.def())
        .join(JoinType::LeftJoin, slot::Relation::Offering.def())
        .order_by_desc(Column::CreatedAt)
}

async fn read(
    db: &DatabaseConnection,
    query: Select<checkout::Entity>,
) -> anyhow::Result<Vec<Row>> {
    let tx = db::begin_long_read(db).await?;
    let rows = query.into_model::<Row>().all(&tx).await?;
    tx.commit().await?;
    Ok(rows)
}

/// Long enough for this day wherever it is.
fn around(day: Date) -> anyhow::Result<(OffsetDateTime, OffsetDateTime)> {
    let midnight = day
        .to_zoned_datetime(TimeZone::UTC)?
        .timestamp()
        .as_second();
    let midnight = OffsetDateTime::from_unix_timestamp(midnight)?;
    let begin = midnight.saturating_sub(Duration::hours(15));
    Ok((begin, midnight.saturating_add(Duration::hours(39))))
}

fn begins_on(row: &Row, day: Date) -> bool {
    let zone = row
        .time_zone
        .as_deref()
        .and_then(|name| TimeZone::get(name).ok());
    let zone = zone.unwrap_or(TimeZone::UTC);
    row.starts_at
        .and_then(|at| Timestamp::from_second(at.unix_timestamp()).ok())
        .is_some_and(|at| at.to_zoned_datetime(zone).date() == day)
}
