//! Taking deliveries off the queue: how many at once, and when not.

pub(crate) mod crash_guard;
pub(crate) mod dead_letters;
mod executor;

use std::{pin::pin, sync::Arc, time::Duration};

use shared::{
    queue::{Consumer, ConsumerSource, Delivery, Lane},
    retry,
};
use tokio::{
    sync::{AcquireError, OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Context,
    consumer::executor::{attend, attend_all},
};

/// For what is in hand at shutdown, after which the queue hands it to another worker.
const GRACE: Duration = Duration::from_secs(25);
/// Before consuming starts again.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Consumes `lane` until `shutdown`, starting again whenever the queue ends it, and pausing
/// while what its messages need is down. What is in hand at the end is finished, as long as the
/// grace period lasts.
pub async fn consume(
    context: Arc<Context>,
    source: ConsumerSource,
    lane: Lane,
    hands: Hands,
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
                .consume(lane, hands.prefetch(lane), stop.clone())
                .await
            {
                Ok(consumer) => {
                    delays = retry::endless(FIRST_PAUSE, LONGEST_PAUSE);
                    let mut taking = pin!(take_all(&context, lane, hands, consumer, &stop));
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

/// How much of one lane a worker takes at once.
#[derive(Debug, Clone, Copy)]
pub struct Hands {
    /// Jobs that run at once.
    pub concurrency: u16,
    /// Events that share one transaction, at most.
    pub batch: u16,
}

impl Hands {
    /// Of what waits for Stripe, as much as is worked on: the rest is for others to take.
    fn batch(self, lane: Lane) -> u16 {
        if lane == Lane::Events { self.batch } else { 1 }
    }

    /// Where events share a transaction, two, if both are full: see [`fill`]. One where
    /// nothing arrives before it is asked for; it could not take in more.
    fn batches_at_once(self, lane: Lane, ahead: bool) -> u16 {
        match self.batch(lane) {
            1 => self.concurrency,
            _ if ahead => 2,
            _ => 1,
        }
    }

    /// Enough that the next batch is there when one is done.
    fn prefetch(self, lane: Lane) -> u16 {
        let three = self.batch(lane).saturating_mul(3);
        three.max(self.concurrency)
    }
}

/// Runs what `consumer` yields until it ends, and what is in hand then: answers go over its
/// connection.
async fn take_all(
    context: &Arc<Context>,
    lane: Lane,
    hands: Hands,
    mut consumer: Consumer,
    stop: &CancellationToken,
) {
    let permits = Arc::new(Semaphore::new(hands.concurrency.into()));
    let at_once = hands.batches_at_once(lane, consumer.hands_out_ahead());
    let turns = Arc::new(Semaphore::new(at_once.into()));
    let mut jobs = JoinSet::new();
    loop {
        // First the permit, then the message: what we cannot run yet stays on the queue.
        let (permit, mut turn) = tokio::select! {
            () = consumer.asked_to_stop() => {
                if consumer.stop().await {
                    continue;
                }
                break;
            }
            Ok(permits) = acquire_both(&permits, &turns) => permits,
        };
        let most = hands.batch(lane).into();
        let mut batch = consumer.next_batch(most).await;
        if batch.is_empty() {
            break;
        }
        if at_once > 1
            && let Some(other) = fill(&mut batch, most, &mut consumer, &turns, stop).await
        {
            turn.merge(other);
        }
        while jobs.try_join_next().is_some() {}
        let (suspects, fresh): (Vec<_>, Vec<_>) = batch.into_iter().partition(|it| it.redelivered);
        let shared = context.clone();
        jobs.spawn(async move {
            attend_all(shared, lane, fresh, turn).await;
            drop(permit);
        });
        for suspect in suspects {
            let (shared, permits) = (context.clone(), permits.clone());
            jobs.spawn(async move {
                let _permit = permits.acquire_owned().await;
                attend(shared, lane, suspect).await;
            });
        }
    }
    while jobs.join_next().await.is_some() {}
    consumer.close().await;
}

/// A batch with room waits for the one under way and takes in what arrives meanwhile, so that few
/// transactions do the work of many: each commit waits for a disk that the broker needs as well.
/// One that is full goes beside another full one.
///
/// Returns the other turn, if it has to be alone.
async fn fill(
    batch: &mut Vec<Delivery>,
    most: usize,
    consumer: &mut Consumer,
    turns: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<OwnedSemaphorePermit> {
    while batch.len() < most {
        tokio::select! {
            biased;
            // No more shall arrive.
            () = stop.cancelled() => return None,
            Some(delivery) = consumer.arrival() => batch.push(delivery),
            other = turns.clone().acquire_owned() => return other.ok(),
        }
    }
    None
}

async fn acquire_both(
    permits: &Arc<Semaphore>,
    turns: &Arc<Semaphore>,
) -> Result<(OwnedSemaphorePermit, OwnedSemaphorePermit), AcquireError> {
    let permit = permits.clone().acquire_owned().await?;
    Ok((permit, turns.clone().acquire_owned().await?))
}
