//! What a worker looks up for `/metrics`, because only the queue and the database know it.

use std::collections::HashMap;

use sea_orm::{EntityTrait, PaginatorTrait};
use shared::{
    clock,
    db::{
        booking,
        recurring_job::{self, AUDIT, RECONCILE},
    },
    queue::{ConsumerSource, Lane, Publisher},
    service::metrics,
};
use time::{Duration, OffsetDateTime};

use crate::{
    Context,
    job_error::JobError,
    maintenance::samples::{QueueSample, Sample},
    notifications::backlog,
    operator::dead_letters,
};

/// The queue of messages that wait for their next attempt, as metrics call it.
const RETRY: &str = "retry";

/// Where they are read, and what has to be remembered for them.
pub struct Gauges<'a> {
    publisher: &'a Publisher,
    source: &'a ConsumerSource,
    /// When nothing waited in a lane, as seen last.
    empty_at: HashMap<Lane, OffsetDateTime>,
}

impl<'a> Gauges<'a> {
    pub fn new(publisher: &'a Publisher, source: &'a ConsumerSource) -> Self {
        Self {
            publisher,
            source,
            empty_at: HashMap::new(),
        }
    }

    /// Reads all of them once.
    pub async fn read(&mut self, context: &Context) -> Result<(), JobError> {
        let now = (context.clock)();
        // Apart from each other: one that is down says nothing of the other.
        let queues = self.read_queues(now).await;
        read_database(context, now).await?;
        let queues = queues?;
        context.samples.add(Sample { at: now, queues });
        Ok(())
    }

    async fn read_queues(&mut self, now: OffsetDateTime) -> Result<Vec<QueueSample>, JobError> {
        let mut samples = Vec::new();
        for lane in self.source.lanes() {
            let unacked = self.source.unacked(*lane);
            let mut oldest = unacked
                .oldest_ms
                .map(|at| Duration::milliseconds(clock::unix_ms(now).saturating_sub(at)));
            let ready = self.publisher.waiting(*lane).await?;
            metrics::queue_ready(lane.routing_key(), ready);
            let empty_at = self.empty_at.entry(*lane).or_insert(now);
            if ready == 0 {
                *empty_at = now;
            }
            // None is taken, perhaps for an outage: the oldest came after the queue was last empty.
            if unacked.messages == 0 {
                oldest = Some(clock::elapsed(*empty_at, now));
            }
            let oldest = oldest.unwrap_or_default().max(Duration::ZERO);
            metrics::queue_taken(lane.routing_key(), unacked.messages, oldest);
            samples.push(QueueSample {
                queue: lane.routing_key(),
                ready,
                unacked: unacked.messages,
                oldest_ms: u64::try_from(oldest.whole_milliseconds()).unwrap_or_default(),
                answered: unacked.answered,
            });
        }
        let ready = self.publisher.to_be_retried().await?;
        metrics::queue_ready(RETRY, ready);
        samples.push(QueueSample {
            queue: RETRY,
            ready,
            unacked: 0,
            oldest_ms: 0,
            answered: 0,
        });
        Ok(samples)
    }
}

async fn read_database(context: &Context, now: OffsetDateTime) -> Result<(), JobError> {
    let db = &context.db;
    metrics::dead_letters(dead_letters::count_open(db).await?);
    metrics::needs_attention(booking::needing_attention().count(db).await?);
    let (number, oldest) = backlog::outbox(db, now).await?;
    metrics::outbox_waiting(number, oldest);
    let (number, oldest) = backlog::deliveries(db, context.mailer.is_some(), now).await?;
    metrics::deliveries_waiting(number, oldest);
    for job in recurring_job::Entity::find().all(db).await? {
        match (job.name.as_str(), job.last_success_at) {
            (RECONCILE, Some(at)) => metrics::reconcile_succeeded(at),
            (AUDIT, Some(at)) => metrics::audit_succeeded(at),
            _ => {}
        }
    }
    Ok(())
}
