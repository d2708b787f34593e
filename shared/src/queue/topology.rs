//! The exchanges and queues, their names and arguments. Works on RabbitMQ 3.10 to 4.x.
//!
//! ```text
//! bookonce.work (direct) ──events──► bookonce.events.v1 ──┐ refused too often
//!    │        ▲          └─confirm─► bookonce.confirm.v1 ─┤
//!    │        │ after the TTL, same routing key           ▼
//!    │   bookonce.retry.<tier> ─► bookonce.retry.<tier>.v1    bookonce.dead ─► bookonce.dead.v1
//!    └─no queue─► bookonce.unroutable ─► bookonce.unroutable.v1
//!
//! With `EVENT_QUEUES` above one, events go by way of another exchange:
//!
//! bookonce.work ──events──► bookonce.events (x-consistent-hash) ──┬─► bookonce.events.v1
//!                                               by message id     └─► bookonce.events.2.v1 …
//!
//! bookonce.notifications (topic) ──booking.confirmed …──► queues of the site's own
//! ```
//!
//! `worker doctor` binds a queue of its own to `bookonce.work` while it looks.
//!
//! Every exchange for our own work has `bookonce.unroutable` as its alternate: under pipelined
//! confirms a client cannot tell for sure which message came back, so none may come back. What
//! happened is told on `bookonce.notifications` whether or not a queue is bound there.
//!
//! Arguments of a queue cannot be changed once it exists, so names carry a version: a
//! change declares `v2`, binds it and drains `v1`.

mod declare;

use lapin::types::{AMQPValue, FieldTable};
use uuid::Uuid;

pub(super) use self::declare::{declare_queue, look_for_queue};

use crate::{
    config::{AmqpUri, MOST_EVENT_QUEUES, QueueSettings},
    queue::{Lane, RetryTier},
};

/// Hand-outs of one message before the broker itself dead-letters it. Only a message that
/// kills its worker gets there: every failure we see is republished. Always explicit,
/// because what "unset" means differs between broker versions.
///
/// Source: <https://www.rabbitmq.com/docs/quorum-queues#poison-message-handling>
const DELIVERY_LIMIT: i64 = 20;

/// The names of one deployment.
#[derive(Debug, Clone)]
pub struct Topology {
    prefix: String,
    event_queues: u8,
}

impl Topology {
    /// What `settings` ask for, and the broker it is on, if there is one.
    pub fn of(settings: &QueueSettings) -> Option<(&AmqpUri, Self)> {
        match settings {
            QueueSettings::RabbitMq {
                uri,
                prefix,
                event_queues,
            } => Some((uri, Self::new(prefix).spread_over(*event_queues))),
            QueueSettings::Embedded => None,
        }
    }

