//! Reconcile by itself, every quarter of an hour, in one worker at a time.

use std::time::Duration;

use shared::{
    db::recurring_job::{self, RECONCILE},
    queue::{Lane, Publisher},
    retry,
};
use time::OffsetDateTime;
use tokio::time::MissedTickBehavior;

use crate::{
    Context,
    job_error::JobError,
    outage::{dependency::Dependency, probe},
    reconcile::{Cursor, Part, Reconcile},
};

/// Between two runs.
const INTERVAL: time::Duration = time::Duration::minutes(15);
/// After which another worker goes on with the run of one that died.
const LEASE: time::Duration = time::Duration::minutes(10);
/// A run that was begun so long ago is begun anew: Stripe may know the object of its cursor no
/// more. One that is slow needs longer than [`LIMIT`], several times if a shop is large.
const TOO_OLD: time::Duration = time::Duration::DAY;
/// After a failure.
const AGAIN: time::Duration = time::Duration::minutes(1);
/// A session can be paid until a day after it was made; and some.
const SESSIONS_BACK: time::Duration = time::Duration::hours(26);
/// Events in the making while the last run began.
const EVENTS_BACK: time::Duration = time::Duration::hours(1);
/// When there was no run before.
const FIRST_BACK: time::Duration = time::Duration::hours(72);
/// For one run; the next goes on from its cursor.
const LIMIT: Duration = Duration::from_mins(30);
/// A run that has kept its lease for the last time so long ago may be that of a worker that died.
/// Its pages take less, unless Stripe is slow: then two run for a while, and find the same.
const SIGN_OF_LIFE: time::Duration = time::Duration::seconds(5);
/// How often a worker looks whether it is its turn.
const LOOK: Duration = Duration::from_secs(5);
/// The looks after a start that do not wait for the next run. The last ones know which run is dead.
const HASTENED: usize = 4;
/// While more events wait than this, most of what is missing is among them: Stripe need not be asked.
const BACKLOG: u64 = 100;

/// Looks again and again, for ever.
pub async fn keep_reconciling(context: &Context, publisher: &Publisher) {
    let start = (context.clock)();
    // A deployment that has never run has missed nothing.
    let exists = recurring_job::exists(&context.db, RECONCILE).await;
    let mut hastened = if exists.unwrap_or(true) { HASTENED } else { 0 };
    let mut looks = tokio::time::interval(retry::spread(LOOK));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        if context.breakers.is_open(Dependency::Stripe) {
            continue;
        }
        let work = async {
            let is_small = |backlog: u64| backlog <= BACKLOG;
            if hastened > 0 && publisher.waiting(Lane::Events).await.is_ok_and(is_small) {
                hastened = hastened.saturating_sub(1);
                hasten(context, start).await?;
            }
            run_if_due(context, publisher).await
        };
        let run = tokio::time::timeout(LIMIT, work).await;
        if let Err(error) = run.unwrap_or_else(|elapsed| Err(elapsed.into())) {
            tracing::warn!(
                error = error.chain(),
                code = error.code().as_str(),
                "Cannot reconcile"
            );
            probe::is_outage(context, &error).await;
        }
    }
}

/// What was paid while no worker ran should not wait for the next quarter of an hour, and not for
/// the lease of a run that died with the last worker.
async fn hasten(context: &Context, start: OffsetDateTime) -> Result<(), JobError> {
    let now = (context.clock)();
    let died = now.saturating_add(LEASE).saturating_sub(SIGN_OF_LIFE);
    recurring_job::hasten(&context.db, RECONCILE, now, start, died).await?;
    Ok(())
}

async fn run_if_due(context: &Context, publisher: &Publisher) -> Result<(), JobError> {
    let started_at = (context.clock)();
    let lease_end = started_at.saturating_add(LEASE);
    let Some(job) = recurring_job::take(&context.db, RECONCILE, started_at, lease_end).await?
    else {
        return Ok(());
    };
    let begun = job.cursor.as_deref();
    let begun: Option<Cursor> = begun.and_then(|json| serde_json::from_str(json).ok());
    let fresh = |cursor: &Cursor| cursor.started_at > started_at.saturating_sub(TOO_OLD);
    let cursor = begun
        .filter(fresh)
        .unwrap_or_else(|| first_cursor(job.last_success_at, started_at));
    let started_at = cursor.started_at;
    recurring_job::keep(&context.db, RECONCILE, lease_end, &json(&cursor)).await?;
    let mut run = Reconcile::new(context, Some(publisher), cursor);
    loop {
        let more = match run.next_page().await {
            Ok(more) => more,
            Err(error) => {
                let now = (context.clock)();
                let cursor = if error.code().is_retryable() {
                    json(&run.cursor)
                } else {
                    // Stripe does not know the object of the cursor, as with another key.
                    json(&first_cursor(job.last_success_at, now))
                };
                let due_at = now.saturating_add(AGAIN);
                recurring_job::keep(&context.db, RECONCILE, due_at, &cursor).await?;
                return Err(error);
            }
        };
        if !more {
            break;
        }
        let lease_end = (context.clock)().saturating_add(LEASE);
        recurring_job::keep(&context.db, RECONCILE, lease_end, &json(&run.cursor)).await?;
    }
    let due_at = started_at.saturating_add(INTERVAL);
    if let Some(error) = run.forbidden {
        // No success, so that the next run looks as far back, at all of it.
        let anew = json(&first_cursor(job.last_success_at, due_at));
        recurring_job::keep(&context.db, RECONCILE, due_at, &anew).await?;
        return Err(error);
    }
    recurring_job::finish(&context.db, RECONCILE, started_at, due_at).await?;
    let report = run.report;
    tracing::info!(
        sessions = report.sessions,
        missing_sessions = report.missing_sessions,
        missing_refunds = report.missing_refunds,
        missing_disputes = report.missing_disputes,
        missing_events = report.missing_events,
        "Reconciled"
    );
    Ok(())
}

fn json(cursor: &Cursor) -> String {
    serde_json::to_string(cursor).unwrap_or_default()
}

fn first_cursor(last_success_at: Option<OffsetDateTime>, now: OffsetDateTime) -> Cursor {
    let since = |back: time::Duration| match last_success_at {
        Some(at) => at.saturating_sub(back),
        None => now.saturating_sub(FIRST_BACK),
    };
    Cursor {
        started_at: now,
        sessions_since: since(SESSIONS_BACK),
        events_since: since(EVENTS_BACK),
        part: Part::FIRST,
    }
}
