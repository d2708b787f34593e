//! What the database says about the work: is anything left lying?

use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, EntityTrait,
    PaginatorTrait, QueryFilter, Statement,
};
use shared::{
    clock,
    db::{
        checkout::{self, State},
        job, outbox, recurring_job,
    },
};
use time::{Duration, OffsetDateTime};

use super::{Finding, chain};
use crate::{audit::here, keep_reconciling};

/// Clocks further apart than this end holds too early or too late.
const SKEW: f64 = 5.0;
/// Reconcile runs every 15 minutes.
const RECONCILE_LATE: Duration = Duration::hours(1);
/// A worker takes a message at once.
const JOB_LATE: Duration = Duration::minutes(1);
/// A hold or refund that nobody has looked at for so long is stuck.
const STUCK: Duration = Duration::hours(1);

/// Looks at clock, dead letters, refunds, holds and reconcile.
pub async fn examine(db: &DatabaseConnection) -> Vec<Finding> {
    let now = clock::system();
    let mut findings = Vec::new();
    for found in [
        skew(db, now).await,
        waiting(db).await,
        overdue_jobs(db, now).await,
        overdue_refunds(db, now).await,
        overdue_holds(db, now).await,
        reconcile(db, now).await,
    ] {
        let failed = |error: DbErr| Some(Finding::failed("database", chain(&error), "see the log"));
        findings.extend(found.unwrap_or_else(failed));
    }
    findings
}

async fn skew(db: &DatabaseConnection, now: OffsetDateTime) -> Result<Option<Finding>, DbErr> {
    // SQLite's clock is ours.
    if db.get_database_backend() != DbBackend::Postgres {
        return Ok(None);
    }
    let sql = "SELECT CAST(EXTRACT(EPOCH FROM now()) AS double precision) AS now";
    let row = db
        .query_one_raw(Statement::from_string(DbBackend::Postgres, sql))
        .await?;
    let Some(row) = row else { return Ok(None) };
    let theirs: f64 = row.try_get("", "now")?;
    #[expect(
        clippy::float_arithmetic,
        clippy::cast_precision_loss,
        clippy::as_conversions,
        reason = "no money: two clocks are compared"
    )]
    let skew = (theirs - now.unix_timestamp_nanos() as f64 / 1e9).abs();
    let detail = format!("{skew:.1} s between this machine and the database");
    Ok(Some(if skew < SKEW {
        Finding::ok("clock", detail)
    } else {
        Finding::warning(
            "clock",
            detail,
            "synchronize the clocks (NTP); holds end by them",
        )
    }))
}

async fn waiting(db: &DatabaseConnection) -> Result<Option<Finding>, DbErr> {
    let waiting = here::waiting(db).await?;
    let detail = format!(
        "{} dead letters, {} bookings that need attention",
        waiting.dead_letters, waiting.needs_attention
    );
    Ok(Some(
        if waiting.dead_letters == 0 && waiting.needs_attention == 0 {
            Finding::ok("for people", detail)
        } else {
            let remedy = "worker dead list; SELECT * FROM booking WHERE status = 'needs_attention'";
            Finding::warning("for people", detail, remedy)
        },
    ))
}

/// Of the embedded queue; nothing is in its table where there is a broker.
async fn overdue_jobs(
    db: &DatabaseConnection,
    now: OffsetDateTime,
) -> Result<Option<Finding>, DbErr> {
    let due = clock::unix_ms(now.saturating_sub(JOB_LATE));
    let overdue = job::Entity::find()
        .filter(job::Column::AvailableAtMs.lt(due))
        .count(db)
        .await?;
    Ok((overdue > 0).then(|| {
        let detail = format!("{overdue} messages wait for over a minute, and nobody takes them");
        Finding::failed("queue", detail, super::START_A_WORKER)
    }))
}

async fn overdue_refunds(
    db: &DatabaseConnection,
    now: OffsetDateTime,
) -> Result<Option<Finding>, DbErr> {
    let overdue = outbox::Entity::find()
        .filter(outbox::Column::DoneAt.is_null())
        .filter(outbox::Column::DueAt.lt(now.saturating_sub(STUCK)))
        .count(db)
        .await?;
    Ok(Some(if overdue == 0 {
        Finding::ok("refunds", "none overdue")
    } else {
        let detail = format!("{overdue} are due for over an hour");
        Finding::failed("refunds", detail, "is a worker running, and Stripe up?")
    }))
}

async fn overdue_holds(
    db: &DatabaseConnection,
    now: OffsetDateTime,
) -> Result<Option<Finding>, DbErr> {
    let overdue = checkout::Entity::find()
        .filter(checkout::Column::State.eq(State::Open))
        .filter(checkout::Column::ExpiresAt.lt(now.saturating_sub(STUCK)))
        .count(db)
        .await?;
    Ok(Some(if overdue == 0 {
        Finding::ok("holds", "none overdue")
    } else {
        let detail = format!("{overdue} ended over an hour ago and still have their seats");
        Finding::failed("holds", detail, "is a worker running, and Stripe up?")
    }))
}

async fn reconcile(db: &DatabaseConnection, now: OffsetDateTime) -> Result<Option<Finding>, DbErr> {
    const REMEDY: &str = "is a worker running? worker reconcile --since 72h does it now";
    let job = recurring_job::Entity::find_by_id(keep_reconciling::NAME)
        .one(db)
        .await?;
    Ok(Some(match job.and_then(|job| job.last_success_at) {
        None => Finding::warning("reconcile", "has not run yet", REMEDY),
        Some(at) => {
            let ago = Duration::seconds(now.unix_timestamp().saturating_sub(at.unix_timestamp()));
            let minutes = ago.whole_minutes();
            let detail = format!("last came to its end {minutes} min ago");
            if at < now.saturating_sub(RECONCILE_LATE) {
                Finding::warning("reconcile", detail, REMEDY)
            } else {
                Finding::ok("reconcile", detail)
            }
        }
    }))
}
