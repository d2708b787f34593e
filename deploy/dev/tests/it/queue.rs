//! The queue itself, whichever it is: what arrives, what comes back, what is set aside.

use std::time::{Duration, Instant};

use bytes::Bytes;
use lapin::{
    options::{BasicGetOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use shared::{
    clock,
    config::QueueSettings,
    db::{dead_letter, job},
    message::Envelope,
    queue::{
        Consumer, ConsumerSource, Delivery, Lane, Patience, Publisher, RetryTier,
        topology::Topology,
    },
    stripe::id::CheckoutSessionId,
    traceparent::Traceparent,
};
use tokio_util::sync::CancellationToken;

use crate::{
    shop::{PATIENCE, Shop, eventually},
    stack::{Stack, connect, on_each_stack},
};

on_each_stack![
    a_message_arrives_as_it_was_published,
    a_message_of_many_frames_arrives_whole,
    a_retried_message_comes_back_after_its_tier,
    a_dead_letter_keeps_its_reason,
    lanes_do_not_wait_for_each_other,
    poison_is_set_aside_and_harms_nobody,
];

/// Of a quorum queue that has not told the broker in this time how much is in it, the broker
/// says that it is empty.
///
/// Source: `rabbit_quorum_queue:stat/1`
const BROKERS_PATIENCE: Duration = Duration::from_millis(250);

/// Messages in `lane` that no worker has; of the embedded queue, also those that one runs.
pub async fn waiting(stack: &Stack, lane: &str) -> u64 {
    match &stack.queue {
        QueueSettings::RabbitMq { prefix, .. } => {
            ready(stack, &format!("{prefix}.{lane}.v1")).await
        }
        QueueSettings::Embedded => {
            let rows = job::Entity::find().filter(job::Column::Lane.eq(lane));
            rows.count(&stack.db).await.unwrap()
        }
    }
}

/// Messages set aside.
pub async fn dead(stack: &Stack) -> u64 {
    let kept = match &stack.queue {
        QueueSettings::RabbitMq { prefix, .. } => {
            ready(stack, &Topology::new(prefix).queue(Lane::Dead)).await
        }
        QueueSettings::Embedded => 0,
    };
    kept + dead_letter::Entity::find().count(&stack.db).await.unwrap()
}

async fn ready(stack: &Stack, queue: &str) -> u64 {
    let channel = channel(stack).await;
    let passive = QueueDeclareOptions {
        passive: true,
        ..Default::default()
    };
    let start = Instant::now();
    loop {
        let asked = Instant::now();
        let declared = channel
            .queue_declare(queue.into(), passive, FieldTable::default())
            .await
            .unwrap();
        let count = declared.message_count();
        if count > 0 || asked.elapsed() < BROKERS_PATIENCE {
            return count.into();
        }
        assert!(start.elapsed() < PATIENCE, "{queue} does not answer");
    }
}

/// Whether the next message of `lane` was handed out before; a broker's queue only.
pub async fn redelivered(stack: &Stack, lane: &str) -> bool {
    let queue = format!("{}.{lane}.v1", prefix(stack));
    let got = channel(stack)
        .await
        .basic_get(queue.into(), BasicGetOptions::default())
        .await
        .unwrap();
    got.is_some_and(|message| message.delivery.redelivered)
}

/// A channel of the test's own; its connection ends with it.
pub async fn channel(stack: &Stack) -> lapin::Channel {
    let QueueSettings::RabbitMq { uri, .. } = &stack.queue else {
        panic!("no broker")
    };
    connect(uri).await.unwrap().create_channel().await.unwrap()
}

pub fn prefix(stack: &Stack) -> &str {
    let QueueSettings::RabbitMq { prefix, .. } = &stack.queue else {
        panic!("no broker")
    };
    prefix
}

pub fn message() -> Envelope {
    let id: CheckoutSessionId = "cs_test_a1B2c3D4e5".parse().unwrap();
    Envelope::checkout_confirm(&id, clock::system(), &Traceparent::new())
}

fn event(id: &str, body: Bytes) -> Envelope {
    Envelope::stripe_event(id, body, "t=1,v1=00", clock::system(), &Traceparent::new())
}

/// Both ends of a queue.
pub struct Ends {
    pub publisher: Publisher,
    source: ConsumerSource,
}

impl Ends {
    pub async fn open(stack: &Stack) -> Self {
        let publisher = Publisher::open(&stack.queue, &stack.db, "test", Patience::Wait)
            .await
            .unwrap();
        let source = ConsumerSource::new(&stack.queue, &publisher, "test");
        Self { publisher, source }
    }

    /// The next message of `lane`, and the consumer that it must be answered through.
    pub async fn take(&self, lane: Lane) -> (Delivery, Consumer) {
        let mut consumer = self
            .source
            .consume(lane, 1, CancellationToken::new())
            .await
            .unwrap();
        let next = tokio::time::timeout(PATIENCE, consumer.next()).await;
        (next.unwrap().unwrap(), consumer)
    }
}

async fn a_message_arrives_as_it_was_published(stack: Stack) {
    let ends = Ends::open(&stack).await;
    let body = Bytes::from_static(b"{ \"id\":\t\"evt_1\" }\n\xff");
    let event = event("evt_1", body);

    ends.publisher.publish(Lane::Events, &event).await.unwrap();
    let (delivery, consumer) = ends.take(Lane::Events).await;

    assert_eq!(delivery.message, event);
    assert!(!delivery.redelivered);
    delivery.ack().await.unwrap();
    consumer.close().await;
    assert_eq!(waiting(&stack, "events").await, 0);
}

/// More than a megabyte, which ingress would not take.
async fn a_message_of_many_frames_arrives_whole(stack: Stack) {
    let ends = Ends::open(&stack).await;
    let body: Bytes = (0..300_000_u32).flat_map(u32::to_be_bytes).collect();
    let event = event("evt_1", body);

    ends.publisher.publish(Lane::Events, &event).await.unwrap();
    let (delivery, _consumer) = ends.take(Lane::Events).await;

    assert!(delivery.message == event, "another body");
    delivery.ack().await.unwrap();
}

async fn a_retried_message_comes_back_after_its_tier(stack: Stack) {
    let ends = Ends::open(&stack).await;
    ends.publisher
        .publish(Lane::Confirm, &message())
        .await
        .unwrap();
    let (first, consumer) = ends.take(Lane::Confirm).await;
    let start = Instant::now();

    first
        .retry(RetryTier::TenSeconds, "stripe_unavailable")
        .await
        .unwrap();
    drop(consumer);
    let (second, _consumer) = ends.take(Lane::Confirm).await;

    // The next tier is that of a minute.
    let waited = start.elapsed();
    assert!((9..50).contains(&waited.as_secs()), "{waited:?}");
    assert_eq!(second.message.attempt, 1);
    assert_eq!(
        second.message.last_error.as_deref(),
        Some("stripe_unavailable")
    );
    assert_eq!(second.message.work().unwrap(), message().work().unwrap());
    second.ack().await.unwrap();
}

async fn a_dead_letter_keeps_its_reason(stack: Stack) {
    let ends = Ends::open(&stack).await;
    ends.publisher
        .publish(Lane::Confirm, &message())
        .await
        .unwrap();
    let (delivery, _consumer) = ends.take(Lane::Confirm).await;

    delivery.dead_letter("amount_mismatch", None).await.unwrap();

    let reason = match &stack.queue {
        QueueSettings::Embedded => {
            dead_letter::Entity::find()
                .one(&stack.db)
                .await
                .unwrap()
                .unwrap()
                .reason
        }
        QueueSettings::RabbitMq { prefix, .. } => {
            let queue = Topology::new(prefix).queue(Lane::Dead);
            let options = BasicGetOptions { no_ack: true };
            let got = channel(&stack)
                .await
                .basic_get(queue.into(), options)
                .await
                .unwrap();
            let headers = got.unwrap().delivery.properties.headers().clone().unwrap();
            match headers.inner().get("bookonce-last-error") {
                Some(AMQPValue::LongString(reason)) => reason.to_string(),
                other => panic!("{other:?}"),
            }
        }
    };
    assert_eq!(reason, "amount_mismatch");
    assert_eq!(waiting(&stack, "confirm").await, 0);
}

async fn lanes_do_not_wait_for_each_other(stack: Stack) {
    let ends = Ends::open(&stack).await;
    for number in 0..200 {
        let id = format!("evt_{number}");
        let event = event(&id, Bytes::from_static(b"{}"));
        ends.publisher.publish(Lane::Events, &event).await.unwrap();
    }
    ends.publisher
        .publish(Lane::Confirm, &message())
        .await
        .unwrap();

    let (delivery, _consumer) = ends.take(Lane::Confirm).await;

    assert_eq!(delivery.message.kind.as_deref(), Some("checkout.confirm"));
    delivery.ack().await.unwrap();
}

async fn poison_is_set_aside_and_harms_nobody(stack: Stack) {
    let shop = Shop::open(stack).await;
    let slot = shop.slot(20).await;
    let with = |change: fn(&mut Envelope)| {
        let mut poison = message();
        change(&mut poison);
        poison
    };
    let poisons = [
        with(|it| it.kind = None),
        with(|it| it.kind = Some("order.placed".into())),
        with(|it| it.schema = None),
        with(|it| it.body = Bytes::from_static(b"\x00\xff")),
        with(|it| it.kind = Some("stripe.event".into())),
    ];

    for (number, mut poison) in poisons.into_iter().enumerate() {
        poison.message_id = Some(format!("poison_{number}"));
        shop.publisher.publish(Lane::Events, &poison).await.unwrap();
        let session = shop.create(slot).await;
        shop.pay(&session, stripe_sim::Outcome::Succeed).await;
    }

    shop.wait_for_bookings(5).await;
    eventually("the poison is set aside", async || {
        dead(&shop.stack).await == 5
    })
    .await;
    shop.close().await;
}
