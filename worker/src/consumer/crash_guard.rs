//! Poison messages: those that kill their worker are found out before they kill every worker.
//!
//! The whole rule is here: who runs beside whom, what is written down, and when it is too often.

use std::{sync::Arc, time::Duration};

use sea_orm::DatabaseConnection;
use shared::{clock::Clock, db::suspect, queue::Delivery};
use tokio::sync::{OwnedRwLockReadGuard, RwLock};

use crate::{Fulfillment, failure_code::FailureCode, job_error::JobError};

/// For the look whether the message is known. A dead connection would never answer.
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

    /// Runs `job`, whose message was handed out before without an answer. That it is begun is written
    /// down first; one that was begun too often kills its workers.
    ///
    /// First redelivery: beside other jobs, since most messages in flight did not cause the crash.
    /// From the second on: alone, so that a crash can be attributed.
    ///
    /// Returns `None` if the delivery has expired meanwhile.
    pub async fn run(
        &self,
        db: &DatabaseConnection,
        clock: Clock,
        delivery: &Delivery,
        job: impl Future<Output = Result<Fulfillment, JobError>>,
    ) -> Option<Result<Fulfillment, JobError>> {
        let received = delivery
            .message
            .received_at_ms
            .unwrap_or_default()
            .to_string();
        let name = delivery.message.fingerprint(&[&delivery.lane, &received]);
        let known = suspect::is_known(db, &name);
        let (_with_others, _alone) = match tokio::time::timeout(LOOKUP_TIMEOUT, known).await {
            Ok(Ok(false)) => (Some(self.beside_others().await), None),
            Ok(Ok(true)) => (None, Some(self.0.clone().write_owned().await)),
            Ok(Err(error)) => return Some(Err(error.into())),
            Err(elapsed) => return Some(Err(elapsed.into())),
        };
        // The lease may have expired while other jobs ran.
        if !matches!(delivery.renew().await, Ok(true)) {
            return None;
        }
        let run = tokio::time::timeout(TIMEOUT, run_and_note(db, clock, &name, job));
        Some(run.await.unwrap_or_else(|elapsed| Err(elapsed.into())))
    }
}

async fn run_and_note(
    db: &DatabaseConnection,
    clock: Clock,
    name: &str,
    job: impl Future<Output = Result<Fulfillment, JobError>>,
) -> Result<Fulfillment, JobError> {
    let starts = suspect::note_start(db, name, clock()).await?;
    if starts > 1 {
        tracing::warn!(starts, "Begun again: its worker died");
    }
    let outcome = if starts > STARTS {
        let why = format!("begun {starts} times, and its worker died each time");
        Err(JobError::new(FailureCode::DeliveryLimit, why))
    } else {
        job.await
    };
    if let Err(error) = suspect::clear(db, name).await {
        tracing::warn!(%error, "A suspect is not cleared; it expires");
    }
    outcome
}
