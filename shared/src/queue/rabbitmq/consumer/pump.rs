//! What takes deliveries off one connection as they come.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use lapin::{Channel, options::BasicCancelOptions};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::Span;

use crate::queue::{
    Delivery, Lane,
    rabbitmq::{
        Publisher, ack_window::AckWindow, acker::Answer, amqp_message, frame_care::QueueCare,
    },
    unacked::UnackedDeliveries,
};

/// For the broker's answer to basic.cancel.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

/// Takes deliveries off the connection as they come, so that a request to stop reaches the broker
/// even while no job slot is free.
pub(super) struct Pump {
    pub(super) deliveries: lapin::Consumer,
    pub(super) channel: Channel,
    pub(super) publisher: Publisher,
    pub(super) acks: Arc<Mutex<AckWindow>>,
    pub(super) stop: CancellationToken,
    pub(super) any_ended: CancellationToken,
    pub(super) stopped: bool,
    pub(super) lane: Lane,
    pub(super) queue: String,
    pub(super) care: QueueCare,
    pub(super) unacked: UnackedDeliveries,
    /// Begun with more care than the queue needs any more: to be begun again.
    pub(super) relaxed: bool,
}

impl Pump {
    pub(super) async fn run(mut self, out: mpsc::Sender<Delivery>) {
        while let Some(delivery) = self.next().await {
            if out.send(delivery).await.is_err() {
                return;
            }
        }
    }

    async fn next(&mut self) -> Option<Delivery> {
        while !self.relaxed {
            let next = tokio::select! {
                () = self.any_ended.cancelled(), if !self.stopped => {
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
                    self.care.note(self.lane, &self.queue, &error);
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
            tokio::time::timeout(CANCEL_TIMEOUT, cancel).await,
            Ok(Ok(()))
        )
    }

    fn delivery(&mut self, delivery: lapin::message::Delivery) -> Delivery {
        if !delivery.redelivered {
            self.relaxed |= self.care.relax(&self.queue);
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
