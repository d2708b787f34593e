//! Consuming from RabbitMQ, apart from publishing: a broker that blocks publishers would
//! otherwise hold back acks as well.

use std::{pin::pin, sync::Arc, time::Duration};

use futures_util::StreamExt;
use lapin::{
    Channel, Connection,
    options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};
use tokio::sync::{Mutex, mpsc};
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker},
};
use tracing::Span;

use crate::{
    config::AmqpUri,
    queue::{
        Delivery, Lane, OpenError,
        rabbitmq::{
            Publisher,
            ack_window::AckWindow,
            acker::Answer,
            amqp_message, connection,
            frame_care::{Care, LaneCare, discard_first},
        },
        unacked::UnackedDeliveries,
    },
};

/// For the broker's answer when consuming starts or stops.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(5);
/// AMQP's code for a close without a fault.
const REPLY_SUCCESS: u16 = 200;

/// Opens consumers, each on a connection of its own. Retries and dead letters go through
/// the publisher.
#[derive(Clone)]
pub struct ConsumerSource {
    uri: AmqpUri,
    publisher: Publisher,
    name: Arc<str>,
    /// Consumers that can receive.
    live: TaskTracker,
    care: LaneCare,
    pub(in crate::queue) unacked: UnackedDeliveries,
}

impl ConsumerSource {
    pub(in crate::queue) fn new(uri: &AmqpUri, publisher: &Publisher, name: &str) -> Self {
        Self {
            uri: uri.clone(),
            publisher: publisher.clone(),
            name: name.into(),
            live: TaskTracker::new(),
            care: LaneCare::default(),
            unacked: UnackedDeliveries::default(),
        }
    }

    pub(in crate::queue) async fn consume(
        &self,
        lane: Lane,
        prefetch: u16,
        stop: CancellationToken,
    ) -> Result<Consumer, OpenError> {
        let name = format!("{} consume {}", self.name, lane.routing_key());
        if self.care.get(lane) == Care::Stuck {
            let discard = discard_first(&self.uri, &self.publisher, &self.care, &name);
            tokio::time::timeout(SUBSCRIBE_TIMEOUT, discard)
                .await
                .map_err(|_| OpenError::TimedOut(SUBSCRIBE_TIMEOUT))??;
        }
        let care = self.care.get(lane);
        let uri = match care {
            Care::Usual => self.uri.clone(),
            _ => self.uri.wide(),
        };
        let connection = connection::connect(&uri, &name).await?;
        let prefetch = if care == Care::Alone { 1 } else { prefetch };
        let subscribe = async {
            let channel = connection.create_channel().await?;
            channel
                .basic_qos(prefetch, BasicQosOptions::default())
                .await?;
            let queue = self.publisher.topology.queue(lane);
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
        let pump = Pump {
            deliveries,
            channel: channel.clone(),
            publisher: self.publisher.clone(),
            acks: Arc::default(),
            stop,
            stopped: false,
            lane,
            care: self.care.clone(),
            unacked: self.unacked.clone(),
            relaxed: false,
        };
        // The broker sends no more than this before it has answers.
        let (out, deliveries) = mpsc::channel(prefetch.into());
        Ok(Consumer {
            deliveries,
            connection,
            _channel: channel,
            _pump: AbortOnDropHandle::new(self.live.spawn(pump.run(out))),
        })
    }

    /// Whether so many consumers can receive.
    pub(in crate::queue) fn is_ready(&self, lanes: usize) -> bool {
        self.live.len() >= lanes
    }
}

/// The deliveries of one queue. Answers go over its connection: it must outlive them.
pub struct Consumer {
    deliveries: mpsc::Receiver<Delivery>,
    connection: Connection,
    /// Closed with its last handle, and every answer after that is lost.
    _channel: Channel,
    _pump: AbortOnDropHandle<()>,
}

impl Consumer {
    /// The next delivery and what else has arrived, up to `most`; if there is room, also what
    /// arrives until `until`.
    pub(in crate::queue) async fn next_batch<T>(
        &mut self,
        most: usize,
        until: impl Future<Output = T>,
    ) -> (Vec<Delivery>, Option<T>) {
        let mut batch = Vec::new();
        self.deliveries.recv_many(&mut batch, most).await;
        let mut until = pin!(until);
        while !batch.is_empty() && batch.len() < most {
            tokio::select! {
                biased;
                delivery = self.deliveries.recv() => match delivery {
                    Some(delivery) => batch.push(delivery),
                    None => break,
                },
                reached = &mut until => return (batch, Some(reached)),
            }
        }
        (batch, None)
    }

    /// Closes the connection in good order: the broker has every answer then.
    pub(in crate::queue) async fn close(self) {
        let close = self.connection.close(REPLY_SUCCESS, "done".into());
        tokio::time::timeout(SUBSCRIBE_TIMEOUT, close).await.ok();
    }
}

/// Takes deliveries off the connection as they come, so that a request to stop reaches the broker
/// even while no job slot is free.
struct Pump {
    deliveries: lapin::Consumer,
    channel: Channel,
    publisher: Publisher,
    acks: Arc<Mutex<AckWindow>>,
    stop: CancellationToken,
    stopped: bool,
    lane: Lane,
    care: LaneCare,
    unacked: UnackedDeliveries,
    /// Begun with more care than the lane needs any more: to be begun again.
    relaxed: bool,
}

impl Pump {
    async fn run(mut self, out: mpsc::Sender<Delivery>) {
        while let Some(delivery) = self.next().await {
            if out.send(delivery).await.is_err() {
                return;
            }
        }
    }

    async fn next(&mut self) -> Option<Delivery> {
        while !self.relaxed {
            let next = tokio::select! {
                () = self.stop.cancelled(), if !self.stopped => {
                    if self.cancel().await {
                        continue;
                    }
                    return None;
                }
                next = self.deliveries.next() => next,
            };
            match next? {
                Ok(delivery) => return Some(self.delivery(delivery)),
                Err(error) => {
                    tracing::warn!(%error, "Consuming was interrupted");
                    self.care.note(self.lane, &error);
                }
            }
        }
        None
    }

    /// Sends basic.cancel. If the broker agrees, the stream ends after what was already sent;
    /// returns whether it did.
    async fn cancel(&mut self) -> bool {
        self.stopped = true;
        let options = BasicCancelOptions::default();
        let cancel = self.channel.basic_cancel(self.deliveries.tag(), options);
        matches!(
            tokio::time::timeout(SUBSCRIBE_TIMEOUT, cancel).await,
            Ok(Ok(()))
        )
    }

    fn delivery(&mut self, delivery: lapin::message::Delivery) -> Delivery {
        if !delivery.redelivered {
            self.relaxed |= self.care.relax(self.lane);
        }
        let message = amqp_message::envelope(&delivery);
        Delivery {
            _unacked: self.unacked.note(self.lane, &message),
            span: Span::none(),
            message,
            redelivered: delivery.redelivered,
            lane: amqp_message::storable(&delivery.routing_key),
            answer: crate::queue::delivery::Answer::RabbitMq(Answer {
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
