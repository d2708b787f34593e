//! Consuming from RabbitMQ, apart from publishing: a broker that blocks publishers would
//! otherwise hold back acks as well.

mod pump;

use std::{pin::pin, sync::Arc, time::Duration};

use futures_util::future::join_all;
use lapin::{
    Channel, Connection,
    options::{BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};
use tokio::sync::mpsc;
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker},
};

use crate::{
    config::AmqpUri,
    queue::{
        Delivery, Lane, OpenError,
        rabbitmq::{
            Publisher, connection,
            consumer::pump::Pump,
            frame_care::{Care, QueueCare, discard_first},
        },
        unacked::UnackedDeliveries,
    },
};

/// For the broker's answer when consuming starts or stops.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(5);
/// Before a lane is begun anew of which one queue could not be consumed.
const WITHOUT_ALL: Duration = Duration::from_secs(5);
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
    care: QueueCare,
    pub(in crate::queue) unacked: UnackedDeliveries,
}

impl ConsumerSource {
    pub(in crate::queue) fn new(uri: &AmqpUri, publisher: &Publisher, name: &str) -> Self {
        Self {
            uri: uri.clone(),
            publisher: publisher.clone(),
            name: name.into(),
            live: TaskTracker::new(),
            care: QueueCare::default(),
            unacked: UnackedDeliveries::default(),
        }
    }

    pub(in crate::queue) async fn consume(
        &self,
        lane: Lane,
        prefetch: u16,
        stop: CancellationToken,
    ) -> Result<Consumer, OpenError> {
        let queues = self.publisher.topology.queues_of(lane);
        let share = prefetch.div_ceil(u16::try_from(queues.len()).unwrap_or(u16::MAX));
        // The broker sends no more than this before it has answers.
        let (out, deliveries) = mpsc::channel(queues.len().saturating_mul(share.into()));
        // All of them are begun anew if one ends.
        let any_ended = stop.child_token();
        let subscribe = queues.into_iter().map(|queue| {
            let ends = Ends {
                stop: stop.clone(),
                any_ended: any_ended.clone(),
                out: out.clone(),
            };
            async move {
                let subscribed = self.subscribe(lane, &queue, share, ends).await;
                (queue, subscribed)
            }
        });
        let (mut subscriptions, mut problem) = (Vec::new(), None);
        for (queue, subscribed) in join_all(subscribe).await {
            match subscribed {
                Ok(subscription) => subscriptions.push(subscription),
                Err(error) => {
                    tracing::warn!(%error, queue, "A queue cannot be consumed");
                    problem = Some(error);
                }
            }
        }
        if let Some(problem) = problem {
            if subscriptions.is_empty() {
                return Err(problem);
            }
            tokio::spawn(any_ended.clone().run_until_cancelled_owned(async move {
                tokio::time::sleep(WITHOUT_ALL).await;
                any_ended.cancel();
            }));
        }
        Ok(Consumer {
            deliveries,
            subscriptions,
        })
    }

    async fn subscribe(
        &self,
        lane: Lane,
        queue: &str,
        prefetch: u16,
        ends: Ends,
    ) -> Result<Subscription, OpenError> {
        let name = format!("{} consume {}", self.name, lane.routing_key());
        if self.care.get(queue) == Care::Stuck {
            let discard = discard_first(&self.uri, &self.publisher, &self.care, &name);
            tokio::time::timeout(SUBSCRIBE_TIMEOUT, discard)
                .await
                .map_err(|_| OpenError::TimedOut(SUBSCRIBE_TIMEOUT))??;
        }
        let care = self.care.get(queue);
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
            let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
            let deliveries = channel.basic_consume(queue.into(), "".into(), options, none);
            Ok((deliveries.await?, channel))
        };
        let (deliveries, channel) = tokio::time::timeout(SUBSCRIBE_TIMEOUT, subscribe)
            .await
            .map_err(|_| OpenError::TimedOut(SUBSCRIBE_TIMEOUT))?
            .map_err(OpenError::Broker)?;
        let pump = Pump {
            deliveries,
            channel: channel.clone(),
            publisher: self.publisher.clone(),
            acks: Arc::default(),
            stop: ends.stop,
            any_ended: ends.any_ended.clone(),
            stopped: false,
            lane,
            queue: queue.to_owned(),
            care: self.care.clone(),
            unacked: self.unacked.clone(),
            relaxed: false,
        };
        let pump = self.live.spawn(async move {
            let _any_ended = ends.any_ended.drop_guard();
            pump.run(ends.out).await;
        });
        Ok(Subscription {
            connection,
            _channel: channel,
            _pump: AbortOnDropHandle::new(pump),
        })
    }

    /// Whether as many consumers can receive as `lanes` have queues.
    pub(in crate::queue) fn is_ready(&self, lanes: &[Lane]) -> bool {
        let topology = &self.publisher.topology;
        let queues = lanes.iter().flat_map(|lane| topology.queues_of(*lane));
        self.live.len() >= queues.count()
    }
}

/// The deliveries of one lane. Answers go over the connections: it must outlive them.
pub struct Consumer {
    deliveries: mpsc::Receiver<Delivery>,
    subscriptions: Vec<Subscription>,
}

/// Where the deliveries of one queue go, and until when.
struct Ends {
    stop: CancellationToken,
    /// Cancelled with `stop`, or when the deliveries of another queue of the lane end.
    any_ended: CancellationToken,
    out: mpsc::Sender<Delivery>,
}

/// To one queue.
struct Subscription {
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

    /// Closes the connections in good order: the broker has every answer then.
    pub(in crate::queue) async fn close(self) {
        let close = self
            .subscriptions
            .iter()
            .map(|it| it.connection.close(REPLY_SUCCESS, "done".into()));
        tokio::time::timeout(SUBSCRIBE_TIMEOUT, join_all(close))
            .await
            .ok();
    }
}
