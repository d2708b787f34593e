//! Taking messages off the queue, whichever it is.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{
    Lane, OpenError, PublishError, Publisher, RetryTier, embedded, embedded_answer,
    embedded_consumer, rabbitmq_answer, rabbitmq_consumer,
};
use crate::{message::Envelope, retry, settings::QueueSettings};

/// Failed messages enter their tier up to a fifth of this later, or of the tier if it is shorter.
const SPREAD_BASE: Duration = Duration::from_secs(5);

/// Takes messages off one lane.
pub enum Consumer {
    /// From a broker.
    RabbitMq(Box<rabbitmq_consumer::Consumer>),
    /// From the database.
    Embedded(embedded_consumer::Consumer),
}

impl Consumer {
    /// The next message. `None` once all of it has come out after a shutdown, or when the
    /// queue ended consuming and it must be started again.
    pub async fn next(&mut self) -> Option<Delivery> {
        match self {
            Self::RabbitMq(consumer) => consumer.next().await,
            Self::Embedded(consumer) => consumer.next_batch(1).await.pop(),
        }
    }

    /// The next message, and what else is there already, up to `most`: nobody waits for a batch
    /// to fill. Empty where [`Self::next`] would be `None`.
    pub async fn next_batch(&mut self, most: usize) -> Vec<Delivery> {
        match self {
            Self::RabbitMq(consumer) => {
                let mut batch: Vec<Delivery> = consumer.next().await.into_iter().collect();
                while !batch.is_empty()
                    && batch.len() < most
                    && let Some(delivery) = consumer.ready()
                {
                    batch.push(delivery);
                }
                batch
            }
            Self::Embedded(consumer) => consumer.next_batch(most).await,
        }
    }

    /// Whether messages arrive before they are asked for.
    #[must_use]
    pub fn hands_out_ahead(&self) -> bool {
        matches!(self, Self::RabbitMq(_))
    }

    /// The next message that arrives without being asked for, whether more are wanted or not.
    /// `None` at the end, and after a trouble that is in the log. Dropping the future loses nothing.
    pub async fn arrival(&mut self) -> Option<Delivery> {
        match self {
            Self::RabbitMq(consumer) => consumer.arrival().await,
            Self::Embedded(_) => std::future::pending().await,
        }
    }

    /// Waits until no more messages are wanted and [`Self::stop`] has to be called, even if
    /// nobody can take the next one now.
    pub async fn asked_to_stop(&self) {
        match self {
            Self::RabbitMq(consumer) => consumer.asked_to_stop().await,
            // It hands out nothing by itself.
            Self::Embedded(_) => std::future::pending().await,
        }
    }

    /// Asks the queue for no more. What it has handed out still comes out, if it agrees;
    /// returns whether it did.
    pub async fn stop(&mut self) -> bool {
        match self {
            Self::RabbitMq(consumer) => consumer.stop().await,
            Self::Embedded(_) => true,
        }
    }

    /// Ends it, once everything is answered: the queue has heard every answer then.
    pub async fn close(self) {
        if let Self::RabbitMq(consumer) = self {
            consumer.close().await;
        }
    }
}

/// Opens consumers.
#[derive(Clone)]
pub enum ConsumerSource {
    /// From a broker.
    RabbitMq(rabbitmq_consumer::ConsumerSource),
    /// From the database.
    Embedded(embedded::Queue),
}

impl ConsumerSource {
    /// A source of consumers beside `publisher`.
    ///
    /// - `name`: how the connections are called in the broker's lists.
    #[must_use]
    pub fn new(settings: &QueueSettings, publisher: &Publisher, name: &str) -> Self {
        match (settings, publisher) {
            (QueueSettings::RabbitMq { uri, .. }, Publisher::RabbitMq(publisher)) => {
                Self::RabbitMq(rabbitmq_consumer::ConsumerSource::new(uri, publisher, name))
            }
            (_, Publisher::Embedded(queue)) => Self::Embedded(queue.clone()),
            (QueueSettings::Embedded, Publisher::RabbitMq(_)) => {
                unreachable!("publisher and consumer are opened with the same settings")
            }
        }
    }

