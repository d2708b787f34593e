//! Consuming from the table: a consumer looks into it when it is woken, or has waited long enough.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::Span;

use crate::{
    db::job,
    queue::{
        Delivery, Lane,
        embedded::{Queue, acker::Answer},
    },
    retry,
};

/// Hand-outs of one message before it is dead-lettered: it kills its worker.
const DELIVERY_LIMIT: i32 = 20;
/// How soon a message published by another process is noticed; within one, at once.
const POLL: Duration = Duration::from_millis(100);

/// Takes messages off one lane.
pub struct Consumer {
    queue: Queue,
    lane: Lane,
    stop: CancellationToken,
}

impl Consumer {
    pub(in crate::queue) fn new(queue: Queue, lane: Lane, stop: CancellationToken) -> Self {
        Self { queue, lane, stop }
    }

    pub(in crate::queue) async fn next_batch(&mut self, most: usize) -> Vec<Delivery> {
        let mut failures = retry::endless(POLL, Duration::from_secs(5));
        while !self.stop.is_cancelled() {
            let published = self.queue.lane(self.lane).published.notified();
            let wait = match self.queue.claim(self.lane, most).await {
                Ok(jobs) if jobs.is_empty() => POLL,
                Ok(jobs) => {
                    let batch = self.sort_out(jobs).await;
                    if batch.is_empty() {
                        continue;
                    }
                    return batch;
                }
                Err(error) => {
                    tracing::warn!(%error, "Cannot read the embedded queue");
                    failures.next().unwrap_or(POLL)
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = published => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        Vec::new()
    }

    pub(in crate::queue) async fn close(self) {
        if let Err(error) = self.queue.forget(self.lane).await {
            tracing::warn!(%error, "What is done will be handed out once more");
        }
    }

    /// Sets aside what was handed out too often.
    async fn sort_out(&self, jobs: Vec<job::Model>) -> Vec<Delivery> {
        let mut batch = Vec::with_capacity(jobs.len());
        for job in jobs {
            let too_often = job.deliveries > DELIVERY_LIMIT;
            let delivery = delivery(&self.queue, self.lane, job);
            if !too_often {
                batch.push(delivery);
            } else if let Err(error) = delivery.dead_letter("delivery_limit", None).await {
                tracing::warn!(%error, "Could not set a poisonous message aside");
            }
        }
        batch
    }
}

fn delivery(queue: &Queue, lane: Lane, job: job::Model) -> Delivery {
    let redelivered = job.deliveries > 1;
    let answer = Answer {
        queue: queue.clone(),
        consumer: lane,
        id: job.id,
        lease: job.lease,
        lane: job.lane.clone(),
    };
    let routing_key = job.lane.clone();
    let message = job.into();
    Delivery {
        redelivered,
        lane: routing_key,
        answer: crate::queue::delivery::Answer::Embedded(answer),
        _unacked: queue.unacked.note(lane, &message),
        span: Span::none(),
        message,
    }
}
