//! Taking messages off the queue, whichever it is.

use tokio_util::sync::CancellationToken;

use crate::{
    config::QueueSettings,
    queue::{Delivery, Lane, OpenError, Publisher, embedded, rabbitmq},
};

/// Takes messages off one lane.
pub enum Consumer {
    /// From a broker.
    RabbitMq(Box<rabbitmq::consumer::Consumer>),
    /// From the database.
    Embedded(embedded::consumer::Consumer),
}

impl Consumer {
    /// The next message. `None` once all of it has come out after a shutdown, or when the
    /// queue ended consuming and it must be started again.
    pub async fn next(&mut self) -> Option<Delivery> {
        match self {
            Self::RabbitMq(consumer) => consumer.next().await,
            Self::Embedded(consumer) => consumer.next_batch(1).await.pop(),
        }
    }

    /// The next message, and what else is there already, up to `most`: nobody waits for a batch
    /// to fill. Empty where [`Self::next`] would be `None`.
    pub async fn next_batch(&mut self, most: usize) -> Vec<Delivery> {
        match self {
            Self::RabbitMq(consumer) => {
                let mut batch: Vec<Delivery> = consumer.next().await.into_iter().collect();
                while !batch.is_empty()
                    && batch.len() < most
                    && let Some(delivery) = consumer.ready()
                {
                    batch.push(delivery);
                }
                batch
            }
            Self::Embedded(consumer) => consumer.next_batch(most).await,
        }
    }

    /// Whether messages arrive before they are asked for.
    #[must_use]
    pub fn hands_out_ahead(&self) -> bool {
        matches!(self, Self::RabbitMq(_))
    }

    /// The next message that arrives without being asked for, whether more are wanted or not.
    /// `None` at the end, and after a trouble that is in the log. Dropping the future loses nothing.
    pub async fn arrival(&mut self) -> Option<Delivery> {
        match self {
            Self::RabbitMq(consumer) => consumer.arrival().await,
            Self::Embedded(_) => std::future::pending().await,
        }
    }

    /// Waits until no more messages are wanted and [`Self::stop`] has to be called, even if
    /// nobody can take the next one now.
    pub async fn asked_to_stop(&self) {
        match self {
            Self::RabbitMq(consumer) => consumer.asked_to_stop().await,
            // It hands out nothing by itself.
            Self::Embedded(_) => std::future::pending().await,
        }
    }

    /// Asks the queue for no more. What it has handed out still comes out, if it agrees;
    /// returns whether it did.
    pub async fn stop(&mut self) -> bool {
        match self {
            Self::RabbitMq(consumer) => consumer.stop().await,
            Self::Embedded(_) => true,
        }
    }

    /// Ends it, once everything is answered: the queue has heard every answer then.
    pub async fn close(self) {
        if let Self::RabbitMq(consumer) = self {
            consumer.close().await;
        }
    }
}

/// Opens consumers.
#[derive(Clone)]
pub enum ConsumerSource {
    /// From a broker.
    RabbitMq(rabbitmq::consumer::ConsumerSource),
    /// From the database.
    Embedded(embedded::Queue),
}

impl ConsumerSource {
    /// A source of consumers beside `publisher`.
    ///
    /// - `name`: how the connections are called in the broker's lists.
    #[must_use]
    pub fn new(settings: &QueueSettings, publisher: &Publisher, name: &str) -> Self {
        match (settings, publisher) {
            (QueueSettings::RabbitMq { uri, .. }, Publisher::RabbitMq(publisher)) => {
                Self::RabbitMq(rabbitmq::consumer::ConsumerSource::new(
                    uri, publisher, name,
                ))
            }
            (_, Publisher::Embedded(queue)) => Self::Embedded(queue.clone()),
            (QueueSettings::Embedded, Publisher::RabbitMq(_)) => {
                unreachable!("publisher and consumer are opened with the same settings")
            }
        }
    }

    /// The lanes there are.
    #[must_use]
    pub fn lanes(&self) -> &'static [Lane] {
        match self {
            Self::RabbitMq(_) => &[Lane::Events, Lane::Confirm, Lane::Unroutable, Lane::Dead],
            // It puts aside what is dead by itself.
            Self::Embedded(_) => &[Lane::Events, Lane::Confirm],
        }
    }

    /// Starts to consume `lane`.
    ///
    /// - `prefetch`: how many messages may be in hand at once.
    /// - `stop`: when to ask for no more. What is in hand still comes out.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if the broker refuses.
    pub async fn consume(
        &self,
        lane: Lane,
        prefetch: u16,
        stop: CancellationToken,
    ) -> Result<Consumer, OpenError> {
        match self {
            Self::RabbitMq(source) => {
                let consumer = source.consume(lane, prefetch, stop).await?;
                Ok(Consumer::RabbitMq(Box::new(consumer)))
            }
            Self::Embedded(queue) => Ok(Consumer::Embedded(queue.consume(lane, stop))),
        }
    }

    /// Whether messages of so many lanes can arrive now.
    pub async fn is_ready(&self, lanes: usize) -> bool {
        match self {
            Self::RabbitMq(source) => source.is_ready(lanes),
            Self::Embedded(queue) => queue.is_ready().await,
        }
    }
}
