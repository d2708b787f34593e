//! Messages that may kill their worker: found out before they kill another one.

use std::{sync::Arc, time::Duration};

use shared::{db, queue::Delivery};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use crate::{Context, Fulfillment, failure_code::FailureCode, job_error::JobError, jobs};

/// For the question whether it is known. A connection that went dead would never answer.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// For one attempt that is written down before and after.
const TIMEOUT: Duration = Duration::from_secs(29);
/// Deaths of a worker during one message, after the first, before it is set aside.
const STARTS: i32 = 3;

/// Keeps messages apart that may have killed a worker. Clones share it.
#[derive(Clone, Default)]
pub struct CrashGuard(Arc<RwLock<()>>);

impl CrashGuard {
    /// For as long as a message runs that is no suspect.
    pub async fn beside_others(&self) -> OwnedRwLockReadGuard<()> {
        self.0.clone().read_owned().await
    }

    async fn alone(&self) -> OwnedRwLockWriteGuard<()> {
        self.0.clone().write_owned().await
    }
}

/// Runs a message that was handed out before without an answer. That it is begun is written
/// down first: one that was begun too often kills its workers.
///
/// The first time it runs beside others, because most that were in hand when a worker died are
/// innocent. After that it runs alone, so that it is not blamed for what another one does.
///
/// Returns `None` if it is ours no more.
pub async fn run(
    context: &Arc<Context>,
    delivery: &Delivery,
) -> Option<Result<Fulfillment, JobError>> {
    let received = delivery
        .message
        .received_at_ms
        .unwrap_or_default()
        .to_string();
    let name = delivery.message.fingerprint(&[&delivery.lane, &received]);
    let known = db::suspect::is_known(&context.db, &name);
    let (_with_others, _alone) = match tokio::time::timeout(LOOKUP_TIMEOUT, known).await {
        Ok(Ok(false)) => (Some(context.crash_guard.beside_others().await), None),
        Ok(Ok(true)) => (None, Some(context.crash_guard.alone().await)),
        Ok(Err(error)) => return Some(Err(error.into())),
        Err(elapsed) => return Some(Err(JobError::new(FailureCode::TimedOut, elapsed))),
    };
    // It may have waited for its turn.
    if !matches!(delivery.renew().await, Ok(true)) {
        return None;
    }
    let run = run_and_note(context, delivery, &name);
    let run = tokio::time::timeout(TIMEOUT, run).await;
    Some(run.unwrap_or_else(|elapsed| Err(JobError::new(FailureCode::TimedOut, elapsed))))
}

async fn run_and_note(
    context: &Arc<Context>,
    delivery: &Delivery,
    name: &str,
) -> Result<Fulfillment, JobError> {
    let starts = db::suspect::note_start(&context.db, name, (context.clock)()).await?;
    let outcome = if starts > STARTS {
        Err(JobError::new(
            FailureCode::DeliveryLimit,
            KillsItsWorker(starts),
        ))
    } else {
        jobs::attempt(context, &delivery.message).await
    };
    if let Err(error) = db::suspect::clear(&context.db, name).await {
        tracing::warn!(%error, "A suspect is not cleared; it will be forgotten");
    }
    outcome
}

/// A message during which workers died.
#[derive(Debug, thiserror::Error)]
#[error("begun {0} times, and its worker died each time")]
struct KillsItsWorker(i32);
