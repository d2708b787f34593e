//! `bookonce.notifications`: each queue that is bound to it gets each notification.

use lapin::{
    options::{BasicGetOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::Value;
use shared::{
    config::QueueSettings, db::outbox, queue::topology::Topology, traceparent::Traceparent,
};
use testkit::Broker;

use super::book;
use crate::{
    shop::{Shop, eventually},
    stack::{Stack, connect},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_bound_gets_what_it_asks_for() {
    let shop = Shop::open(Stack::postgres_rabbitmq().await).await;
    let QueueSettings::RabbitMq { uri, prefix, .. } = &shop.stack.queue else {
        unreachable!("it has a broker");
    };
    let channel = connect(uri).await.unwrap().create_channel().await.unwrap();
    let name = format!("{prefix}.site");
    let exclusive = QueueDeclareOptions {
        exclusive: true,
        ..Default::default()
    };
    let queue = channel.queue_declare(name.as_str().into(), exclusive, FieldTable::default());
    queue.await.unwrap();
    let exchange = Topology::new(prefix).notifications_exchange();
    channel
        .queue_bind(
            name.as_str().into(),
            exchange.as_str().into(),
            "booking.*".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await
        .unwrap();
    let slot = shop.slot(5).await;
    let session = book(&shop, slot).await;
    shop.stripe.refund(&session.id, None).unwrap();

    let mut messages = Vec::new();
    eventually("both are there", async || {
        outbox::Entity::find()
            .filter(outbox::Column::DoneAt.is_not_null())
            .count(&shop.stack.db)
            .await
            .unwrap()
            == 3
    })
    .await;
    while let Some(message) = channel
        .basic_get(name.as_str().into(), BasicGetOptions { no_ack: true })
        .await
        .unwrap()
    {
        messages.push(message.delivery);
    }

    let keys: Vec<_> = messages
        .iter()
        .map(|it| it.routing_key.to_string())
        .collect();
    assert_eq!(keys, ["booking.confirmed", "booking.cancelled"]);
    for message in &messages {
        let document: Value = serde_json::from_slice(&message.data).unwrap();
        let properties = &message.properties;
        assert_eq!(
            properties.message_id().as_ref().unwrap().to_string(),
            document["id"]
        );
        assert_eq!(
            properties.kind().as_ref().unwrap().to_string(),
            document["type"]
        );
        assert_eq!(*properties.delivery_mode(), Some(2));
        let headers = properties.headers().as_ref().unwrap().inner();
        let AMQPValue::LongString(trace) = &headers["traceparent"] else {
            panic!("{headers:?}");
        };
        assert!(Traceparent::parse(&trace.to_string()).is_some());
        assert_eq!(document["checkout"]["session_id"], session.id);
    }
    shop.close().await;
}

/// What happens while the broker is away is told when it is back, to everyone.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_down_only_delays_it() {
    let broker = Broker::private().unwrap();
    let shop = Shop::open(Stack::postgres_with_broker(&broker).await).await;
    let (session, event) = shop.undelivered_payment().await;
    let context = shop.worker_context();
    broker.kill().unwrap();

    worker::run_job(&context, &shop.message(&event))
        .await
        .unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let waiting = outbox::Entity::find().filter(outbox::Column::DoneAt.is_null());
    assert_eq!(waiting.count(&shop.stack.db).await.unwrap(), 1);
    broker.start_again().await.unwrap();

    eventually("it is handed on", async || {
        let waiting = outbox::Entity::find().filter(outbox::Column::DoneAt.is_null());
        waiting.count(&shop.stack.db).await.unwrap() == 0
    })
    .await;
    assert_eq!(shop.told(&session.id).await.1["status"], "confirmed");
    shop.close().await;
}
