//! A delivered message, and the answers it may get. If the queue cannot be told one, which is a
//! [`PublishError`], it will hand the message out again.

#![expect(clippy::missing_errors_doc, reason = "said once, above")]

use std::time::Duration;

use tracing::Span;

use crate::{
    message::Envelope,
    queue::{PublishError, RetryTier, embedded, rabbitmq, unacked::UnackedDelivery},
    retry,
    service::spans,
    traceparent::Traceparent,
};

/// Failed messages enter their tier up to a fifth of this later, or of the tier if it is shorter.
const SPREAD_BASE: Duration = Duration::from_secs(5);

/// Of what a failure said, in characters.
const LONGEST_DETAIL: usize = 255;

/// One attempt of the queue to hand over a message. It must be answered; an answer that
/// fails, and the end of this process, hand the message out again.
pub struct Delivery {
    /// The message.
    pub message: Envelope,
    /// Whether it was handed out before, perhaps to a worker that crashed.
    pub redelivered: bool,
    /// Its routing key: the lane it was published into.
    pub lane: String,
    pub(super) answer: Answer,
    /// Counts it as unacked.
    pub(super) _unacked: UnackedDelivery,
    /// Of the work on it.
    pub(super) span: Span,
}

pub(super) enum Answer {
    RabbitMq(rabbitmq::acker::Answer),
    Embedded(embedded::acker::Answer),
}

impl Delivery {
    /// Work on it begins, of which everything that comes of it is a part.
    pub(super) fn begin(&mut self, system: &str) {
        let (id, parent) = (
            self.message.message_id.as_deref(),
            self.message.traceparent.as_deref(),
        );
        self.span = spans::process(system, &self.lane, id, parent);
        // What came without a trace has one from here on, and whether it is sampled is decided once.
        let begun = || self.message.traceparent.is_none().then(Traceparent::new);
        if let Some(here) = spans::context(&self.span).or_else(begun) {
            self.message.traceparent = Some(here.as_str().to_owned());
        }
    }

    /// The work on it failed.
    pub fn failed(&self) {
        spans::failed(&self.span);
    }

    /// Tells the queue that work on it begins only now. Returns whether it is still ours: what
    /// waited too long is redelivered to another worker.
    pub async fn renew(&self) -> Result<bool, PublishError> {
        match &self.answer {
            Answer::RabbitMq(_) => Ok(true),
            Answer::Embedded(answer) => answer.renew().await,
        }
    }

    /// The message is done: forget it. Call it after the commit, never before. The embedded queue forgets it with
    /// the next claim: in between, a crash has it handed out once more.
    pub async fn ack(self) -> Result<(), PublishError> {
        Self::ack_all([self]).await
    }

    /// All of them are done, and one consumer has handed them out. Costs less than one by one.
    pub async fn ack_all(deliveries: impl IntoIterator<Item = Self>) -> Result<(), PublishError> {
        let (mut broker, mut embedded) = (Vec::new(), Vec::new());
        for delivery in deliveries {
            match delivery.answer {
                Answer::RabbitMq(answer) => broker.push(answer),
                Answer::Embedded(answer) => embedded.push(answer),
            }
        }
        rabbitmq::acker::Answer::ack_all(broker).await?;
        embedded::acker::Answer::ack_all(&embedded);
        Ok(())
    }

    /// The message shall come back after `tier`.
    ///
    /// - `error_code`: why, for the header `bookonce-last-error`.
    pub async fn retry(mut self, tier: RetryTier, error_code: &str) -> Result<(), PublishError> {
        self.message.attempt = self.message.attempt.saturating_add(1);
        if let Answer::RabbitMq(_) = self.answer {
            // Each waits as long in a tier, so what failed together is spread before it.
            let base = tier.delay().min(SPREAD_BASE);
            tokio::time::sleep(retry::spread(base).saturating_sub(base)).await;
        }
        self.postpone(tier, error_code).await
    }

    /// The same, without counting the attempt: it was not the message's fault.
    pub async fn postpone(mut self, tier: RetryTier, error_code: &str) -> Result<(), PublishError> {
        self.message.last_error = Some(error_code.to_owned());
        match self.answer {
            Answer::RabbitMq(answer) => answer.retry(tier, &self.message).await,
            Answer::Embedded(answer) => answer.retry(tier, &self.message).await,
        }
    }

    /// The message will never succeed: set it aside for an operator, with the `reason`.
    ///
    /// - `detail`: what the failure said, if the code does not say it all.
    pub async fn dead_letter(
        mut self,
        reason: &str,
        detail: Option<String>,
    ) -> Result<(), PublishError> {
        self.message.last_error = Some(reason.to_owned());
        self.message.last_error_detail = detail.map(|it| it.chars().take(LONGEST_DETAIL).collect());
        match self.answer {
            Answer::RabbitMq(answer) => answer.dead_letter(&self.message).await,
            Answer::Embedded(answer) => answer.dead_letter(&self.message).await,
        }
    }
}
