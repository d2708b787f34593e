//! Publishing to RabbitMQ: one confirm channel shared by all callers.
//!
//! Sharing is what pipelines the confirms. The connection comes back by itself; while it is
//! away, a publish fails at once.

use std::{sync::Arc, time::Duration};

use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldTable},
};

use super::{Lane, OpenError, PublishError, topology::Topology};
use crate::{message::Envelope, settings::AmqpUri};

/// For the first connection; a process that cannot reach its broker then says so and ends.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
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

/// Opens a connection that finds its way back after an outage.
pub(super) async fn connect(uri: &AmqpUri, name: &str) -> Result<Connection, OpenError> {
    let properties = ConnectionProperties::default()
        .with_connection_name(name.into())
        .enable_auto_recover()
        .configure_backoff(|backoff| {
            backoff
                .with_min_delay(Duration::from_millis(200))
                .with_max_delay(Duration::from_secs(2))
                .without_max_times()
        });
    tokio::time::timeout(
        CONNECT_TIMEOUT,
        Connection::connect_uri(uri.expose(), properties),
    )
    .await
    .map_err(|_| OpenError::TimedOut(CONNECT_TIMEOUT))?
    .map_err(OpenError::from)
}

/// A publishing connection.
#[derive(Clone)]
pub struct Publisher {
    connection: Arc<Connection>,
    channel: Channel,
    topology: Arc<Topology>,
    app_id: Arc<str>,
}

impl Publisher {
    /// Connects, declares the topology and turns on confirms.
    pub(super) async fn open(uri: &AmqpUri, prefix: &str, name: &str) -> Result<Self, OpenError> {
        let connection = connect(uri, &format!("{name} publish")).await?;
        let channel = connection.create_channel().await?;
        let topology = Topology::new(prefix);
        topology.declare(&channel).await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        Ok(Self {
            connection: Arc::new(connection),
            channel,
            topology: Arc::new(topology),
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
        // A blocked connection would take the message into memory without bound.
        if self.connection.status().blocked() {
            return Err(PublishError::Blocked);
        }
        let published = async {
            self.channel
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
        // A confirm in flight when the connection dies stays pending until it is back.
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
        let status = self.connection.status();
        status.connected() && !status.blocked() && self.channel.status().connected()
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
