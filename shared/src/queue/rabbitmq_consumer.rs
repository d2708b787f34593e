//! Consuming from RabbitMQ, apart from publishing: a broker that blocks publishers would
//! otherwise hold back acks as well.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt, StreamExt, stream::Fuse};
use lapin::{
    Acker, Channel, Connection,
    options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions},
    types::{DeliveryTag, FieldTable},
};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::{
    Delivery, Lane, OpenError, PublishError, RetryTier,
    acks::Acks,
    amqp_message,
    rabbitmq::{self, Publisher},
};
use crate::{failpoint, message::Envelope, retry, settings::AmqpUri};

/// For the broker's answer when consuming starts or stops.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(5);
/// For an answer to leave this process.
const ACK_TIMEOUT: Duration = Duration::from_secs(5);
/// AMQP's code for a close without a fault.
const REPLY_SUCCESS: u16 = 200;
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
        stop: CancellationToken,
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
            deliveries: deliveries.fuse(),
            channel,
            connection,
            publisher: self.publisher.clone(),
            acks: Arc::default(),
            stop,
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
    /// Fused: whoever looks ahead may be the one who sees the end.
    deliveries: Fuse<lapin::Consumer>,
    channel: Channel,
    connection: Connection,
    publisher: Publisher,
    acks: Arc<Mutex<Acks>>,
    stop: CancellationToken,
    stopped: bool,
    _live: Live,
}

impl Consumer {
    pub(super) async fn next(&mut self) -> Option<Delivery> {
        loop {
            let next = tokio::select! {
                () = self.stop.cancelled(), if !self.stopped => {
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

    /// The next message, if it has arrived already.
    pub(super) fn ready(&mut self) -> Option<Delivery> {
        match self.deliveries.next().now_or_never()?? {
            Ok(delivery) => Some(self.delivery(delivery)),
            Err(error) => {
                tracing::warn!(%error, "Consuming was interrupted");
                None
            }
        }
    }

    /// Waits until somebody wants no more, and has not been heard yet.
    pub(super) async fn asked_to_stop(&self) {
        if self.stopped {
            std::future::pending::<()>().await;
        }
        self.stop.cancelled().await;
    }

    /// Closes the connection in good order: the broker has every answer then.
    pub(super) async fn close(self) {
        let close = self.connection.close(REPLY_SUCCESS, "done".into());
        tokio::time::timeout(SUBSCRIBE_TIMEOUT, close).await.ok();
    }

    /// Asks for no more. The stream then ends after what the broker had already sent, if
    /// the broker agreed; returns whether it did.
    pub(super) async fn stop(&mut self) -> bool {
        self.stopped = true;
        let options = BasicCancelOptions::default();
        let cancel = self
            .channel
            .basic_cancel(self.deliveries.get_ref().tag(), options);
        matches!(
            tokio::time::timeout(SUBSCRIBE_TIMEOUT, cancel).await,
            Ok(Ok(()))
        )
    }

    fn delivery(&self, delivery: lapin::message::Delivery) -> Delivery {
        Delivery {
            message: amqp_message::envelope(&delivery),
            redelivered: delivery.redelivered,
            lane: delivery.routing_key.to_string(),
            answer: super::consumer::Answer::RabbitMq(Answer {
                tag: delivery.delivery_tag,
                acker: delivery.acker,
                acks: self.acks.clone(),
                routing_key: delivery.routing_key.to_string(),
                publisher: self.publisher.clone(),
                stop: self.stop.clone(),
            }),
        }
    }
}

/// How to answer one delivery.
pub struct Answer {
    tag: DeliveryTag,
    acker: Acker,
    acks: Arc<Mutex<Acks>>,
    routing_key: String,
    publisher: Publisher,
    stop: CancellationToken,
}

impl Answer {
    pub(super) async fn ack(self) -> Result<(), PublishError> {
        Self::ack_all(vec![self]).await
    }

    /// Acks what one consumer has handed out.
    pub(super) async fn ack_all(mut answers: Vec<Self>) -> Result<(), PublishError> {
        answers.sort_unstable_by_key(|answer| answer.tag);
        let Some(acks) = answers.first().map(|answer| answer.acks.clone()) else {
            return Ok(());
        };
        let answering = async {
            // Held until the frames are sent: their order is part of what they say.
            let mut acks = acks.lock().await;
            let floor = acks.note(answers.iter().map(|answer| answer.tag));
            let (together, alone) =
                answers.split_at(answers.partition_point(|answer| answer.tag <= floor));
            if let Some(last) = together.last() {
                last.acker.ack(BasicAckOptions { multiple: true }).await?;
            }
            for answer in alone {
                answer.acker.ack(BasicAckOptions::default()).await?;
            }
            Ok(())
        };
        // A connection that dies in this moment may never tell what became of it.
        let sent = tokio::time::timeout(ACK_TIMEOUT, answering).await;
        sent.unwrap_or(Err(PublishError::TimedOut))
    }

    pub(super) async fn retry(
        self,
        tier: RetryTier,
        message: &Envelope,
    ) -> Result<(), PublishError> {
        let exchange = self.publisher.topology().retry_exchange(tier);
        failpoint::crash_at("retry_before_republish");
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
                Ok(()) => {
                    failpoint::crash_at("retry_after_republish");
                    return self.ack().await;
                }
                // Whoever lost the connection is handed the message again anyway.
                Err(error) if self.stop.is_cancelled() || !self.acker.usable() => {
                    return Err(error);
                }
                Err(error) => tracing::warn!(%error, "Cannot move the message yet"),
            }
            let pause = pauses.next().unwrap_or(LONGEST_PAUSE);
            self.stop
                .run_until_cancelled(tokio::time::sleep(pause))
                .await;
        }
    }
}
