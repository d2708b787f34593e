//! How a queue is read after a message that ended the connection: its headers exceeded the frame
//! that was asked for, or its names are no UTF-8.
//!
//! Headers travel in one frame. lapin ends the connection that gets a larger one than agreed, or
//! one it cannot read, and the broker hands the message out again: without care for ever, and with
//! it every message that was on its way beside it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use lapin::{
    Connection, ErrorKind,
    message::Delivery,
    options::BasicGetOptions,
    protocol::{AMQPErrorKind, AMQPHardError},
};

use crate::{
    config::AmqpUri,
    queue::{
        Lane, OpenError,
        rabbitmq::{Publisher, amqp_message, connection},
    },
};

/// For a message to be back in its queue.
const LOOKS: usize = 20;
const LOOK_PAUSE: Duration = Duration::from_millis(100);
const BROKEN_PAUSE: Duration = Duration::from_millis(20);

/// How carefully a queue is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::queue) enum Care {
    /// With the frame that fits our own messages.
    Usual,
    /// With the largest frame the broker allows. Costs memory, and so only once it was needed.
    Wide,
    /// One message at a time as well: no frame helps with what cannot be read, or with what the
    /// broker's own headers made larger than it allows. It counts as delivered each time, until
    /// the broker sets it aside.
    Alone,
    /// Not even so, and nothing sets it aside: only [`discard_first`] helps.
    Stuck,
}

/// The care that each queue needs, by its name. Clones share it.
#[derive(Clone, Default)]
pub(in crate::queue) struct QueueCare(Arc<Mutex<HashMap<String, Care>>>);

impl QueueCare {
    fn queues(&self) -> MutexGuard<'_, HashMap<String, Care>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::queue) fn get(&self, queue: &str) -> Care {
        self.queues().get(queue).copied().unwrap_or(Care::Usual)
    }

    fn set(&self, queue: &str, care: Care) {
        self.queues().insert(queue.to_owned(), care);
    }

    /// Notes why a queue of `lane` could not be read on.
    pub(in crate::queue) fn note(&self, lane: Lane, queue: &str, error: &lapin::Error) {
        let Some(unreadable) = Unreadable::of(error) else {
            return;
        };
        let next = match self.get(queue) {
            Care::Usual if unreadable == Unreadable::Large => Care::Wide,
            Care::Alone | Care::Stuck if lane == Lane::Dead => Care::Stuck,
            Care::Usual | Care::Wide | Care::Alone | Care::Stuck => Care::Alone,
        };
        tracing::warn!(queue, ?next, ?unreadable, "A message cannot be read");
        self.set(queue, next);
    }

    /// Notes that a message came which was not handed out before: the large one is gone.
    ///
    /// Returns whether the queue may be read with less care now.
    pub(in crate::queue) fn relax(&self, queue: &str) -> bool {
        let alone = self.get(queue) >= Care::Alone;
        if alone {
            self.set(queue, Care::Wide);
        }
        alone
    }
}

/// Why a message ends the connection that gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unreadable {
    /// Its headers exceed the frame.
    Large,
    /// AMQP's names are UTF-8, and the broker does not see to it.
    NoText,
}

impl Unreadable {
    fn of(error: &lapin::Error) -> Option<Self> {
        match error.kind() {
            ErrorKind::ProtocolError(problem) => (*problem.kind()
                == AMQPErrorKind::Hard(AMQPHardError::FRAMEERROR))
            .then_some(Self::Large),
            ErrorKind::ParsingError(_) => Some(Self::NoText),
            _ => None,
        }
    }
}

/// Takes the first message out of the queue of dead letters without reading it, if it cannot be
/// read: nothing else could, and the broker would deliver it for ever.
pub(in crate::queue) async fn discard_first(
    uri: &AmqpUri,
    publisher: &Publisher,
    care: &QueueCare,
    name: &str,
) -> Result<(), OpenError> {
    let queue = publisher.topology.queue(Lane::Dead);
    let get = async |no_ack| {
        let connection = connection::connect(&uri.wide(), name).await?;
        let channel = connection.create_channel().await?;
        let got = channel.basic_get(queue.as_str().into(), BasicGetOptions { no_ack });
        tokio::select! {
            got = got => match got {
                Ok(message) => {
                    // What was not acked goes back with the connection.
                    connection.close(200, "done".into()).await.ok();
                    Ok(Got::Readable(message.map(|it| Box::new(it.delivery))))
                }
                Err(error) if Unreadable::of(&error).is_some() => Ok(Got::Unreadable),
                Err(error) => Err(OpenError::Broker(error)),
            },
            () = broken(&connection) => Ok(Got::Unreadable),
        }
    };
    // Only what was seen to be unreadable is taken by the get at which the broker forgets it.
    let mut unreadable = matches!(get(false).await?, Got::Unreadable);
    for _ in 0..LOOKS {
        if !unreadable {
            break;
        }
        match get(true).await? {
            // The connection that could not read it is not quite closed yet, and has it still.
            Got::Readable(None) => {
                tokio::time::sleep(LOOK_PAUSE).await;
                continue;
            }
            Got::Unreadable => tracing::error!("A dead letter that cannot be read was discarded"),
            // Another worker has discarded it in between, and this is the one behind it.
            Got::Readable(Some(next)) => {
                let envelope = amqp_message::envelope(&next);
                let (dead, key) = (publisher.topology.dead_exchange(), &next.routing_key);
                let kept = publisher.publish_to(&dead, key.as_str(), &envelope).await;
                if let Err(error) = kept {
                    let id = envelope.message_id;
                    tracing::error!(%error, message_id = id, "A dead letter is lost");
                }
            }
        }
        unreadable = false;
    }
    care.set(&queue, Care::Alone);
    Ok(())
}

/// Comes to its end with the connection: of a frame that is too large, lapin does not always tell the
/// call that waits for it.
async fn broken(connection: &Connection) {
    while connection.status().connected() {
        tokio::time::sleep(BROKEN_PAUSE).await;
    }
}

/// What came of asking for one message.
enum Got {
    Readable(Option<Box<Delivery>>),
    Unreadable,
}
