//! The exchanges and queues, their names and arguments. Works on RabbitMQ 3.10 to 4.x.
//!
//! ```text
//! bookonce.work (direct) ──events──► bookonce.events.v1 ──┐ refused too often
//!    │        ▲          └─confirm─► bookonce.confirm.v1 ─┤
//!    │        │ after the TTL, same routing key           ▼
//!    │   bookonce.retry.<tier> ─► bookonce.retry.<tier>.v1    bookonce.dead ─► bookonce.dead.v1
//!    └─no queue─► bookonce.unroutable ─► bookonce.unroutable.v1
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

use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

use uuid::Uuid;

use crate::queue::{Lane, RetryTier};

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
}

impl Topology {
    /// - `prefix`: `bookonce`, unless several deployments share a broker.
    pub fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
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

    /// The queue of `lane`.
    pub fn queue(&self, lane: Lane) -> String {
        format!("{}.{}.v1", self.prefix, lane.routing_key())
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
        let lanes = [Lane::Events, Lane::Confirm, Lane::Unroutable].map(|lane| {
            let arguments = [
                ("x-delivery-limit", AMQPValue::LongLongInt(DELIVERY_LIMIT)),
                ("x-dead-letter-exchange", long_string(&dead)),
                ("x-dead-letter-strategy", long_string("at-least-once")),
            ];
            (self.queue(lane), quorum(arguments))
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
        lanes.into_iter().chain(tiers).chain([dead]).collect()
    }

    /// Whether exchanges and queues are there: what a user sees who may not declare them. What their arguments
    /// and bindings are, only a declaration tells.
    pub(super) async fn check(&self, channel: &Channel) -> Result<(), lapin::Error> {
        let tiers = RetryTier::ALL.map(|tier| self.retry_exchange(tier));
        let others = [
            self.work_exchange(),
            self.dead_exchange(),
            self.unroutable_exchange(),
            self.notifications_exchange(),
        ];
        for name in others.into_iter().chain(tiers) {
            let options = ExchangeDeclareOptions {
                passive: true,
                ..Default::default()
            };
            let kind = ExchangeKind::Direct; // not looked at
            channel
                .exchange_declare(name.into(), kind, options, FieldTable::default())
                .await?;
        }
        for (name, _) in self.queues() {
            look_for_queue(channel, &name).await?;
        }
        Ok(())
    }

    /// Declares everything. Declaring it again changes nothing; a name that is taken by something
    /// with other arguments is an error 406 `PRECONDITION_FAILED`.
    pub(super) async fn declare(&self, channel: &Channel) -> Result<(), lapin::Error> {
        let declare = Declare(channel);
        let unroutable = self.unroutable_exchange();
        let (work, dead) = (self.work_exchange(), self.dead_exchange());
        let tiers = RetryTier::ALL.map(|tier| (self.retry_exchange(tier), self.retry_queue(tier)));

        declare
            .exchange(&unroutable, ExchangeKind::Fanout, [])
            .await?;
        let alternate = ("alternate-exchange", long_string(&unroutable));
        declare
            .exchange(&work, ExchangeKind::Direct, [alternate.clone()])
            .await?;
        declare
            .exchange(&self.notifications_exchange(), ExchangeKind::Topic, [])
            .await?;
        let fanouts = tiers.iter().map(|(exchange, _)| exchange).chain([&dead]);
        for exchange in fanouts {
            declare
                .exchange(exchange, ExchangeKind::Fanout, [alternate.clone()])
                .await?;
        }
        for (name, arguments) in self.queues() {
            declare_queue(channel, &name, arguments).await?;
        }
        for lane in [Lane::Events, Lane::Confirm] {
            declare
                .bind(&self.queue(lane), &work, lane.routing_key())
                .await?;
        }
        for (exchange, queue) in &tiers {
            declare.bind(queue, exchange, "").await?;
        }
        declare
            .bind(&self.queue(Lane::Unroutable), &unroutable, "")
            .await?;
        declare.bind(&self.queue(Lane::Dead), &dead, "").await
    }
}

/// Looks at one queue, as a user who may not declare it.
pub(super) async fn look_for_queue(
    channel: &Channel,
    name: &str,
) -> Result<lapin::Queue, lapin::Error> {
    let options = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::durable()
    };
    channel
        .queue_declare(name.into(), options, FieldTable::default())
        .await
}

/// Declares one queue.
pub(super) async fn declare_queue(
    channel: &Channel,
    name: &str,
    arguments: FieldTable,
) -> Result<lapin::Queue, lapin::Error> {
    channel
        .queue_declare(name.into(), QueueDeclareOptions::durable(), arguments)
        .await
}

struct Declare<'a>(&'a Channel);

impl Declare<'_> {
    async fn exchange(
        &self,
        name: &str,
        kind: ExchangeKind,
        arguments: impl IntoIterator<Item = (&'static str, AMQPValue)>,
    ) -> Result<(), lapin::Error> {
        let options = ExchangeDeclareOptions {
            durable: true,
            ..Default::default()
        };
        self.0
            .exchange_declare(name.into(), kind, options, table(arguments))
            .await
    }

    async fn bind(&self, queue: &str, exchange: &str, key: &str) -> Result<(), lapin::Error> {
        let options = QueueBindOptions::default();
        self.0
            .queue_bind(
                queue.into(),
                exchange.into(),
                key.into(),
                options,
                FieldTable::default(),
            )
            .await
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
