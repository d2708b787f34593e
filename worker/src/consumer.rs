//! From the queue to a job and back: takes deliveries, runs each, and answers the queue.

use std::{sync::Arc, time::Duration};

use shared::{
    queue::{Consumer, ConsumerSource, Delivery, Lane, PublishError},
    retry,
};
use tokio::{sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::{Context, Fulfillment, job, job_error::JobError, retry_policy};

/// For one attempt. Shorter than the lease of the embedded queue and than the broker's
/// patience, and longer than all tries of one call to Stripe.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(27);
/// For what is in hand at shutdown, after which the queue hands it to another worker.
const GRACE: Duration = Duration::from_secs(25);
/// Before consuming starts again.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Consumes `lane` until `shutdown`, starting again whenever the queue ends it; then waits for
/// what is in hand, as long as the grace period lasts.
pub async fn consume(
    context: Arc<Context>,
    source: ConsumerSource,
    lane: Lane,
    concurrency: u16,
    shutdown: CancellationToken,
) {
    let mut in_hand = InHand::new(concurrency);
    let work = async {
        let mut delays = retry::endless(FIRST_PAUSE, LONGEST_PAUSE);
        while !shutdown.is_cancelled() {
            match source.consume(lane, concurrency, shutdown.clone()).await {
                Ok(consumer) => {
                    delays = retry::endless(FIRST_PAUSE, LONGEST_PAUSE);
                    in_hand.take_all(&context, consumer).await;
                }
                Err(error) => tracing::warn!(%error, ?lane, "Cannot consume"),
            }
            let pause = delays.next().unwrap_or(LONGEST_PAUSE);
            shutdown
                .run_until_cancelled(tokio::time::sleep(pause))
                .await;
        }
        in_hand.finish().await;
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

/// The jobs that run. They outlast a lost connection; their deliveries then come again, which
/// changes nothing.
struct InHand {
    permits: Arc<Semaphore>,
    jobs: JoinSet<()>,
}

impl InHand {
    fn new(concurrency: u16) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(concurrency.into())),
            jobs: JoinSet::new(),
        }
    }

    /// Runs what `consumer` yields until it ends.
    async fn take_all(&mut self, context: &Arc<Context>, mut consumer: Consumer) {
        // First the permit, then the message: what we cannot run yet stays on the queue.
        while let Ok(permit) = self.permits.clone().acquire_owned().await {
            let Some(delivery) = consumer.next().await else {
                return;
            };
            while self.jobs.try_join_next().is_some() {}
            let context = context.clone();
            self.jobs.spawn(async move {
                attend(context, delivery).await;
                drop(permit);
            });
        }
    }

    async fn finish(&mut self) {
        while self.jobs.join_next().await.is_some() {}
    }
}

/// One delivery from its first line in the log to its last.
async fn attend(context: Arc<Context>, delivery: Delivery) {
    let message = &delivery.message;
    let span = tracing::info_span!(
        "job",
        message_id = message.message_id,
        kind = message.kind,
        attempt = message.attempt,
        traceparent = message.traceparent,
        checkout_session.id = tracing::field::Empty,
    );
    async {
        let outcome = run(context, &delivery).await;
        if let Err(error) = answer(delivery, outcome).await {
            tracing::warn!(%error, "The queue did not take the answer; it will hand the message out again");
        }
    }
    .instrument(span)
    .await;
}

/// Runs the job as a task of its own: a panic ends the job, not the worker.
async fn run(context: Arc<Context>, delivery: &Delivery) -> Result<Fulfillment, JobError> {
    let message = delivery.message.clone();
    let job = async move { job::run(&context, &message).await };
    let mut task = tokio::spawn(job.in_current_span());
    match tokio::time::timeout(ATTEMPT_TIMEOUT, &mut task).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panic)) => Err(JobError::reject("panicked", panic)),
        Err(elapsed) => {
            task.abort();
            Err(JobError::retry("timed_out", elapsed))
        }
    }
}

async fn answer(
    delivery: Delivery,
    outcome: Result<Fulfillment, JobError>,
) -> Result<(), PublishError> {
    let error = match outcome {
        Ok(fulfillment) => {
            tracing::info!(outcome = fulfillment.as_str(), "Job done");
            return delivery.ack().await;
        }
        Err(error) => error,
    };
    match (&error, retry_policy::tier(delivery.message.attempt)) {
        (JobError::Retry { code, .. }, Some(tier)) => {
            tracing::warn!(
                error = error.chain(),
                code,
                retry_in = tier.as_str(),
                "Job failed"
            );
            delivery.retry(tier, code).await
        }
        (JobError::Retry { code, .. } | JobError::Reject { code, .. }, _) => {
            tracing::error!(error = error.chain(), code, "Job failed for good");
            delivery.dead_letter(code).await
        }
    }
}
