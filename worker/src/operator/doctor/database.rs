//! What the database says about the work: is anything left lying?

use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, EntityTrait,
    PaginatorTrait, QueryFilter, Statement,
};
use shared::{
    clock,
    db::{
        checkout::{self, State},
        ignored_event, job, owed_refund, recurring_job,
    },
};
use time::{Duration, OffsetDateTime};

use crate::{
    failure_code::FailureCode,
    operator::{
        audit::our_side,
        doctor::finding::{Finding, START_A_WORKER, chain},
        words::{counted, moment},
    },
};

/// Clocks further apart than this end holds too early or too late.
const SKEW: f64 = 5.0;
/// Reconcile runs every 15 minutes.
const RECONCILE_LATE: Duration = Duration::hours(1);
/// A worker takes a message at once.
const JOB_LATE: Duration = Duration::minutes(1);
/// A hold or refund that was not looked at for so long is stuck.
const STUCK: Duration = Duration::hours(1);
/// What was left out longer ago has been seen to.
const IGNORED_LATELY: Duration = Duration::days(7);

/// What one look found.
type Found = Result<Vec<Finding>, DbErr>;

/// Looks at clock, dead letters, refunds, holds and reconcile.
pub async fn examine(db: &DatabaseConnection) -> Vec<Finding> {
    let now = clock::system();
    let looks = [
        for_operators(db).await,
        ignored_events(db, now).await,
        skew(db, now).await,
        overdue_jobs(db, now).await,
        overdue_refunds(db, now).await,
        overdue_holds(db, now).await,
        reconcile(db, now).await,
    ];
    let failed = |error: DbErr| vec![Finding::failed("database", chain(&error), "see the log")];
    looks
        .into_iter()
        .flat_map(|found| found.unwrap_or_else(failed))
        .collect()
}

async fn skew(db: &DatabaseConnection, now: OffsetDateTime) -> Found {
    // SQLite's clock is ours.
    if db.get_database_backend() != DbBackend::Postgres {
        return Ok(Vec::new());
    }
    let sql = "SELECT CAST(EXTRACT(EPOCH FROM now()) AS double precision) AS now";
    let row = db
        .query_one_raw(Statement::from_string(DbBackend::Postgres, sql))
        .await?;
    let Some(row) = row else {
        return Ok(Vec::new());
    };
    let theirs: f64 = row.try_get("", "now")?;
    #[expect(
        clippy::float_arithmetic,
        clippy::cast_precision_loss,
        clippy::as_conversions,
        reason = "no money: two clocks are compared"
    )]
    let skew = (theirs - now.unix_timestamp_nanos() as f64 / 1e9).abs();
    let detail = format!("{skew:.1} s between this machine and the database");
    Ok(vec![if skew < SKEW {
        Finding::ok("clock", detail)
    } else {
        let remedy = "synchronize the clocks (NTP); holds end by them";
        Finding::warning("clock", detail, remedy)
    }])
}

/// What only an operator can end. Money or a message waits: that is a failure, not a remark.
async fn for_operators(db: &DatabaseConnection) -> Found {
    let waiting = our_side::waiting(db).await?;
    let finding = |number: u64, thing, check, remedy| {
        let detail = counted(number, thing);
        if number == 0 {
            Finding::ok(check, detail)
        } else {
            Finding::failed(check, detail, remedy)
        }
    };
    let mut findings = vec![
        finding(
            waiting.dead_letters,
            "dead letter",
            "dead letters",
            "worker dead list says what to do about each",
        ),
        finding(
            waiting.needs_attention,
            "needs_attention booking",
            "bookings",
            "worker booking list --status needs_attention has what to type about each",
        ),
    ];
    if waiting.disputes_to_answer > 0 {
        findings.push(Finding::warning(
            "disputes",
            format!(
                "Stripe waits for an answer to {}",
                counted(waiting.disputes_to_answer, "dispute")
            ),
            "answer in Stripe's dashboard, or the money is lost",
        ));
    }
    if waiting.charged_back > 0 {
        findings.push(Finding::warning(
            "disputes",
            format!(
                "{} charged back",
                counted(waiting.charged_back, "confirmed booking")
            ),
            "the bank took the whole payment: decide at the door whether the booking still counts",
        ));
    }
    Ok(findings)
}

