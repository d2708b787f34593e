//! Consuming from RabbitMQ, on a connection of its own.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use lapin::{
    Acker, Channel, Connection,
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions,
        BasicRejectOptions,
    },
    types::{AMQPValue, FieldTable},
};
use tokio_util::sync::CancellationToken;

use super::{
    Delivery, Lane, OpenError, PublishError, RetryTier,
    rabbitmq::{self, Publisher, header},
};
use crate::{message::Envelope, settings::AmqpUri};

/// Before a message that could not be moved is handed out again.
const REQUEUE_DELAY: Duration = Duration::from_secs(1);

/// A consuming connection, and the publisher that retries and dead letters go through.
#[derive(Clone)]
pub struct ConsumerSource {
    connection: Arc<Connection>,
    publisher: Publisher,
}

impl ConsumerSource {
    pub(super) async fn open(
        uri: &AmqpUri,
        publisher: &Publisher,
        name: &str,
    ) -> Result<Self, OpenError> {
        let connection = rabbitmq::connect(uri, &format!("{name} consume")).await?;
        Ok(Self {
            connection: Arc::new(connection),
            publisher: publisher.clone(),
        })
    }

    pub(super) async fn consume(
        &self,
        lane: Lane,
        prefetch: u16,
        shutdown: CancellationToken,
    ) -> Result<Consumer, OpenError> {
        let channel = self.connection.create_channel().await?;
        channel
            .basic_qos(prefetch, BasicQosOptions::default())
            .await?;
        let deliveries = channel
            .basic_consume(
                self.publisher.topology().queue(lane).as_str().into(),
                "".into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await?;
        Ok(Consumer {
            channel,
            deliveries,
            publisher: self.publisher.clone(),
            shutdown,
            stopped: false,
        })
    }

    pub(super) fn is_ready(&self) -> bool {
        self.connection.status().connected()
    }
}

/// The deliveries of one queue.
pub struct Consumer {
    channel: Channel,
    deliveries: lapin::Consumer,
    publisher: Publisher,
    shutdown: CancellationToken,
    stopped: bool,
}

impl Consumer {
    pub(super) async fn next(&mut self) -> Option<Delivery> {
        loop {
            let next = tokio::select! {
                () = self.shutdown.cancelled(), if !self.stopped => {
                    self.stop().await;
                    continue;
                }
                next = self.deliveries.next() => next,
            };
            match next? {
                Ok(delivery) => return Some(self.delivery(delivery)),
                // The stream goes on by itself once the connection is back.
                Err(error) => tracing::warn!(%error, "Consuming was interrupted"),
            }
        }
    }

    /// Asks for no more. The stream ends after what the broker had already sent.
    async fn stop(&mut self) {
        self.stopped = true;
        let cancel = self
            .channel
            .basic_cancel(self.deliveries.tag(), BasicCancelOptions::default());
        if let Err(error) = cancel.await {
            tracing::debug!(%error, "Consuming had already ended");
        }
    }

    fn delivery(&self, delivery: lapin::message::Delivery) -> Delivery {
        Delivery {
            message: envelope(&delivery),
            redelivered: delivery.redelivered,
            answer: super::Answer::RabbitMq(Answer {
                acker: delivery.acker,
                routing_key: delivery.routing_key.to_string(),
                publisher: self.publisher.clone(),
            }),
        }
    }
}

/// How to answer one delivery.
pub struct Answer {
    acker: Acker,
    routing_key: String,
    publisher: Publisher,
}

impl Answer {
    pub(super) async fn ack(self) -> Result<(), PublishError> {
        self.acker.ack(BasicAckOptions::default()).await?;
        Ok(())
    }

    pub(super) async fn retry(
        self,
        tier: RetryTier,
        message: &Envelope,
    ) -> Result<(), PublishError> {
        let exchange = self.publisher.topology().retry_exchange(tier);
        self.move_to(&exchange, message).await
    }

    pub(super) async fn dead_letter(self, message: &Envelope) -> Result<(), PublishError> {
        let exchange = self.publisher.topology().dead_exchange();
        self.move_to(&exchange, message).await
    }

    /// Publishes the copy, then acks the original: a crash in between duplicates the
    /// message, which is harmless, and never loses it. The copy is a new message, so none
    /// of the broker's own counters travel with it.
    async fn move_to(self, exchange: &str, message: &Envelope) -> Result<(), PublishError> {
        match self
            .publisher
            .publish_to(exchange, &self.routing_key, message)
            .await
        {
            Ok(()) => self.ack().await,
            Err(error) => {
                // The original goes back, slowly: each hand-out counts.
                tokio::time::sleep(REQUEUE_DELAY).await;
                self.acker
                    .reject(BasicRejectOptions { requeue: true })
                    .await?;
                Err(error)
            }
        }
    }
}

fn envelope(delivery: &lapin::message::Delivery) -> Envelope {
    let properties = &delivery.properties;
    let headers = properties.headers().as_ref().map(FieldTable::inner);
    let value = |name: &str| headers.and_then(|headers| headers.get(name));
    let number = |name| value(name).and_then(integer);
    let text = |name| value(name).and_then(string);
    Envelope {
        message_id: properties.message_id().as_ref().map(ToString::to_string),
        kind: properties.kind().as_ref().map(ToString::to_string),
        schema: number(header::SCHEMA),
        attempt: number(header::ATTEMPT).unwrap_or_default(),
        received_at_ms: number(header::RECEIVED_AT_MS),
        source: text(header::SOURCE),
        last_error: text(header::LAST_ERROR),
        traceparent: text(header::TRACEPARENT),
        body: delivery.data.clone().into(),
    }
}

/// Other clients write the same number in another width.
fn integer(value: &AMQPValue) -> Option<i64> {
    match value {
        AMQPValue::ShortShortInt(number) => Some(i64::from(*number)),
        AMQPValue::ShortShortUInt(number) => Some(i64::from(*number)),
        AMQPValue::ShortInt(number) => Some(i64::from(*number)),
        AMQPValue::ShortUInt(number) => Some(i64::from(*number)),
        AMQPValue::LongInt(number) => Some(i64::from(*number)),
        AMQPValue::LongUInt(number) => Some(i64::from(*number)),
        AMQPValue::LongLongInt(number) => Some(*number),
        _ => None,
    }
}

fn string(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => Some(text.to_string()),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}