    /// - `prefix`: `bookonce`, unless several deployments share a broker.
    pub fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            event_queues: 1,
        }
    }

    /// The same with so many queues of events.
    #[must_use]
    pub fn spread_over(self, event_queues: u8) -> Self {
        Self {
            event_queues,
            ..self
        }
    }

    /// Exchange for work, by routing key.
    pub fn work_exchange(&self) -> String {
        format!("{}.work", self.prefix)
    }

    /// Exchange for messages that wait for their next attempt.
    pub fn retry_exchange(&self, tier: RetryTier) -> String {
        format!("{}.retry.{}", self.prefix, tier.as_str())
    }

    /// Exchange for messages that will never succeed.
    pub fn dead_exchange(&self) -> String {
        format!("{}.dead", self.prefix)
    }

    /// Exchange for messages that no binding of the work exchange wanted.
    pub fn unroutable_exchange(&self) -> String {
        format!("{}.unroutable", self.prefix)
    }

    /// Exchange on which others are told what happened, by its type.
    pub fn notifications_exchange(&self) -> String {
        format!("{}.notifications", self.prefix)
    }

    /// Exchange that spreads events over their queues, if there are several.
    pub fn events_exchange(&self) -> Option<String> {
        (self.event_queues > 1).then(|| self.spreading_exchange())
    }

    fn spreading_exchange(&self) -> String {
        format!("{}.events", self.prefix)
    }

    /// The queue of `lane`; of several, the first.
    pub fn queue(&self, lane: Lane) -> String {
        format!("{}.{}.v1", self.prefix, lane.routing_key())
    }

    /// All queues of `lane`.
    pub fn queues_of(&self, lane: Lane) -> Vec<String> {
        let last = match lane {
            Lane::Events => self.event_queues,
            Lane::Confirm | Lane::Unroutable | Lane::Dead => 1,
        };
        let others = (2..=last).map(|number| self.event_queue(number));
        std::iter::once(self.queue(lane)).chain(others).collect()
    }

    /// - `number`: 2 or more.
    fn event_queue(&self, number: u8) -> String {
        let key = Lane::Events.routing_key();
        format!("{}.{key}.{number}.v1", self.prefix)
    }

    /// Queues that events are not spread over, and may have been, each with how many there were at least then.
    pub(super) fn further_event_queues(&self) -> impl Iterator<Item = (u8, String)> {
        let numbers = self.event_queues.saturating_add(1)..=MOST_EVENT_QUEUES;
        numbers.map(|number| (number, self.event_queue(number)))
    }

    /// The queue of messages that wait for `tier`.
    pub fn retry_queue(&self, tier: RetryTier) -> String {
        format!("{}.v1", self.retry_exchange(tier))
    }

    /// A name of ours for a queue that is no one else's.
    pub(super) fn doctor_queue(&self, run: Uuid) -> String {
        format!("{}.doctor.{run}", self.prefix)
    }

    /// Every queue by name, with its arguments.
    pub fn queues(&self) -> Vec<(String, FieldTable)> {
        let (work, dead) = (self.work_exchange(), self.dead_exchange());
        let lanes = [Lane::Events, Lane::Confirm, Lane::Unroutable];
        let lanes = lanes.into_iter().flat_map(|lane| self.queues_of(lane));
        let lanes = lanes.map(|name| {
            let arguments = [
                ("x-delivery-limit", AMQPValue::LongLongInt(DELIVERY_LIMIT)),
                ("x-dead-letter-exchange", long_string(&dead)),
                ("x-dead-letter-strategy", long_string("at-least-once")),
            ];
            (name, quorum(arguments))
        });
        let tiers = RetryTier::ALL.map(|tier| {
            let ttl_ms = i64::try_from(tier.delay().as_millis()).unwrap_or(i64::MAX);
            let arguments = [
                ("x-message-ttl", AMQPValue::LongLongInt(ttl_ms)),
                // Without a routing key of its own, the message keeps the one it came with.
                ("x-dead-letter-exchange", long_string(&work)),
                ("x-dead-letter-strategy", long_string("at-least-once")),
            ];
            (self.retry_queue(tier), quorum(arguments))
        });
        // They go back to the queue for as long as the database cannot take them, which counts.
        let returns = [("x-delivery-limit", AMQPValue::LongLongInt(1_000_000))];
        let dead = (self.queue(Lane::Dead), quorum(returns));
        lanes.chain(tiers).chain([dead]).collect()
    }
}

/// Arguments of a quorum queue: on disk before a confirm, and the only replicated kind in 4.x.
/// `reject-publish` is what makes at-least-once dead-lettering effective; with the default
/// overflow behaviour the broker silently falls back to at-most-once.
fn quorum(arguments: impl IntoIterator<Item = (&'static str, AMQPValue)>) -> FieldTable {
    let always = [
        ("x-queue-type", long_string("quorum")),
        ("x-overflow", long_string("reject-publish")),
    ];
    table(always.into_iter().chain(arguments))
}

fn long_string(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

fn table(arguments: impl IntoIterator<Item = (&'static str, AMQPValue)>) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        table.insert(name.into(), value);
    }
    table
}
