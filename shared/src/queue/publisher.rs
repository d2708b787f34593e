//! Putting messages on the queue, whichever it is.

use std::time::Instant;

use sea_orm::DatabaseConnection;

use crate::{
    config::QueueSettings,
    db::outbox,
    message::Envelope,
    queue::{Lane, OpenError, PublishError, embedded, rabbitmq, topology::Topology},
    service::{metrics, spans},
    traceparent::Traceparent,
};

/// Puts messages on the queue. Cheap to clone; clones share one channel.
#[derive(Clone)]
pub enum Publisher {
    /// To a broker.
    RabbitMq(rabbitmq::Publisher),
    /// Into the database.
    Embedded(embedded::Queue),
}

/// What to do about a broker that is down when it is to be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Try for some seconds, and fail then: for commands.
    Wait,
    /// Go on without it, and connect when it is back: for services.
    GoOn,
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
        patience: Patience,
    ) -> Result<Self, OpenError> {
        match Topology::of(settings) {
            Some((uri, topology)) => {
                let publisher = rabbitmq::Publisher::open(uri, topology, name, patience).await?;
                Ok(Self::RabbitMq(publisher))
            }
            None => Ok(Self::Embedded(embedded::Queue::new(db.clone()))),
        }
    }

    /// Puts `message` into `lane`. When this returns `Ok`, the message survives a crash of
    /// the broker and of this process.
    ///
    /// # Errors
    ///
    /// [`PublishError`] if that is not certain; publishing again may then duplicate it.
    pub async fn publish(&self, lane: Lane, message: &Envelope) -> Result<(), PublishError> {
        let start = Instant::now();
        let (id, parent) = (
            message.message_id.as_deref(),
            message.traceparent.as_deref(),
        );
        let span = spans::send(self.system(), lane.routing_key(), id, parent);
        let traced = spans::context(&span).map(|here| message.continuing(&here));
        let message = traced.as_ref().unwrap_or(message);
        let outcome = match self {
            Self::RabbitMq(publisher) => publisher.publish(lane, message).await,
            Self::Embedded(queue) => queue.publish(lane, message).await,
        };
        if outcome.is_err() {
            spans::failed(&span);
        }
        let word = outcome
            .as_ref()
            .map_or_else(PublishError::code, |()| "confirmed");
        metrics::publish(lane.routing_key(), word, start.elapsed());
        outcome
    }

    /// Publishes what happened for the queues that are bound for it; the same guarantee. Without a broker no
    /// queue can be bound.
    ///
    /// # Errors
    ///
    /// [`PublishError`] if it is not certain; publishing again may then duplicate it.
    pub async fn notify(&self, notification: &outbox::Model) -> Result<(), PublishError> {
        let Self::RabbitMq(publisher) = self else {
            return Ok(());
        };
        let (id, kind) = (notification.id.to_string(), notification.kind.as_str());
        let parent = notification.traceparent.as_deref();
        let span = spans::send(self.system(), kind, Some(&id), parent);
        let here = spans::context(&span);
        let traceparent = here.as_ref().map(Traceparent::as_str).or(parent);
        let outcome = publisher.notify(notification, traceparent).await;
        if outcome.is_err() {
            spans::failed(&span);
        }
        outcome
    }

    /// As OpenTelemetry calls it.
    fn system(&self) -> &'static str {
        match self {
            Self::RabbitMq(_) => spans::RABBITMQ,
            Self::Embedded(_) => spans::EMBEDDED,
        }
    }

    /// Whether there is a broker, on which others can be told what happens.
    pub fn has_broker(&self) -> bool {
        matches!(self, Self::RabbitMq(_))
    }

    /// How many messages of `lane` no worker has yet, as far as the queue says.
    ///
    /// # Errors
    ///
    /// [`PublishError`] if the queue does not say.
    pub async fn waiting(&self, lane: Lane) -> Result<u64, PublishError> {
        match self {
            Self::RabbitMq(publisher) => publisher.waiting(lane).await,
            Self::Embedded(queue) => queue.waiting(lane).await.map_err(PublishError::Database),
        }
    }

    /// How many messages wait for their next attempt, as far as the queue says.
    ///
    /// # Errors
    ///
    /// [`PublishError`] if the queue does not say.
    pub async fn to_be_retried(&self) -> Result<u64, PublishError> {
        match self {
            Self::RabbitMq(publisher) => publisher.to_be_retried().await,
            Self::Embedded(queue) => queue.to_be_retried().await.map_err(PublishError::Database),
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
