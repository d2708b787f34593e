//! Making the exchanges, queues and bindings, and looking whether they are there.

use lapin::{
    Channel, ExchangeKind,
    options::{
        ExchangeBindOptions, ExchangeDeclareOptions, ExchangeUnbindOptions, QueueBindOptions,
        QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable},
};

use crate::queue::{
    Lane, RetryTier,
    topology::{Topology, long_string, table},
};

impl Topology {
    /// Whether exchanges and queues are there: what a user sees who may not declare them. What their arguments
    /// and bindings are, only a declaration tells.
    pub(in crate::queue) async fn check(&self, channel: &Channel) -> Result<(), lapin::Error> {
        let tiers = RetryTier::ALL.map(|tier| self.retry_exchange(tier));
        let others = [
            self.work_exchange(),
            self.dead_exchange(),
            self.unroutable_exchange(),
            self.notifications_exchange(),
        ];
        let others = others.into_iter().chain(self.events_exchange());
        for name in others.chain(tiers) {
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

    /// Declares everything. Declaring it again changes nothing, and nothing is taken back; a name that is taken by
    /// something with other arguments is an error 406 `PRECONDITION_FAILED`.
    pub(in crate::queue) async fn declare(&self, channel: &Channel) -> Result<(), lapin::Error> {
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
        self.bind_events(&declare, &work, alternate).await?;
        let confirm = Lane::Confirm;
        declare
            .bind(&self.queue(confirm), &work, confirm.routing_key())
            .await?;
        for (exchange, queue) in &tiers {
            declare.bind(queue, exchange, "").await?;
        }
        declare
            .bind(&self.queue(Lane::Unroutable), &unroutable, "")
            .await?;
        declare.bind(&self.queue(Lane::Dead), &dead, "").await
    }

    /// Binds the queue of events or, if there are several, the exchange that spreads over them.
    async fn bind_events(
        &self,
        declare: &Declare<'_>,
        work: &str,
        alternate: (&'static str, AMQPValue),
    ) -> Result<(), lapin::Error> {
        let key = Lane::Events.routing_key();
        let Some(spreading) = self.events_exchange() else {
            return declare.bind(&self.queue(Lane::Events), work, key).await;
        };
        // An event that comes twice goes to the same queue twice. Source:
        // <https://github.com/rabbitmq/rabbitmq-server/tree/main/deps/rabbitmq_consistent_hash_exchange>
        let by_id = ("hash-property", long_string("message_id"));
        let kind = ExchangeKind::Custom("x-consistent-hash".to_owned());
        declare
            .exchange(&spreading, kind, [alternate, by_id])
            .await?;
        for queue in self.queues_of(Lane::Events) {
            // So many parts of the whole.
            declare.bind(&queue, &spreading, "1").await?;
        }
        declare.bind_exchange(&spreading, work, key).await
    }

    /// Takes back the ways of events to other queues than these, once the new ones are there: meanwhile an event may go
    /// both, and is carried out once. Only by `migrations up`, and not whenever a process connects that was started with
    /// another number.
    pub(in crate::queue) async fn unbind_others(
        &self,
        channel: &Channel,
    ) -> Result<(), lapin::Error> {
        let declare = Declare(channel);
        let (work, key) = (self.work_exchange(), Lane::Events.routing_key());
        let spreading = self.spreading_exchange();
        if self.events_exchange().is_some() {
            let first = self.queue(Lane::Events);
            declare.unbind(&first, &work, key).await?;
        } else {
            declare.unbind_exchange(&spreading, &work, key).await?;
        }
        for (_, queue) in self.further_event_queues() {
            declare.unbind(&queue, &spreading, "1").await?;
        }
        Ok(())
    }
}

/// Looks at one queue, as a user who may not declare it.
pub(in crate::queue) async fn look_for_queue(
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
pub(in crate::queue) async fn declare_queue(
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

    async fn bind_exchange(
        &self,
        exchange: &str,
        source: &str,
        key: &str,
    ) -> Result<(), lapin::Error> {
        let (options, none) = (ExchangeBindOptions::default(), FieldTable::default());
        self.0
            .exchange_bind(exchange.into(), source.into(), key.into(), options, none)
            .await
    }

    /// It is no error if it is not bound, or not there.
    async fn unbind(&self, queue: &str, exchange: &str, key: &str) -> Result<(), lapin::Error> {
        let none = FieldTable::default();
        self.0
            .queue_unbind(queue.into(), exchange.into(), key.into(), none)
            .await
    }

    /// It is no error if it is not bound, or not there.
    async fn unbind_exchange(
        &self,
        exchange: &str,
        source: &str,
        key: &str,
    ) -> Result<(), lapin::Error> {
        let (options, none) = (ExchangeUnbindOptions::default(), FieldTable::default());
        self.0
            .exchange_unbind(exchange.into(), source.into(), key.into(), options, none)
            .await
    }
}
