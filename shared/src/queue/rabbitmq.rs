//! Publishing to RabbitMQ: one confirm channel shared by all callers.
//!
//! Sharing is what pipelines the confirms. When the connection is lost, a task builds a new
//! one, topology included; until then a publish fails at once.

use std::{sync::Arc, time::Duration};

use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldTable},
};
use tokio::sync::watch;

use super::{Lane, OpenError, PublishError, topology::Topology};
use crate::{message::Envelope, retry, settings::AmqpUri};

/// For one try to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Tries to connect at start; a process that finds no broker by then says so and ends.
const FIRST_CONNECT_TRIES: usize = 10;
/// Between two tries to connect.
const FIRST_DELAY: Duration = Duration::from_millis(200);
const LONGEST_DELAY: Duration = Duration::from_secs(2);
/// How soon a lost connection is noticed, once lapin knows.
const WATCH_INTERVAL: Duration = Duration::from_millis(100);
/// For one confirm: well under the 10 s after which Stripe gives a delivery up.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(4);

/// Names of the headers; part of the contract.
pub(super) mod header {
    pub const SCHEMA: &str = "bookonce-schema";
    pub const ATTEMPT: &str = "bookonce-attempt";
    pub const RECEIVED_AT_MS: &str = "bookonce-received-at-ms";
    pub const SOURCE: &str = "bookonce-source";
    pub const LAST_ERROR: &str = "bookonce-last-error";
    pub const TRACEPARENT: &str = "traceparent";
}

/// Opens a connection. It does not repair itself: whoever holds it builds another, which
/// leaves no channel in a state of which nobody knows whether it will come back.
///
/// - `name`: how it is called in the broker's lists.
pub(super) async fn connect(uri: &AmqpUri, name: &str) -> Result<Connection, OpenError> {
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    tokio::time::timeout(
        CONNECT_TIMEOUT,
        Connection::connect_uri(uri.expose(), properties),
    )
    .await
    .map_err(|_| OpenError::TimedOut(CONNECT_TIMEOUT))?
    .map_err(OpenError::from)
}

/// Publishes. Clones share a connection and a channel.
#[derive(Clone)]
pub struct Publisher {
    link: watch::Receiver<Option<Link>>,
    topology: Arc<Topology>,
    app_id: Arc<str>,
}

/// A connection and its confirm channel, for as long as both last.
#[derive(Clone)]
struct Link {
    connection: Arc<Connection>,
    channel: Channel,
}

impl Link {
    async fn open(uri: &AmqpUri, topology: &Topology, name: &str) -> Result<Self, OpenError> {
        let connection = connect(uri, name).await?;
        let prepare = async {
            let channel = connection.create_channel().await?;
            topology.declare(&channel).await?;
            channel
                .confirm_select(ConfirmSelectOptions::default())
                .await?;
            Ok(channel)
        };
        let channel = tokio::time::timeout(CONNECT_TIMEOUT, prepare)
            .await
            .map_err(|_| OpenError::TimedOut(CONNECT_TIMEOUT))?
            .map_err(OpenError::Broker)?;
        Ok(Self {
            connection: Arc::new(connection),
            channel,
        })
    }

    fn is_up(&self) -> bool {
        self.connection.status().connected() && self.channel.status().connected()
    }
}

/// Replaces a lost link, for as long as there is a publisher.
async fn keep(
    link: watch::Sender<Option<Link>>,
    uri: AmqpUri,
    topology: Arc<Topology>,
    name: String,
) {
    let mut delays = retry::endless(FIRST_DELAY, LONGEST_DELAY);
    while !link.is_closed() {
        if link.borrow().as_ref().is_some_and(Link::is_up) {
            delays = retry::endless(FIRST_DELAY, LONGEST_DELAY);
            tokio::time::sleep(WATCH_INTERVAL).await;
            continue;
        }
        if link.send_replace(None).is_some() {
            tracing::warn!("Lost the broker; connecting again");
        }
        match Link::open(&uri, &topology, &name).await {
            Ok(new) => {
                tracing::info!("Connected to the broker again");
                link.send_replace(Some(new));
            }
            Err(error) => {
                tracing::debug!(%error, "Cannot connect to the broker yet");
                tokio::time::sleep(delays.next().unwrap_or(LONGEST_DELAY)).await;
            }
        }
    }
}

