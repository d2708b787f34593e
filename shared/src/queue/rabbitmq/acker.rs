//! Answering what RabbitMQ has handed out: done, later, or never.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use lapin::{Acker, options::BasicAckOptions, types::DeliveryTag};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::{
    message::Envelope,
    queue::{
        PublishError, RetryTier,
        rabbitmq::{Publisher, ack_window::AckWindow},
    },
    retry,
    service::failpoint,
};

/// For an answer to leave this process.
const ACK_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two tries to move a message, while the broker takes none.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How to answer one delivery.
pub struct Answer {
    pub(super) tag: DeliveryTag,
    pub(super) acker: Acker,
    pub(super) acks: Arc<Mutex<AckWindow>>,
    pub(super) routing_key: String,
    pub(super) publisher: Publisher,
    pub(super) stop: CancellationToken,
}

impl Answer {
    /// Acks what consumers have handed out.
    pub(in crate::queue) async fn ack_all(mut answers: Vec<Self>) -> Result<(), PublishError> {
        answers.sort_unstable_by_key(|answer| (Arc::as_ptr(&answer.acks), answer.tag));
        let by_channel = answers.chunk_by(|one, next| Arc::ptr_eq(&one.acks, &next.acks));
        let acked = join_all(by_channel.map(Self::ack_of_one_channel)).await;
        acked.into_iter().collect()
    }

    /// - `answers`: in the order of their tags.
    async fn ack_of_one_channel(answers: &[Self]) -> Result<(), PublishError> {
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

    pub(in crate::queue) async fn retry(
        self,
        tier: RetryTier,
        message: &Envelope,
    ) -> Result<(), PublishError> {
        let exchange = self.publisher.topology.retry_exchange(tier);
        failpoint::crash_at("retry_before_republish");
        self.move_to(&exchange, message).await
    }

    pub(in crate::queue) async fn dead_letter(
        self,
        message: &Envelope,
    ) -> Result<(), PublishError> {
        let exchange = self.publisher.topology.dead_exchange();
        self.move_to(&exchange, message).await
    }

    /// Publishes the copy, then acks the original: a crash in between duplicates the
    /// message, which is harmless, and never loses it. The copy is a new message, so none
    /// of the broker's own counters travel with it.
    ///
    /// While the broker takes no message, the original stays unacked: giving it back would
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
                    return Self::ack_all(vec![self]).await;
                }
                // After a lost connection the message is redelivered anyway.
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