    /// The lanes there are.
    #[must_use]
    pub fn lanes(&self) -> &'static [Lane] {
        match self {
            Self::RabbitMq(_) => &[Lane::Events, Lane::Confirm, Lane::Unroutable, Lane::Dead],
            // It puts aside what is dead by itself.
            Self::Embedded(_) => &[Lane::Events, Lane::Confirm],
        }
    }

    /// Starts to consume `lane`.
    ///
    /// - `prefetch`: how many messages may be in hand at once.
    /// - `stop`: when to ask for no more. What is in hand still comes out.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if the broker refuses.
    pub async fn consume(
        &self,
        lane: Lane,
        prefetch: u16,
        stop: CancellationToken,
    ) -> Result<Consumer, OpenError> {
        match self {
            Self::RabbitMq(source) => {
                let consumer = source.consume(lane, prefetch, stop).await?;
                Ok(Consumer::RabbitMq(Box::new(consumer)))
            }
            Self::Embedded(queue) => Ok(Consumer::Embedded(queue.consume(lane, stop))),
        }
    }

    /// Whether messages can arrive now.
    pub async fn is_ready(&self) -> bool {
        match self {
            Self::RabbitMq(source) => source.is_ready(self.lanes().len()),
            Self::Embedded(queue) => queue.is_ready().await,
        }
    }
}

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
}

pub(super) enum Answer {
    RabbitMq(rabbitmq_answer::Answer),
    Embedded(embedded_answer::Answer),
}

impl Delivery {
    /// Tells the queue that work on it begins only now. Returns whether it is still ours: what
    /// waited too long is handed to somebody else.
    ///
    /// # Errors
    ///
    /// [`PublishError`] if the queue cannot be told; the message will be handed out again.
    pub async fn renew(&self) -> Result<bool, PublishError> {
        match &self.answer {
            Answer::RabbitMq(_) => Ok(true),
            Answer::Embedded(answer) => answer.renew().await,
        }
    }

    /// The message is done: forget it. Call it after the commit, never before.
    ///
    /// # Errors
    ///
    /// [`PublishError`] if the queue cannot be told; the message will be handed out again.
    pub async fn ack(self) -> Result<(), PublishError> {
        match self.answer {
            Answer::RabbitMq(answer) => answer.ack().await,
            Answer::Embedded(answer) => answer.ack().await,
        }
    }

    /// All of them are done, and one consumer has handed them out. Costs less than one by one.
    ///
    /// # Errors
    ///
    /// [`PublishError`] if the queue cannot be told; they will be handed out again.
    pub async fn ack_all(deliveries: impl IntoIterator<Item = Self>) -> Result<(), PublishError> {
        let (mut broker, mut embedded) = (Vec::new(), Vec::new());
        for delivery in deliveries {
            match delivery.answer {
                Answer::RabbitMq(answer) => broker.push(answer),
                Answer::Embedded(answer) => embedded.push(answer),
            }
        }
        rabbitmq_answer::Answer::ack_all(broker).await?;
        embedded_answer::Answer::ack_all(embedded).await
    }

    /// The message shall come back after `tier`.
    ///
    /// - `error_code`: why, for the header `bookonce-last-error`.
    ///
    /// # Errors
    ///
    /// [`PublishError`] if the queue cannot be told; the message will be handed out again.
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
    ///
    /// # Errors
    ///
    /// [`PublishError`] if the queue cannot be told; the message will be handed out again.
    pub async fn postpone(mut self, tier: RetryTier, error_code: &str) -> Result<(), PublishError> {
        self.message.last_error = Some(error_code.to_owned());
        match self.answer {
            Answer::RabbitMq(answer) => answer.retry(tier, &self.message).await,
            Answer::Embedded(answer) => answer.retry(tier, &self.message).await,
        }
    }

    /// The message will never succeed: set it aside for an operator, with the `reason`.
    ///
    /// # Errors
    ///
    /// [`PublishError`] if the queue cannot be told; the message will be handed out again.
    pub async fn dead_letter(mut self, reason: &str) -> Result<(), PublishError> {
        self.message.last_error = Some(reason.to_owned());
        match self.answer {
            Answer::RabbitMq(answer) => answer.dead_letter(&self.message).await,
            Answer::Embedded(answer) => answer.dead_letter(&self.message).await,
        }
    }
}