impl Publisher {
    /// Connects, declares the topology and turns on confirms.
    pub(super) async fn open(uri: &AmqpUri, prefix: &str, name: &str) -> Result<Self, OpenError> {
        let topology = Arc::new(Topology::new(prefix));
        let connection_name = format!("{name} publish");
        let first = first_link(uri, &topology, &connection_name).await?;
        let (sender, link) = watch::channel(Some(first));
        tokio::spawn(keep(sender, uri.clone(), topology.clone(), connection_name));
        Ok(Self {
            link,
            topology,
            app_id: name.into(),
        })
    }

    /// The names in use.
    #[must_use]
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    pub(super) async fn publish(&self, lane: Lane, message: &Envelope) -> Result<(), PublishError> {
        self.publish_to(&self.topology.work_exchange(), lane.routing_key(), message)
            .await
    }

    /// Publishes and waits for the broker's confirm. Success is one value only: an ack
    /// without a returned message.
    pub(super) async fn publish_to(
        &self,
        exchange: &str,
        routing_key: &str,
        message: &Envelope,
    ) -> Result<(), PublishError> {
        let link = self
            .link
            .borrow()
            .clone()
            .ok_or(PublishError::Disconnected)?;
        // A blocked connection would take the message into memory without bound.
        if link.connection.status().blocked() {
            return Err(PublishError::Blocked);
        }
        let published = async {
            link.channel
                .basic_publish(
                    exchange.into(),
                    routing_key.into(),
                    BasicPublishOptions {
                        mandatory: true,
                        ..Default::default()
                    },
                    &message.body,
                    self.properties(message),
                )
                .await?
                .await
        };
        match tokio::time::timeout(CONFIRM_TIMEOUT, published).await {
            Err(_) => Err(PublishError::TimedOut),
            Ok(Err(error)) => Err(PublishError::Broker(error)),
            Ok(Ok(Confirmation::Ack(None))) => Ok(()),
            Ok(Ok(Confirmation::Ack(Some(_)))) => Err(PublishError::Returned),
            Ok(Ok(Confirmation::Nack(_) | Confirmation::NotRequested)) => {
                Err(PublishError::Refused)
            }
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        let link = self.link.borrow();
        link.as_ref()
            .is_some_and(|link| link.is_up() && !link.connection.status().blocked())
    }

    fn properties(&self, message: &Envelope) -> BasicProperties {
        let mut headers = FieldTable::default();
        let mut number = |name: &str, value: Option<i64>| {
            if let Some(value) = value {
                headers.insert(name.into(), AMQPValue::LongLongInt(value));
            }
        };
        number(header::SCHEMA, message.schema);
        number(header::ATTEMPT, Some(message.attempt));
        number(header::RECEIVED_AT_MS, message.received_at_ms);
        let mut text = |name: &str, value: &Option<String>| {
            if let Some(value) = value {
                headers.insert(name.into(), AMQPValue::LongString(value.as_str().into()));
            }
        };
        text(header::SOURCE, &message.source);
        text(header::LAST_ERROR, &message.last_error);
        text(header::TRACEPARENT, &message.traceparent);

        let mut properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_delivery_mode(2)
            .with_app_id(self.app_id.as_ref().into())
            .with_headers(headers);
        if let Some(id) = &message.message_id {
            properties = properties.with_message_id(id.as_str().into());
        }
        if let Some(kind) = &message.kind {
            properties = properties.with_type(kind.as_str().into());
        }
        if let Some(received_at_ms) = message.received_at_ms {
            // AMQP counts this one in seconds.
            let seconds = u64::try_from(received_at_ms.div_euclid(1000)).unwrap_or_default();
            properties = properties.with_timestamp(seconds);
        }
        properties
    }
}

/// The link to start with. A broker that is just starting is waited for; one that refuses
/// us is not.
async fn first_link(uri: &AmqpUri, topology: &Topology, name: &str) -> Result<Link, OpenError> {
    for delay in retry::endless(FIRST_DELAY, LONGEST_DELAY).take(FIRST_CONNECT_TRIES) {
        match Link::open(uri, topology, name).await {
            Err(OpenError::Broker(error)) if error.is_io_error() => tokio::time::sleep(delay).await,
            outcome => return outcome,
        }
    }
    Link::open(uri, topology, name).await
}
