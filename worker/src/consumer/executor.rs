//! A delivery from the first line in the log to the last: run it, and answer the queue.

use std::{
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
    consumer::crash_guard,
    fulfill_checkout::{News, fulfill_checkouts, lock::Subject},
    job_error::JobError,
    jobs::{self, stripe_event},
    outage::probe,
    retry_policy,
};

/// Of a batch, those that cannot share a transaction.
const ALONE_AT_ONCE: usize = 4;
/// Of these, one that had to wait so long for its turn may be somebody else's by now.
const WAITED_LONG: Duration = Duration::from_secs(2);

/// Deliveries that nobody has had in hand before: those that can share one transaction do. If
/// that fails, each is tried alone, so that one of them cannot hold up the others.
///
/// - `turn`: of those who write many at once; given back when that is done.
pub async fn attend_all(
    context: Arc<Context>,
    lane: Lane,
    deliveries: Vec<Delivery>,
    turn: OwnedSemaphorePermit,
) {
    let mut alone = Vec::new();
    let mut together = Vec::new();
    let many = deliveries.len() > 1 && context.breakers.check_lane(lane).is_ok();
    for delivery in deliveries {
        match many.then(|| session_said(&context, &delivery)) {
            Some(Some(said)) => together.push((delivery, said)),
            _ => alone.push(delivery),
        }
    }
    let start = Instant::now();
    let (deliveries, said): (Vec<_>, Vec<_>) = together.into_iter().unzip();
    match run_together(&context, said).await {
        Some(outcomes) => {
            for (delivery, outcome) in deliveries.iter().zip(outcomes) {
                span(delivery).in_scope(|| note_done(&context, delivery, outcome, start.elapsed()));
            }
            let answered = Delivery::ack_all(deliveries).await;
            failpoint::crash_at("job_after_ack");
            warn_if_untold(answered);
        }
        None => alone.extend(deliveries),
    }
    drop(turn);
    futures_util::stream::iter(alone)
        .for_each_concurrent(ALONE_AT_ONCE, async |delivery| {
            let is_ours = start.elapsed() < WAITED_LONG;
            if is_ours || matches!(delivery.renew().await, Ok(true)) {
                attend(context.clone(), lane, delivery).await;
            }
        })
        .await;
}

fn session_said(context: &Context, delivery: &Delivery) -> Option<stripe_event::SessionSaid> {
    stripe_event::session_said(context.mode, &context.endpoint_secrets, &delivery.message)
}

/// What came of each, or `None` if nothing came of any.
async fn run_together(
    context: &Arc<Context>,
    said: Vec<stripe_event::SessionSaid>,
) -> Option<Vec<Fulfillment>> {
    if said.is_empty() {
        return Some(Vec::new());
    }
    let _with_others = context.crash_guard.beside_others().await;
    let shared = context.clone();
    let mut task = tokio::spawn(async move {
        let news: Vec<News<'_>> = said
            .iter()
            .map(|said| News {
                subject: Subject::Session(&said.session),
                fact: &said.fact,
                event: Some(&said.event),
            })
            .collect();
        fulfill_checkouts(&shared, &news).await
    });
    match tokio::time::timeout(jobs::ATTEMPT_TIMEOUT, &mut task).await {
        Ok(Ok(Ok(outcomes))) => Some(outcomes),
        Ok(Ok(Err(error))) => {
            tracing::warn!(error = error.chain(), "A batch failed; each is tried alone");
            // In an outage none of them is tried in vain.
            probe::is_outage(context, &error).await;
            None
        }
        Ok(Err(_panicked)) => None,
        Err(_elapsed) => {
            task.abort();
            None
        }
    }
}

/// One delivery from its first line in the log to its last.
pub async fn attend(context: Arc<Context>, lane: Lane, delivery: Delivery) {
    let span = span(&delivery);
    async {
        let start = Instant::now();
        let outcome = match context.breakers.check_lane(lane) {
            Ok(()) if delivery.redelivered => match crash_guard::run(&context, &delivery).await {
                Some(outcome) => outcome,
                // Somebody else has it by now.
                None => return,
            },
            Ok(()) => {
                let _with_others = context.crash_guard.beside_others().await;
                jobs::attempt(&context, &delivery.message).await
            }
            Err(down) => Err(down.into()),
        };
        warn_if_untold(answer(&context, delivery, outcome, start.elapsed()).await);
    }
    .instrument(span)
    .await;
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

fn warn_if_untold(answered: Result<(), PublishError>) {
    if let Err(error) = answered {
        tracing::warn!(%error, "The queue did not take the answer; it will hand the message out again");
    }
}

fn note_done(context: &Context, delivery: &Delivery, outcome: Fulfillment, took: Duration) {
    tracing::info!(outcome = outcome.as_str(), "Job done");
    let message = &delivery.message;
    let age = message.age((context.clock)());
    metrics::job_done(message.kind_word(), outcome.as_str(), took, age);
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
            note_done(context, &delivery, fulfillment, took);
            let acked = delivery.ack().await;
            failpoint::crash_at("job_after_ack");
            return acked;
        }
        Err(error) => error,
    };
    if probe::is_outage(context, &error).await {
        let code = error.code().as_str();
        tracing::warn!(error = error.chain(), code, "Not done for an outage");
        metrics::job_failed(code, "outage");
        return delivery.postpone(RetryTier::TenSeconds, code).await;
    }
    let code = error.code().as_str();
    let tier = retry_policy::tier(delivery.message.attempt);
    match tier.filter(|_| error.is_retryable()) {
        Some(tier) => {
            tracing::warn!(
                error = error.chain(),
                code,
                retry_in = tier.as_str(),
                "Job failed"
            );
            metrics::job_failed(code, "retry");
            delivery.retry(tier, code).await
        }
        None => {
            tracing::error!(error = error.chain(), code, "Job failed for good");
            metrics::job_failed(code, "dead_letter");
            delivery.dead_letter(code).await
        }
    }
}
