//! The queue between ingress and worker, on RabbitMQ or in a table of the database, with
//! the same guarantees: durable before a publish returns, gone only after an ack, delayed
//! retries, dead letters.

pub mod embedded;
pub mod rabbitmq;
mod rabbitmq_consumer;
pub mod topology;

use std::time::Duration;

use sea_orm::{DatabaseConnection, DbErr};
use tokio_util::sync::CancellationToken;

use crate::{message::Envelope, settings::QueueSettings};

/// A queue of its own with consumers of its own, so that one kind of work never waits
/// behind another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Events from Stripe.
    Events,
    /// Sessions a buyer is waiting for.
    Confirm,
    /// What no binding wanted: messages published while a queue was missing.
    Unroutable,
}

impl Lane {
    /// Routing key of the messages in this lane.
    #[must_use]
    pub fn routing_key(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Confirm => "confirm",
            Self::Unroutable => "unroutable",
        }
    }
}

/// How long a failed message waits before it comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryTier {
    /// 10 seconds.
    TenSeconds,
    /// 1 minute.
    OneMinute,
    /// 10 minutes.
    TenMinutes,
    /// 1 hour.
    OneHour,
}

impl RetryTier {
    /// Every tier, shortest first.
    pub const ALL: [Self; 4] = [
        Self::TenSeconds,
        Self::OneMinute,
        Self::TenMinutes,
        Self::OneHour,
    ];

    /// The wait.
    #[must_use]
    pub fn delay(self) -> Duration {
        Duration::from_secs(match self {
            Self::TenSeconds => 10,
            Self::OneMinute => 60,
            Self::TenMinutes => 600,
            Self::OneHour => 3600,
        })
    }

    /// The tier's part of an exchange or queue name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TenSeconds => "10s",
            Self::OneMinute => "1m",
            Self::TenMinutes => "10m",
            Self::OneHour => "1h",
        }
    }
}

/// The message may not be durable; the caller must not act as if it were.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The broker asked publishers to stop, for lack of memory or disk.
    #[error("the broker blocks publishers")]
    Blocked,
    /// No confirm in time. The message may still arrive.
    #[error("the broker did not confirm in time")]
    TimedOut,
    /// The broker refused the message.
    #[error("the broker refused the message")]
    Refused,
    /// No queue is bound for the message.
    #[error("the broker returned the message as unroutable")]
    Returned,
    /// There is no connection to the broker.
    #[error("the broker cannot be reached")]
    Disconnected,
    /// The connection or the channel failed.
    #[error("the broker failed")]
    Broker(#[from] lapin::Error),
    /// The embedded queue's database failed.
    #[error("the embedded queue's database failed")]
    Database(#[from] DbErr),
}

/// A queue could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Nobody answered in time.
    #[error("the broker did not answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The broker refused us, or the queues as we need them.
    #[error("the broker refused")]
    Broker(#[from] lapin::Error),
}

/// Puts messages on the queue. Cheap to clone; clones share one channel.
#[derive(Clone)]
pub enum Publisher {
    /// To a broker.
    RabbitMq(rabbitmq::Publisher),
    /// Into the database.
    Embedded(embedded::Queue),
}

impl Publisher {
    /// Connects and makes sure that the queues exist.
    ///
    /// - `name`: how the connection is called in the broker's lists.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if the broker cannot be reached or has other queues under our names.
    pub async fn open(
        settings: &QueueSettings,
        db: &DatabaseConnection,
        name: &str,
    ) -> Result<Self, OpenError> {
        match settings {
            QueueSettings::RabbitMq { uri, prefix } => Ok(Self::RabbitMq(
                rabbitmq::Publisher::open(uri, prefix, name).await?,
            )),
            QueueSettings::Embedded => Ok(Self::Embedded(embedded::Queue::new(db.clone()))),
        }
    }

    /// Puts `message` into `lane`. When this returns `Ok`, the message survives a crash of
    /// the broker and of this process.
    ///
    /// # Errors
    ///
    /// [`PublishError`] if that is not certain; publishing again may then duplicate it.
    pub async fn publish(&self, lane: Lane, message: &Envelope) -> Result<(), PublishError> {
        match self {
            Self::RabbitMq(publisher) => publisher.publish(lane, message).await,
            Self::Embedded(queue) => queue.publish(lane, message).await,
        }
    }

    /// Whether a publish would have a chance now.
    pub async fn is_ready(&self) -> bool {
        match self {
            Self::RabbitMq(publisher) => publisher.is_ready(),
            Self::Embedded(queue) => queue.is_ready().await,
        }
    }
}

/// Takes messages off one lane.
pub enum Consumer {
    /// From a broker.
    RabbitMq(Box<rabbitmq_consumer::Consumer>),
    /// From the database.
    Embedded(embedded::Consumer),
}

impl Consumer {
    /// The next message. `None` once all of it has come out after a shutdown, or when the
    /// queue ended consuming and it must be started again.
    pub async fn next(&mut self) -> Option<Delivery> {
        match self {
            Self::RabbitMq(consumer) => consumer.next().await,
            Self::Embedded(consumer) => consumer.next().await,
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
            Self::RabbitMq(_) => &[Lane::Events, Lane::Confirm, Lane::Unroutable],
            Self::Embedded(_) => &[Lane::Events, Lane::Confirm],
        }
    }

    /// Starts to consume `lane`.
    ///
    /// - `prefetch`: how many messages may be in hand at once.
    /// - `shutdown`: when to ask for no more. What is in hand still comes out.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if the broker refuses.
    pub async fn consume(
        &self,
        lane: Lane,
        prefetch: u16,
        shutdown: CancellationToken,
    ) -> Result<Consumer, OpenError> {
        match self {
            Self::RabbitMq(source) => {
                let consumer = source.consume(lane, prefetch, shutdown).await?;
                Ok(Consumer::RabbitMq(Box::new(consumer)))
            }
            Self::Embedded(queue) => Ok(Consumer::Embedded(queue.consume(lane, shutdown))),
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
    answer: Answer,
}

enum Answer {
    RabbitMq(rabbitmq_consumer::Answer),
    Embedded(embedded::Answer),
}

impl Delivery {
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

    /// The message shall come back after `tier`.
    ///
    /// - `error_code`: why, for the header `bookonce-last-error`.
    ///
    /// # Errors
    ///
    /// [`PublishError`] if the queue cannot be told; the message will be handed out again.
    pub async fn retry(mut self, tier: RetryTier, error_code: &str) -> Result<(), PublishError> {
        self.message.attempt = self.message.attempt.saturating_add(1);
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
