//! Consuming from RabbitMQ, apart from publishing: a broker that blocks publishers would
//! otherwise hold back acks as well.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt;
use lapin::{
    Acker, Channel, Connection,
    options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions},
    types::{AMQPValue, FieldTable},
};
use tokio_util::sync::CancellationToken;

use super::{
    Delivery, Lane, OpenError, PublishError, RetryTier,
    rabbitmq::{self, Publisher, header},
};
use crate::{message::Envelope, retry, settings::AmqpUri};

/// For the broker's answer when consuming starts or stops.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two tries to move a message, while the broker takes none.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Opens consumers, each on a connection of its own. Retries and dead letters go through
/// the publisher.
#[derive(Clone)]
pub struct ConsumerSource {
    uri: AmqpUri,
    publisher: Publisher,
    name: Arc<str>,
    /// Consumers that can receive.
    live: Arc<AtomicUsize>,
}

impl ConsumerSource {
    pub(super) fn new(uri: &AmqpUri, publisher: &Publisher, name: &str) -> Self {
        Self {
            uri: uri.clone(),
            publisher: publisher.clone(),
            name: name.into(),
            live: Arc::default(),
        }
    }

    pub(super) async fn consume(
        &self,
        lane: Lane,
        prefetch: u16,
        shutdown: CancellationToken,
    ) -> Result<Consumer, OpenError> {
        let name = format!("{} consume {}", self.name, lane.routing_key());
        let connection = rabbitmq::connect(&self.uri, &name).await?;
        let subscribe = async {
            let channel = connection.create_channel().await?;
            channel
                .basic_qos(prefetch, BasicQosOptions::default())
                .await?;
            let queue = self.publisher.topology().queue(lane);
            let options = BasicConsumeOptions::default();
            let deliveries = channel
                .basic_consume(
                    queue.as_str().into(),
                    "".into(),
                    options,
                    FieldTable::default(),
                )
                .await?;
            Ok((channel, deliveries))
        };
        let (channel, deliveries) = tokio::time::timeout(SUBSCRIBE_TIMEOUT, subscribe)
            .await
            .map_err(|_| OpenError::TimedOut(SUBSCRIBE_TIMEOUT))?
            .map_err(OpenError::Broker)?;
        Ok(Consumer {
            deliveries,
            channel,
            _connection: connection,
            publisher: self.publisher.clone(),
            shutdown,
            stopped: false,
            _live: Live::new(&self.live),
        })
    }

    /// Whether so many consumers can receive.
    pub(super) fn is_ready(&self, lanes: usize) -> bool {
        self.live.load(Ordering::Relaxed) >= lanes
    }
}

/// Counts a consumer for as long as it exists.
struct Live(Arc<AtomicUsize>);

impl Live {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count.clone())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The deliveries of one queue. Answers go over its connection: it must outlive them.
pub struct Consumer {
    deliveries: lapin::Consumer,
    channel: Channel,
    _connection: Connection,
    publisher: Publisher,
    shutdown: CancellationToken,
    stopped: bool,
    _live: Live,
}

impl Consumer {
    pub(super) async fn next(&mut self) -> Option<Delivery> {
        loop {
            let next = tokio::select! {
                () = self.shutdown.cancelled(), if !self.stopped => {
                    if self.stop().await {
                        continue;
                    }
                    return None;
                }
                next = self.deliveries.next() => next,
            };
            match next? {
                Ok(delivery) => return Some(self.delivery(delivery)),
                Err(error) => tracing::warn!(%error, "Consuming was interrupted"),
            }
        }
    }

    /// Asks for no more. The stream then ends after what the broker had already sent, if
    /// the broker agreed; returns whether it did.
    async fn stop(&mut self) -> bool {
        self.stopped = true;
        let options = BasicCancelOptions::default();
        let cancel = self.channel.basic_cancel(self.deliveries.tag(), options);
        matches!(
            tokio::time::timeout(SUBSCRIBE_TIMEOUT, cancel).await,
            Ok(Ok(()))
        )
    }

    fn delivery(&self, delivery: lapin::message::Delivery) -> Delivery {
        Delivery {
            message: envelope(&delivery),
            redelivered: delivery.redelivered,
            answer: super::consumer::Answer::RabbitMq(Answer {
                acker: delivery.acker,
                routing_key: delivery.routing_key.to_string(),
                publisher: self.publisher.clone(),
                shutdown: self.shutdown.clone(),
            }),
        }
    }
}

/// How to answer one delivery.
pub struct Answer {
    acker: Acker,
    routing_key: String,
    publisher: Publisher,
    shutdown: CancellationToken,
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
    ///
    /// While the broker takes no message, the original is kept in hand: giving it back would
    /// count as a delivery each time, and the broker sets aside what it delivered too often.
    async fn move_to(self, exchange: &str, message: &Envelope) -> Result<(), PublishError> {
        let mut pauses = retry::endless(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let published = self
                .publisher
                .publish_to(exchange, &self.routing_key, message)
                .await;
            match published {
                Ok(()) => return self.ack().await,
                // Whoever lost the connection is handed the message again anyway.
                Err(error) if self.shutdown.is_cancelled() || !self.acker.usable() => {
                    return Err(error);
                }
                Err(error) => tracing::warn!(%error, "Cannot move the message yet"),
            }
            let pause = pauses.next().unwrap_or(LONGEST_PAUSE);
            self.shutdown
                .run_until_cancelled(tokio::time::sleep(pause))
                .await;
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
