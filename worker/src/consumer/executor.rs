//! Deliveries, from the first line in the log to the answer: read, plan, commit, answer.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use shared::{
    queue::{Delivery, Lane, PublishError, RetryTier},
    service::{failpoint, metrics},
};
use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument;

use crate::{
    Context, Fulfillment,
    failure_code::FailureCode,
    job_error::JobError,
    jobs::{self, job::Job, plan::Plan},
    outage::probe,
    retry_policy,
};

/// For one attempt. Shorter than the lease of the embedded queue and than the broker's
/// patience, and longer than all tries of one call to Stripe.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(27);
/// Jobs of a batch that run at once, if they cannot share its transaction.
const ALONE_AT_ONCE: usize = 4;
/// After waiting this long the delivery's lease may have expired: it is renewed before the job runs.
const WAITED_LONG: Duration = Duration::from_secs(2);

/// A delivery, with what its message asks for or why that cannot be read.
type ReadDelivery = (Delivery, Result<Job, JobError>);

/// A delivery whose job has run, with its span.
type Answer = (Delivery, tracing::Span, Result<Fulfillment, JobError>);

/// First-time deliveries. Those that said all there is to know are committed together; the rest,
/// or all of them if that transaction fails, run one by one.
///
/// - `slot`: the batch permit, released after the shared commit.
pub async fn execute_batch(
    context: Arc<Context>,
    lane: Lane,
    deliveries: Vec<Delivery>,
    slot: OwnedSemaphorePermit,
) {
    let start = Instant::now();
    let mut planned = Vec::new();
    let mut alone: Vec<ReadDelivery> = Vec::new();
    let permit = context.crash_guard.beside_others().await;
    for delivery in deliveries {
        match read(&context, &delivery) {
            Ok(Job::Planned(plan)) => {
                let plan = plan.traced(delivery.message.traceparent.as_deref());
                planned.push((delivery, plan));
            }
            job => alone.push((delivery, job)),
        }
    }
    drop(permit);
    alone.extend(commit_together(&context, lane, planned).await);
    drop(slot);
    futures_util::stream::iter(alone)
        .for_each_concurrent(ALONE_AT_ONCE, async |(delivery, job)| {
            let is_ours = start.elapsed() < WAITED_LONG;
            if is_ours || matches!(delivery.renew().await, Ok(true)) {
                execute(&context, lane, delivery, job).await;
            }
        })
        .await;
}

/// A panic is that message's own: the others of its batch go on.
fn read(context: &Context, delivery: &Delivery) -> Result<Job, JobError> {
    let read = || jobs::read(context.mode, &context.endpoint_secrets, &delivery.message);
    let why = "the message cannot be read without a panic";
    std::panic::catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_panic| Err(JobError::new(FailureCode::Panicked, why)))
}

/// Returns those that have to run alone: all of them, if their transaction failed.
async fn commit_together(
    context: &Arc<Context>,
    lane: Lane,
    planned: Vec<(Delivery, Plan)>,
) -> Vec<ReadDelivery> {
    let start = Instant::now();
    let (deliveries, plans): (Vec<_>, Vec<_>) = planned.into_iter().unzip();
    let plans = Arc::new(plans);
    if plans.len() > 1 && context.breakers.check_lane(lane).is_ok() {
        let permit = context.crash_guard.beside_others().await;
        let (shared, all) = (context.clone(), plans.clone());
        let outcomes = attempt(async move { jobs::commit(&shared, &all).await }).await;
        drop(permit);
        match outcomes {
            Ok(outcomes) => {
                let answers = deliveries.into_iter().zip(plans.iter()).zip(outcomes);
                let answers = answers.map(|((delivery, plan), outcome)| {
                    let span = span(&delivery);
                    jobs::name_session(&span, plan);
                    (delivery, span, Ok(outcome))
                });
                answer(context, answers.collect(), start.elapsed()).await;
                return Vec::new();
            }
            Err(error) => {
                tracing::warn!(error = error.chain(), "A batch failed; each is tried alone");
                // In an outage none of them is tried in vain.
                probe::is_outage(context, &error).await;
            }
        }
    }
    // One that timed out may not have let go of them yet.
    let plans = Arc::unwrap_or_clone(plans);
    let jobs = plans.into_iter().map(|plan| Ok(Job::Planned(plan)));
    deliveries.into_iter().zip(jobs).collect()
}

