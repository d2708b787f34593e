//! Taking messages off the queue, whichever it is.

use tokio_util::sync::CancellationToken;

use crate::{
    config::QueueSettings,
    queue::{Delivery, Lane, OpenError, Publisher, Unacked, embedded, rabbitmq},
    service::spans,
};

/// Takes messages off one lane.
pub enum Consumer {
    /// From a broker.
    RabbitMq(Box<rabbitmq::consumer::Consumer>),
    /// From the database.
    Embedded(embedded::consumer::Consumer),
}

impl Consumer {
    /// The next message and what else is there already, up to `most`; where messages arrive without
    /// being asked for and there is room, also what arrives until `until`. Empty once all of it has
    /// come out after a shutdown, or when the queue ended consuming and it must be started again.
    ///
    /// Returns also what `until` came to, if it was reached.
    pub async fn next_batch<T>(
        &mut self,
        most: usize,
        until: impl Future<Output = T>,
    ) -> (Vec<Delivery>, Option<T>) {
        let (system, (mut batch, reached)) = match self {
            Self::RabbitMq(consumer) => (spans::RABBITMQ, consumer.next_batch(most, until).await),
            Self::Embedded(consumer) => (spans::EMBEDDED, (consumer.next_batch(most).await, None)),
        };
        for delivery in &mut batch {
            delivery.begin(system);
        }
        (batch, reached)
    }

    /// The next message, as [`Self::next_batch`].
    pub async fn next(&mut self) -> Option<Delivery> {
        let (mut batch, _) = self.next_batch(1, std::future::pending::<()>()).await;
        batch.pop()
    }

    /// Batches that may be worked on at once. More would wait for each other: SQLite has one
    /// writer, and beyond two full batches a broker's messages are better kept together.
    pub fn batches_at_once(&self) -> u16 {
        match self {
            Self::RabbitMq(_) => 2,
            Self::Embedded(_) => 1,
        }
    }

    /// Ends it, once everything is answered: the queue has heard every answer then.
    pub async fn close(self) {
        match self {
            Self::RabbitMq(consumer) => consumer.close().await,
            Self::Embedded(consumer) => consumer.close().await,
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
    pub fn lanes(&self) -> &'static [Lane] {
        match self {
            Self::RabbitMq(_) => &[Lane::Events, Lane::Confirm, Lane::Unroutable, Lane::Dead],
            // It puts aside what is dead by itself.
            Self::Embedded(_) => &[Lane::Events, Lane::Confirm],
        }
    }

    /// What its consumers of `lane` have handed out, and has not been answered.
    pub fn unacked(&self, lane: Lane) -> Unacked {
        match self {
            Self::RabbitMq(source) => source.unacked.of(lane),
            Self::Embedded(queue) => queue.unacked.of(lane),
        }
    }

    /// Starts to consume `lane`.
    ///
    /// - `prefetch`: how many messages may be unacked at once.
    /// - `stop`: when to ask for no more. What was delivered still comes out.
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
            Self::Embedded(queue) => {
                let consumer = embedded::consumer::Consumer::new(queue.clone(), lane, stop);
                Ok(Consumer::Embedded(consumer))
            }
        }
    }

    /// Whether messages of `lanes` can arrive now.
    pub async fn is_ready(&self, lanes: &[Lane]) -> bool {
        match self {
            Self::RabbitMq(source) => source.is_ready(lanes),
            Self::Embedded(queue) => queue.is_ready().await,
        }
    }
}
