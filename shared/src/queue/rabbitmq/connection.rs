//! A connection to RabbitMQ with its confirm channel; one that is lost is replaced.

use std::{
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::FutureExt;
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, PublisherConfirm,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    runtime::default_runtime,
    tcp::OwnedTLSConfig,
};
use tokio::sync::watch;

use crate::{
    config::AmqpUri,
    queue::{
        OpenError, PublishError,
        rabbitmq::ensure::ensure,
        topology::{Topology, look_for_queue},
    },
    retry,
};

/// For one try to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Tries to connect at start; a process that finds no broker by then says so and ends.
const FIRST_CONNECT_TRIES: usize = 10;
/// Between two tries to connect.
const FIRST_DELAY: Duration = Duration::from_millis(200);
const LONGEST_DELAY: Duration = Duration::from_secs(2);
/// How soon a lost connection is noticed, once lapin knows.
const WATCH_INTERVAL: Duration = Duration::from_millis(100);

/// Opens a connection. It does not repair itself: its holder builds another, which
/// leaves no channel in an unknown state.
///
/// - `name`: how it is called in the broker's lists.
pub(in crate::queue) async fn connect(uri: &AmqpUri, name: &str) -> Result<Connection, OpenError> {
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let tls = OwnedTLSConfig {
        cert_chain: uri.authority().map(str::to_owned),
        ..Default::default()
    };
    let runtime = default_runtime()?;
    let connect = Connection::connect_uri_with_config(uri.expose(), properties, tls, runtime);
    tokio::time::timeout(CONNECT_TIMEOUT, connect)
        .await
        .map_err(|_| OpenError::TimedOut(CONNECT_TIMEOUT))?
        .map_err(OpenError::from)
}

/// A connection and its confirm channel, for as long as both last.
#[derive(Clone)]
pub(in crate::queue) struct Link {
    connection: Arc<Connection>,
    channel: Channel,
    /// Of those who publish.
    turn: Arc<Mutex<()>>,
}

/// Where a message goes.
#[derive(Debug, Clone, Copy)]
pub(in crate::queue) struct Route<'a> {
    pub exchange: &'a str,
    pub routing_key: &'a str,
    /// It must reach a queue.
    pub mandatory: bool,
}

impl Link {
    pub(in crate::queue) async fn open(
        uri: &AmqpUri,
        topology: &Topology,
        name: &str,
    ) -> Result<Self, OpenError> {
        let connection = connect(uri, name).await?;
        let prepare = async {
            ensure(&connection, topology).await?;
            let channel = connection.create_channel().await?;
            channel
                .confirm_select(ConfirmSelectOptions::default())
                .await?;
            Ok(channel)
        };
        let channel = tokio::time::timeout(CONNECT_TIMEOUT, prepare)
            .await
            .unwrap_or(Err(OpenError::TimedOut(CONNECT_TIMEOUT)))?;
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
    pub(in crate::queue) async fn publish_in_turn(
        &self,
        route: Route<'_>,
        body: &[u8],
        properties: BasicProperties,
    ) -> Result<PublisherConfirm, PublishError> {
        let options = BasicPublishOptions {
            mandatory: route.mandatory,
            ..Default::default()
        };
        let mut publishing = pin!(self.channel.basic_publish(
            route.exchange.into(),
            route.routing_key.into(),
            options,
            body,
            properties,
        ));
        // Polling it once does both.
        let begun = match self.turn.lock() {
            Ok(_turn) => publishing.as_mut().now_or_never(),
            // A panic may have come between both.
            Err(_poisoned) => return Err(PublishError::Disconnected),
        };
        let published = match begun {
            Some(published) => published,
            None => publishing.await,
        };
        Ok(published?)
    }

    /// Messages in `queue` that no consumer has.
    pub(in crate::queue) async fn count(&self, queue: &str) -> Result<u32, lapin::Error> {
        // On a channel of its own: a refusal closes it.
        let channel = self.connection.create_channel().await?;
        let declared = look_for_queue(&channel, queue).await?;
        channel.close(200, "done".into()).await?;
        Ok(declared.message_count())
    }

    /// Whether the broker has asked publishers to stop.
    pub(in crate::queue) fn is_blocked(&self) -> bool {
        self.connection.status().blocked()
    }

    pub(in crate::queue) fn is_up(&self) -> bool {
        self.connection.status().connected()
            && self.channel.status().connected()
            && !self.turn.is_poisoned()
    }
}

/// Replaces a lost link, for as long as there is a publisher.
pub(in crate::queue) async fn keep(
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
                tracing::info!("Connected to the broker");
                link.send_replace(Some(new));
            }
            Err(error) => {
                match error {
                    OpenError::OtherArguments(_)
                    | OpenError::Missing(_)
                    | OpenError::NoPlugin(_) => {
                        tracing::error!(%error, "Cannot use the broker");
                    }
                    _ => tracing::debug!(%error, "Cannot connect to the broker yet"),
                }
                tokio::time::sleep(delays.next().unwrap_or(LONGEST_DELAY)).await;
            }
        }
    }
}

/// The link to start with. A broker that is just starting is waited for; one that refuses
/// us is not.
pub(in crate::queue) async fn first_link(
    uri: &AmqpUri,
    topology: &Topology,
    name: &str,
) -> Result<Link, OpenError> {
    let delays = retry::endless(FIRST_DELAY, LONGEST_DELAY).take(FIRST_CONNECT_TRIES);
    let open = || Link::open(uri, topology, name);
    retry::retry(delays, OpenError::may_pass, open).await
}