/// Authentic events that ingress left out.
async fn ignored_events(db: &DatabaseConnection, now: OffsetDateTime) -> Found {
    let rows = ignored_event::Entity::find().all(db).await?;
    let recent = rows
        .iter()
        .filter(|row| row.last_at > now.saturating_sub(IGNORED_LATELY));
    let finding = |row: &ignored_event::Model| {
        let events = counted(row.events, "event");
        let (reason, id, at) = (&row.reason, &row.last_event_id, moment(row.last_at));
        Finding::warning(
            "left out",
            format!("{events} {reason}, the last {id} at {at}"),
            "is the endpoint at Stripe of this account and this mode? Events of connected accounts, \
             of the other mode and of a form that is not known here are not acted on",
        )
    };
    Ok(recent.map(finding).collect())
}

/// Of the embedded queue; nothing is in its table where there is a broker.
async fn overdue_jobs(db: &DatabaseConnection, now: OffsetDateTime) -> Found {
    let due = clock::unix_ms(now.saturating_sub(JOB_LATE));
    let overdue = job::Entity::find()
        .filter(job::Column::AvailableAtMs.lt(due))
        .count(db)
        .await?;
    if overdue == 0 {
        return Ok(Vec::new());
    }
    let detail = format!("{} waiting for over a minute", counted(overdue, "message"));
    Ok(vec![Finding::failed("queue", detail, START_A_WORKER)])
}

async fn overdue_refunds(db: &DatabaseConnection, now: OffsetDateTime) -> Found {
    let overdue = owed_refund::Entity::find()
        .filter(owed_refund::Column::DoneAt.is_null())
        .filter(owed_refund::Column::DueAt.lt(now.saturating_sub(STUCK)))
        .count(db)
        .await?;
    if overdue > 0 {
        let detail = format!("{} due for over an hour", counted(overdue, "refund"));
        let remedy = "is a worker running, and Stripe up?";
        return Ok(vec![Finding::failed("refunds", detail, remedy)]);
    }
    let refused = owed_refund::Entity::find()
        .filter(owed_refund::Column::DoneAt.is_null())
        .filter(owed_refund::Column::LastError.is_not_null())
        .all(db)
        .await?;
    let code = refused.first().and_then(|row| row.last_error.as_deref());
    Ok(vec![match code {
        None => Finding::ok("refunds", "none overdue"),
        Some(code) => {
            let refunds = counted(refused.len(), "refund");
            let detail = format!("{refunds} not made yet, one for {code}");
            let remedy = if code == FailureCode::HookFailed.as_str() {
                "the function in BOOKING_HOOK refuses what came of it, see the log of PostgreSQL; \
                 the money may be back already, and it is tried again until the function is mended"
            } else {
                "Stripe's balance may be too low, or a dispute open; it is tried again for a day, \
                 or until the dispute is decided"
            };
            Finding::warning("refunds", detail, remedy)
        }
    }])
}

async fn overdue_holds(db: &DatabaseConnection, now: OffsetDateTime) -> Found {
    let overdue = checkout::Entity::find()
        .filter(checkout::Column::State.eq(State::Open))
        .filter(checkout::Column::ExpiresAt.lt(now.saturating_sub(STUCK)))
        .count(db)
        .await?;
    Ok(vec![if overdue == 0 {
        Finding::ok("holds", "none overdue")
    } else {
        let holds = counted(overdue, "hold");
        let detail = format!("{holds} with seats, ended over an hour ago");
        Finding::failed("holds", detail, "is a worker running, and Stripe up?")
    }])
}

async fn reconcile(db: &DatabaseConnection, now: OffsetDateTime) -> Found {
    const REMEDY: &str = "is a worker running? worker reconcile --since 72h does it now";
    let job = recurring_job::Entity::find_by_id(recurring_job::RECONCILE)
        .one(db)
        .await?;
    Ok(vec![match job.and_then(|job| job.last_success_at) {
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
    }])
}
