//! Publishing to RabbitMQ: one confirm channel shared by all callers.
//!
//! Sharing is what pipelines the confirms. When the connection is lost, a task builds a new
//! one, topology included; until then a publish fails at once.

use std::{
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::FutureExt;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, PublisherConfirm,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use tokio::sync::watch;

use super::{Lane, OpenError, PublishError, amqp_message, stall::Stall, topology::Topology};
use crate::{failpoint, message::Envelope, retry, settings::AmqpUri};

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
    stall: Arc<Stall>,
}

/// A connection and its confirm channel, for as long as both last.
#[derive(Clone)]
struct Link {
    connection: Arc<Connection>,
    channel: Channel,
    /// Of those who publish.
    turn: Arc<Mutex<()>>,
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
            .map_err(OpenError::from_declare)?;
        Ok(Self {
            connection: Arc::new(connection),
            channel,
            turn: Arc::default(),
        })
    }

    /// Returns once the message is on its way, with the confirm to come.
    ///
    /// Confirms name messages by their number on the channel. lapin (4.12) counts a message, and
    /// a moment later puts it in line: of two threads between both, each would be told what
    /// became of the other's message.
    async fn publish_in_turn(
        &self,
        exchange: &str,
        routing_key: &str,
        body: &[u8],
        properties: BasicProperties,
    ) -> Result<PublisherConfirm, PublishError> {
        let options = BasicPublishOptions {
            mandatory: true,
            ..Default::default()
        };
        let mut publishing = pin!(self.channel.basic_publish(
            exchange.into(),
            routing_key.into(),
            options,
            body,
            properties,
        ));
        // Polling it once does both.
        let begun = match self.turn.lock() {
            Ok(_turn) => publishing.as_mut().now_or_never(),
            // Whoever panicked may have been between both.
            Err(_poisoned) => return Err(PublishError::Disconnected),
        };
        let published = match begun {
            Some(published) => published,
            None => publishing.await,
        };
        Ok(published?)
    }

    fn is_up(&self) -> bool {
        self.connection.status().connected()
            && self.channel.status().connected()
            && !self.turn.is_poisoned()
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
                if matches!(error, OpenError::OtherArguments(_)) {
                    tracing::error!(%error, "Cannot use the broker");
                } else {
                    tracing::debug!(%error, "Cannot connect to the broker yet");
                }
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
            stall: Arc::default(),
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
        if !self.stall.lets_pass() {
            return Err(PublishError::TimedOut);
        }
        let published = async {
            let properties = amqp_message::properties(message, &self.app_id);
            let confirm = link
                .publish_in_turn(exchange, routing_key, &message.body, properties)
                .await?;
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

    pub(super) fn is_ready(&self) -> bool {
        let link = self.link.borrow();
        link.as_ref()
            .is_some_and(|link| link.is_up() && !link.connection.status().blocked())
    }
}

/// The link to start with. A broker that is just starting is waited for; one that refuses
/// us is not.
async fn first_link(uri: &AmqpUri, topology: &Topology, name: &str) -> Result<Link, OpenError> {
    for delay in retry::endless(FIRST_DELAY, LONGEST_DELAY).take(FIRST_CONNECT_TRIES) {
        match Link::open(uri, topology, name).await {
            Err(error) if may_pass(&error) => tokio::time::sleep(delay).await,
            outcome => return outcome,
        }
    }
    Link::open(uri, topology, name).await
}

fn may_pass(error: &OpenError) -> bool {
    match error {
        OpenError::Broker(error) => error.is_io_error(),
        OpenError::TimedOut(_) => true,
        OpenError::OtherArguments(_) => false,
    }
}
