//! How a lane is read after a message whose headers exceeded the frame that was asked for.
//!
//! Headers travel in one frame. lapin ends the connection that gets a larger one than agreed, and
//! the broker hands the message out again: without care for ever, and with it every message that
//! was on its way beside it.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use lapin::{
    ErrorKind,
    options::BasicGetOptions,
    protocol::{AMQPErrorKind, AMQPHardError},
};

use super::{Lane, OpenError, amqp_message, rabbitmq::Publisher, rabbitmq_link};
use crate::settings::AmqpUri;

/// How carefully a lane is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Care {
    /// With the frame that fits our own messages.
    Usual,
    /// With the largest frame the broker allows. Costs memory, and so only once it was needed.
    Wide,
    /// One message at a time as well: the broker's own headers may have made one larger than it
    /// allows. Then it counts as delivered each time, until the broker sets it aside.
    Alone,
    /// Not even so, and nothing sets it aside: only [`discard_first`] helps.
    Stuck,
}

/// The care that each lane needs. Clones share it.
#[derive(Clone)]
pub(super) struct LaneCare(Arc<[AtomicU8; 4]>);

impl Default for LaneCare {
    fn default() -> Self {
        Self(Arc::new([const { AtomicU8::new(0) }; 4]))
    }
}

impl LaneCare {
    fn of(&self, lane: Lane) -> &AtomicU8 {
        let [events, confirm, unroutable, dead] = &*self.0;
        match lane {
            Lane::Events => events,
            Lane::Confirm => confirm,
            Lane::Unroutable => unroutable,
            Lane::Dead => dead,
        }
    }

    pub(super) fn get(&self, lane: Lane) -> Care {
        match self.of(lane).load(Ordering::Relaxed) {
            0 => Care::Usual,
            1 => Care::Wide,
            2 => Care::Alone,
            _ => Care::Stuck,
        }
    }

    fn set(&self, lane: Lane, care: Care) {
        let level = match care {
            Care::Usual => 0,
            Care::Wide => 1,
            Care::Alone => 2,
            Care::Stuck => 3,
        };
        self.of(lane).store(level, Ordering::Relaxed);
    }

    /// Notes why a lane could not be read on.
    pub(super) fn note(&self, lane: Lane, error: &lapin::Error) {
        if !is_large_frame(error) {
            return;
        }
        let next = match self.get(lane) {
            Care::Usual => Care::Wide,
            Care::Alone | Care::Stuck if lane == Lane::Dead => Care::Stuck,
            Care::Wide | Care::Alone | Care::Stuck => Care::Alone,
        };
        tracing::warn!(?lane, ?next, "A message's headers exceed the frame");
        self.set(lane, next);
    }

    /// Notes that a message came which was not handed out before: the large one is gone.
    ///
    /// Returns whether the lane may be read with less care now.
    pub(super) fn relax(&self, lane: Lane) -> bool {
        let alone = self.get(lane) >= Care::Alone;
        if alone {
            self.set(lane, Care::Wide);
        }
        alone
    }
}

fn is_large_frame(error: &lapin::Error) -> bool {
    let ErrorKind::ProtocolError(problem) = error.kind() else {
        return false;
    };
    *problem.kind() == AMQPErrorKind::Hard(AMQPHardError::FRAMEERROR)
}

/// Takes the first message out of the queue of dead letters without reading it. Nothing else could:
/// the broker delivers it for ever, and its headers fit no frame.
///
/// A message that can be read after all has been overtaken by another worker's doing, and is
/// published again.
pub(super) async fn discard_first(
    uri: &AmqpUri,
    publisher: &Publisher,
    care: &LaneCare,
    name: &str,
) -> Result<(), OpenError> {
    let queue = publisher.topology().queue(Lane::Dead);
    let connection = rabbitmq_link::connect_wide(uri, name).await?;
    let channel = connection.create_channel().await?;
    // The broker forgets it when it sends it.
    let options = BasicGetOptions { no_ack: true };
    match channel.basic_get(queue.as_str().into(), options).await {
        Ok(Some(message)) => {
            let key = message.delivery.routing_key.to_string();
            let envelope = amqp_message::envelope(&message.delivery);
            let dead = publisher.topology().dead_exchange();
            if let Err(error) = publisher.publish_to(&dead, &key, &envelope).await {
                tracing::error!(%error, message_id = envelope.message_id, "A dead letter is lost");
            }
        }
        Ok(None) => {}
        Err(error) if is_large_frame(&error) => {
            tracing::error!("A dead letter whose headers fit no frame was discarded unread");
        }
        Err(error) => return Err(error.into()),
    }
    care.set(Lane::Dead, Care::Alone);
    Ok(())
}