/// One first-time delivery.
async fn execute(
    context: &Arc<Context>,
    lane: Lane,
    delivery: Delivery,
    job: Result<Job, JobError>,
) {
    let start = Instant::now();
    let run = async {
        context.breakers.check_lane(lane)?;
        let job = job?;
        let _permit = context.crash_guard.beside_others().await;
        let (shared, trace) = (context.clone(), delivery.message.traceparent.clone());
        attempt(async move { jobs::run_job(&shared, job, trace.as_deref()).await }).await
    };
    let span = span(&delivery);
    let outcome = run.instrument(span.clone()).await;
    answer(context, vec![(delivery, span, outcome)], start.elapsed()).await;
}

/// One delivery that was handed out before without an answer: its message may kill workers.
pub async fn execute_redelivered(context: Arc<Context>, lane: Lane, delivery: Delivery) {
    let start = Instant::now();
    let (shared, message) = (context.clone(), delivery.message.clone());
    let run = async {
        if let Err(down) = context.breakers.check_lane(lane) {
            return Some(Err(down.into()));
        }
        let job = Box::pin(attempt(async move { jobs::run(&shared, &message).await }));
        let (db, guard) = (&context.db, &context.crash_guard);
        guard.run(db, context.clock, &delivery, job).await
    };
    let span = span(&delivery);
    // If there is none, it is another worker's by now.
    if let Some(outcome) = run.instrument(span.clone()).await {
        answer(&context, vec![(delivery, span, outcome)], start.elapsed()).await;
    }
}

/// Runs `work` as a task of its own, for a bounded time: a panic ends the job, not the worker.
async fn attempt<T: Send + 'static>(
    work: impl Future<Output = Result<T, JobError>> + Send + 'static,
) -> Result<T, JobError> {
    let mut task = tokio::spawn(work.in_current_span());
    match tokio::time::timeout(ATTEMPT_TIMEOUT, &mut task).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panic)) => Err(JobError::new(FailureCode::Panicked, panic)),
        Err(elapsed) => {
            task.abort();
            Err(elapsed.into())
        }
    }
}

fn span(delivery: &Delivery) -> tracing::Span {
    let message = &delivery.message;
    tracing::info_span!(
        "job",
        message_id = message.message_id,
        kind = message.kind,
        attempt = message.attempt,
        traceparent = message.traceparent,
        checkout_session.id = tracing::field::Empty,
    )
}

/// Tells the queue what becomes of each message: acked, retried, or dead-lettered.
async fn answer(context: &Context, answers: Vec<Answer>, took: Duration) {
    let mut done = Vec::with_capacity(answers.len());
    for (delivery, span, outcome) in answers {
        match outcome {
            Ok(outcome) => {
                span.in_scope(|| note_done(context, &delivery, outcome, took));
                done.push(delivery);
            }
            Err(error) => {
                let answer = async { warn_if_unanswered(fail(context, delivery, &error).await) };
                answer.instrument(span).await;
            }
        }
    }
    if !done.is_empty() {
        let acked = Delivery::ack_all(done).await;
        failpoint::crash_at("job_after_ack");
        warn_if_unanswered(acked);
    }
}

fn note_done(context: &Context, delivery: &Delivery, outcome: Fulfillment, took: Duration) {
    tracing::info!(outcome = outcome.as_str(), "Job done");
    let message = &delivery.message;
    let age = message.age((context.clock)());
    metrics::job_done(message.kind_word(), outcome.as_str(), took, age);
}

fn warn_if_unanswered(answered: Result<(), PublishError>) {
    if let Err(error) = answered {
        tracing::warn!(%error, "The queue did not take the answer; it will hand the message out again");
    }
}

/// An outage is charged to no message; what may pass is retried, as long as the policy says.
async fn fail(context: &Context, delivery: Delivery, error: &JobError) -> Result<(), PublishError> {
    let code = error.code().as_str();
    delivery.failed();
    if probe::is_outage(context, error).await {
        tracing::warn!(error = error.chain(), code, "Not done for an outage");
        metrics::job_failed(code, "outage");
        return delivery.postpone(RetryTier::TenSeconds, code).await;
    }
    let tier = retry_policy::tier(delivery.message.attempt);
    if let Some(tier) = tier.filter(|_| error.code().is_retryable()) {
        tracing::warn!(
            error = error.chain(),
            code,
            retry_in = tier.as_str(),
            "Job failed"
        );
        metrics::job_failed(code, "retry");
        delivery.retry(tier, code).await
    } else {
        tracing::error!(error = error.chain(), code, "Job failed for good");
        metrics::job_failed(code, "dead_letter");
        delivery.dead_letter(code, error.detail()).await
    }
}
