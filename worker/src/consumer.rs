//! From the queue to a job and back: takes deliveries, runs each, and answers the queue.

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use shared::{
    db::suspect,
    failpoint, metrics,
    queue::{Consumer, ConsumerSource, Delivery, Lane, PublishError, RetryTier},
    retry,
};
use tokio::{sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::{
    Context, Fulfillment, breaker, job,
    job_error::{JobError, TIMED_OUT},
    retry_policy,
};

/// For one attempt. Shorter than the lease of the embedded queue and than the broker's
/// patience, and longer than all tries of one call to Stripe.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(27);
/// For what is in hand at shutdown, after which the queue hands it to another worker.
const GRACE: Duration = Duration::from_secs(25);
/// For one attempt that is written down before and after, and waits for its turn.
const SUSPECT_TIMEOUT: Duration = Duration::from_secs(50);
/// Deaths of a worker during one message, after the first, before it is set aside.
const SUSPECT_STARTS: i32 = 3;
/// Before consuming starts again.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Consumes `lane` until `shutdown`, starting again whenever the queue ends it, and pausing
/// while what its messages need is down. What is in hand at the end is finished, as long as the
/// grace period lasts.
pub async fn consume(
    context: Arc<Context>,
    source: ConsumerSource,
    lane: Lane,
    concurrency: u16,
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
            match source.consume(lane, concurrency, stop.clone()).await {
                Ok(consumer) => {
                    delays = retry::endless(FIRST_PAUSE, LONGEST_PAUSE);
                    let mut taking = pin!(take_all(&context, lane, concurrency, consumer));
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

/// Runs what `consumer` yields until it ends, and what is in hand then: answers go over its
/// connection.
async fn take_all(context: &Arc<Context>, lane: Lane, concurrency: u16, mut consumer: Consumer) {
    let permits = Arc::new(Semaphore::new(concurrency.into()));
    let mut jobs = JoinSet::new();
    loop {
        // First the permit, then the message: what we cannot run yet stays on the queue.
        let mut permit = tokio::select! {
            () = consumer.asked_to_stop() => {
                if consumer.stop().await {
                    continue;
                }
                break;
            }
            Ok(permit) = permits.clone().acquire_owned() => permit,
        };
        let Some(delivery) = consumer.next().await else {
            break;
        };
        while jobs.try_join_next().is_some() {}
        if delivery.redelivered {
            // Its worker may have died of it: then nothing else shall.
            let others = u32::from(concurrency).saturating_sub(1);
            if let Ok(others) = permits.clone().acquire_many_owned(others).await {
                permit.merge(others);
            }
        }
        let context = context.clone();
        jobs.spawn(async move {
            attend(context, lane, delivery).await;
            drop(permit);
        });
    }
    while jobs.join_next().await.is_some() {}
    consumer.close().await;
}

/// One delivery from its first line in the log to its last.
async fn attend(context: Arc<Context>, lane: Lane, delivery: Delivery) {
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
        let start = Instant::now();
        // It may have waited for its turn.
        if delivery.redelivered && !matches!(delivery.renew().await, Ok(true)) {
            return;
        }
        let outcome = match context.breakers.check_lane(lane) {
            Ok(()) if delivery.redelivered => {
                let run = tokio::time::timeout(SUSPECT_TIMEOUT, run_suspect(&context, &delivery));
                run.await
                    .unwrap_or_else(|elapsed| Err(JobError::retry(TIMED_OUT, elapsed)))
            }
            Ok(()) => run(&context, &delivery).await,
            Err(down) => Err(down.into()),
        };
        if let Err(error) = answer(&context, delivery, outcome, start.elapsed()).await {
            tracing::warn!(%error, "The queue did not take the answer; it will hand the message out again");
        }
    }
    .instrument(span)
    .await;
}

/// Runs a message that was handed out before without an answer. That it is begun is written
/// down first: one that was begun too often kills its workers.
async fn run_suspect(context: &Arc<Context>, delivery: &Delivery) -> Result<Fulfillment, JobError> {
    // One in all lanes: a start must not be held against a message that another one killed.
    let _alone = context.suspects.lock().await;
    let received = delivery
        .message
        .received_at_ms
        .unwrap_or_default()
        .to_string();
    let name = delivery.message.fingerprint(&[&delivery.lane, &received]);
    let starts = suspect::note_start(&context.db, &name, (context.clock)()).await?;
    let outcome = if starts > SUSPECT_STARTS {
        Err(JobError::reject("delivery_limit", KillsItsWorker(starts)))
    } else {
        run(context, delivery).await
    };
    if let Err(error) = suspect::clear(&context.db, &name).await {
        tracing::warn!(%error, "A suspect is not cleared; it will be forgotten");
    }
    outcome
}

/// A message during which workers died.
#[derive(Debug, thiserror::Error)]
#[error("begun {0} times, and its worker died each time")]
struct KillsItsWorker(i32);

/// Runs the job as a task of its own: a panic ends the job, not the worker.
async fn run(context: &Arc<Context>, delivery: &Delivery) -> Result<Fulfillment, JobError> {
    let (context, message) = (context.clone(), delivery.message.clone());
    let job = async move { job::run(&context, &message).await };
    let mut task = tokio::spawn(job.in_current_span());
    match tokio::time::timeout(ATTEMPT_TIMEOUT, &mut task).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panic)) => Err(JobError::reject("panicked", panic)),
        Err(elapsed) => {
            task.abort();
            Err(JobError::retry(TIMED_OUT, elapsed))
        }
    }
}

/// Tells the queue what becomes of the message.
async fn answer(
    context: &Context,
    delivery: Delivery,
    outcome: Result<Fulfillment, JobError>,
    took: Duration,
) -> Result<(), PublishError> {
    let error = match outcome {
        Ok(fulfillment) => {
            tracing::info!(outcome = fulfillment.as_str(), "Job done");
            let age = delivery.message.age((context.clock)());
            metrics::job_done(
                delivery.message.kind_word(),
                fulfillment.as_str(),
                took,
                age,
            );
            let acked = delivery.ack().await;
            failpoint::crash_at("job_after_ack");
            return acked;
        }
        Err(error) => error,
    };
    if breaker::is_outage(context, &error).await {
        let code = error.code();
        tracing::warn!(error = error.chain(), code, "Not done for an outage");
        metrics::job_failed(code, "outage");
        return delivery.postpone(RetryTier::TenSeconds, code).await;
    }
    match (&error, retry_policy::tier(delivery.message.attempt)) {
        (JobError::Retry { code, .. }, Some(tier)) => {
            tracing::warn!(
                error = error.chain(),
                code,
                retry_in = tier.as_str(),
                "Job failed"
            );
            metrics::job_failed(code, "retry");
            delivery.retry(tier, code).await
        }
        (JobError::Retry { code, .. } | JobError::Reject { code, .. }, _) => {
            tracing::error!(error = error.chain(), code, "Job failed for good");
            metrics::job_failed(code, "dead_letter");
            delivery.dead_letter(code).await
        }
    }
}
