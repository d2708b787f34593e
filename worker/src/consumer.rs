//! Taking deliveries off the queue: how many at once, and when not.

pub(crate) mod crash_guard;
pub(crate) mod dead_letters;
mod executor;
pub(crate) mod lane_limits;

use std::{pin::pin, sync::Arc, time::Duration};

use shared::{
    queue::{Consumer, ConsumerSource, Lane},
    retry,
};
use tokio::{sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    Context,
    consumer::{
        executor::{execute_batch, execute_redelivered},
        lane_limits::LaneLimits,
    },
};

/// How long running jobs may take after SIGTERM; what is unacked then is redelivered.
const GRACE: Duration = Duration::from_secs(30);
/// Before consuming starts again.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Consumes `lane` until `shutdown`, starting again whenever the queue ends it, and pausing
/// while what its messages need is down. Jobs that run at the end are finished, as long as the
/// grace period lasts.
pub async fn consume(
    context: Arc<Context>,
    source: ConsumerSource,
    lane: Lane,
    limits: LaneLimits,
    shutdown: CancellationToken,
) {
    let work = async {
        let mut delays = retry::endless(FIRST_PAUSE, LONGEST_PAUSE);
        while !shutdown.is_cancelled() {
            shutdown
                .run_until_cancelled(context.breakers.closed(lane))
                .await;
            if shutdown.is_cancelled() {
                break;
            }
            let stop = shutdown.child_token();
            match source
                .consume(lane, limits.prefetch(lane), stop.clone())
                .await
            {
                Ok(consumer) => {
                    delays = retry::endless(FIRST_PAUSE, LONGEST_PAUSE);
                    let mut taking = pin!(take_all(&context, lane, limits, consumer));
                    tokio::select! {
                        () = &mut taking => {}
                        () = context.breakers.opened(lane) => {
                            stop.cancel();
                            taking.await;
                        }
                    }
                }
                Err(error) => tracing::warn!(%error, ?lane, "Cannot consume"),
            }
            let pause = delays.next().unwrap_or(LONGEST_PAUSE);
            shutdown
                .run_until_cancelled(tokio::time::sleep(pause))
                .await;
        }
    };
    let end_of_grace = async {
        shutdown.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        () = work => {}
        () = end_of_grace => tracing::warn!(?lane, "Jobs were still running at the end of the grace period"),
    }
}

/// Runs what `consumer` yields until it ends, and waits for the jobs that run then: answers go over
/// its connection.
///
/// A batch with room waits for the one under way and takes in what arrives meanwhile, so that few
/// transactions do the work of many: each commit waits for a disk that the broker needs as well.
/// One that is full goes beside another full one.
async fn take_all(context: &Arc<Context>, lane: Lane, limits: LaneLimits, mut consumer: Consumer) {
    let job_slots = Arc::new(Semaphore::new(limits.concurrency.into()));
    let at_once = limits.batches_at_once(lane, consumer.batches_at_once());
    let batch_slots = Arc::new(Semaphore::new(at_once.into()));
    let mut jobs = JoinSet::new();
    // First the slots, then the messages: what cannot run yet stays on the queue.
    while let Ok(job_slot) = job_slots.clone().acquire_owned().await
        && let Ok(mut batch_slot) = batch_slots.clone().acquire_owned().await
    {
        let alone = async {
            if at_once == 1 {
                return std::future::pending().await;
            }
            batch_slots.clone().acquire_owned().await.ok()
        };
        let (batch, other_slot) = consumer.next_batch(limits.batch(lane).into(), alone).await;
        if batch.is_empty() {
            break;
        }
        if let Some(other) = other_slot.flatten() {
            batch_slot.merge(other);
        }
        while jobs.try_join_next().is_some() {}
        let (again, fresh): (Vec<_>, Vec<_>) = batch.into_iter().partition(|it| it.redelivered);
        let shared = context.clone();
        jobs.spawn(async move {
            execute_batch(shared, lane, fresh, batch_slot).await;
            drop(job_slot);
        });
        for delivery in again {
            let (shared, job_slots) = (context.clone(), job_slots.clone());
            jobs.spawn(async move {
                let _slot = job_slots.acquire_owned().await;
                execute_redelivered(shared, lane, delivery).await;
            });
        }
    }
    while jobs.join_next().await.is_some() {}
    consumer.close().await;
}
