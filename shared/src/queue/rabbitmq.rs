//! Publishing to RabbitMQ: one confirm channel shared by all callers.
//!
//! Sharing is what pipelines the confirms. When the connection is lost, a task builds a new
//! one, topology included; until then a publish fails at once.

mod ack_window;
pub(super) mod acker;
pub(super) mod amqp_message;
mod confirm_breaker;
pub(super) mod connection;
pub(super) mod consumer;
pub(super) mod ensure;
mod frame_care;

use std::{sync::Arc, time::Duration};

use lapin::{BasicProperties, Confirmation};
use tokio::sync::watch;

use crate::{
    config::AmqpUri,
    db::outbox,
    message::Envelope,
    queue::{
        Lane, OpenError, Patience, PublishError, RetryTier,
        rabbitmq::{
            confirm_breaker::ConfirmBreaker,
            connection::{Link, Route, first_link, keep},
        },
        topology::Topology,
    },
    service::failpoint,
};

/// For one confirm: well under the 10 s after which Stripe gives a delivery up.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(4);

/// Publishes. Clones share a connection and a channel.
#[derive(Clone)]
pub struct Publisher {
    link: watch::Receiver<Option<Link>>,
    topology: Arc<Topology>,
    app_id: Arc<str>,
    stall: Arc<ConfirmBreaker>,
}

impl Publisher {
    /// Connects, declares the topology and turns on confirms.
    ///
    /// - `patience`: what to do about a broker that is down.
    pub(super) async fn open(
        uri: &AmqpUri,
        topology: Topology,
        name: &str,
        patience: Patience,
    ) -> Result<Self, OpenError> {
        let topology = Arc::new(topology);
        let connection_name = format!("{name} publish");
        let first = match patience {
            Patience::Wait => Some(first_link(uri, &topology, &connection_name).await?),
            Patience::GoOn => match Link::open(uri, &topology, &connection_name).await {
                Err(error) if error.may_pass() => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "Starting without the broker");
                    None
                }
                outcome => Some(outcome?),
            },
        };
        let (sender, link) = watch::channel(first);
        tokio::spawn(keep(sender, uri.clone(), topology.clone(), connection_name));
        Ok(Self {
            link,
            topology,
            app_id: name.into(),
            stall: Arc::default(),
        })
    }

    pub(super) async fn publish(&self, lane: Lane, message: &Envelope) -> Result<(), PublishError> {
        self.publish_to(&self.topology.work_exchange(), lane.routing_key(), message)
            .await
    }

    /// Publishes to a queue of ours.
    pub(super) async fn publish_to(
        &self,
        exchange: &str,
        routing_key: &str,
        message: &Envelope,
    ) -> Result<(), PublishError> {
        let properties = amqp_message::properties(message, &self.app_id);
        let route = Route {
            exchange,
            routing_key,
            mandatory: true,
        };
        self.confirmed(route, &message.body, properties).await
    }

    /// Publishes for whichever queue is bound.
    pub(super) async fn notify(
        &self,
        notification: &outbox::Model,
        traceparent: Option<&str>,
    ) -> Result<(), PublishError> {
        let route = Route {
            exchange: &self.topology.notifications_exchange(),
            routing_key: notification.kind.as_str(),
            mandatory: false,
        };
        let properties = amqp_message::of_notification(notification, traceparent, &self.app_id);
        let body = notification.document.as_bytes();
        self.confirmed(route, body, properties).await
    }

    /// Publishes and waits for the broker's confirm. Success is one value only: an ack
    /// without a returned message.
    async fn confirmed(
        &self,
        route: Route<'_>,
        body: &[u8],
        properties: BasicProperties,
    ) -> Result<(), PublishError> {
        let link = self
            .link
            .borrow()
            .clone()
            .ok_or(PublishError::Disconnected)?;
        // A blocked connection would take the message into memory without bound.
        if link.is_blocked() {
            return Err(PublishError::Blocked);
        }
        if !self.stall.lets_pass() {
            return Err(PublishError::TimedOut);
        }
        let published = async {
            let confirm = link.publish_in_turn(route, body, properties).await?;
            failpoint::crash_at("publish_before_confirm");
            confirm.await.map_err(PublishError::Broker)
        };
        let outcome = tokio::time::timeout(CONFIRM_TIMEOUT, published).await;
        self.stall.note(outcome.is_err());
        match outcome {
            Err(_) => Err(PublishError::TimedOut),
            Ok(Err(error)) => Err(error),
            Ok(Ok(Confirmation::Ack(None))) => Ok(()),
            Ok(Ok(Confirmation::Ack(Some(_)))) => Err(PublishError::Returned),
            Ok(Ok(Confirmation::Nack(_) | Confirmation::NotRequested)) => {
                Err(PublishError::Refused)
            }
        }
    }

    pub(super) async fn waiting(&self, lane: Lane) -> Result<u64, PublishError> {
        self.messages_of(self.topology.queues_of(lane)).await
    }

    pub(super) async fn to_be_retried(&self) -> Result<u64, PublishError> {
        let tiers = RetryTier::ALL.map(|tier| self.topology.retry_queue(tier));
        self.messages_of(tiers).await
    }

    async fn messages_of(
        &self,
        queues: impl IntoIterator<Item = String>,
    ) -> Result<u64, PublishError> {
        let mut messages: u64 = 0;
        for queue in queues {
            messages = messages.saturating_add(self.messages_in(&queue).await?);
        }
        Ok(messages)
    }

    async fn messages_in(&self, queue: &str) -> Result<u64, PublishError> {
        let link = self.link.borrow().clone();
        let link = link.ok_or(PublishError::Disconnected)?;
        let count = tokio::time::timeout(CONFIRM_TIMEOUT, link.count(queue)).await;
        let count = count.map_err(|_| PublishError::TimedOut)?;
        count.map(u64::from).map_err(PublishError::Broker)
    }

    pub(super) fn is_ready(&self) -> bool {
        let link = self.link.borrow();
        link.as_ref()
            .is_some_and(|link| link.is_up() && !link.is_blocked())
    }
}
