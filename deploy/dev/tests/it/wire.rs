//! What RabbitMQ carries: the message as others see it.

use bytes::Bytes;
use lapin::{
    BasicProperties,
    options::{BasicGetOptions, BasicPublishOptions},
    types::{AMQPValue, FieldTable},
};
use shared::{message::Envelope, queue::Lane, traceparent::Traceparent};

use crate::{
    queue::{Ends, channel, message, prefix},
    shop::Shop,
    stack::Stack,
};

#[tokio::test(flavor = "multi_thread")]
async fn the_message_on_the_wire_is_the_contract() {
    let stack = Stack::postgres_rabbitmq().await;
    let ends = Ends::open(&stack).await;
    let event = Envelope::stripe_event(
        "evt_1",
        Bytes::from_static(b"{}"),
        "t=1,v1=00",
        time::OffsetDateTime::from_unix_timestamp(1_735_689_600).unwrap(),
        &Traceparent::new(),
    );

    ends.publisher.publish(Lane::Events, &event).await.unwrap();

    let queue = format!("{}.events.v1", prefix(&stack));
    let options = BasicGetOptions { no_ack: true };
    let got = channel(&stack)
        .await
        .basic_get(queue.into(), options)
        .await
        .unwrap()
        .unwrap();
    let properties: &BasicProperties = &got.delivery.properties;
    assert_eq!(
        properties.content_type().as_ref().unwrap().as_str(),
        "application/json"
    );
    assert_eq!(*properties.delivery_mode(), Some(2));
    assert_eq!(properties.message_id().as_ref().unwrap().as_str(), "evt_1");
    assert_eq!(properties.kind().as_ref().unwrap().as_str(), "stripe.event");
    assert_eq!(*properties.timestamp(), Some(1_735_689_600));
    assert_eq!(properties.app_id().as_ref().unwrap().as_str(), "test");
    let headers = properties.headers().clone().unwrap();
    // The broker adds some of its own.
    let ours = |name: &String| !name.starts_with("x-");
    let names = headers.inner().keys().map(ToString::to_string);
    let names: Vec<_> = names.filter(ours).collect();
    let expected = [
        "bookonce-attempt",
        "bookonce-received-at-ms",
        "bookonce-schema",
        "bookonce-signature",
        "bookonce-source",
        "traceparent",
    ];
    assert_eq!(names, expected);
}

/// Why it was set aside, and in which words.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_carries_what_its_failure_said() {
    let stack = Stack::postgres_rabbitmq().await;
    let ends = Ends::open(&stack).await;
    ends.publisher
        .publish(Lane::Events, &message())
        .await
        .unwrap();
    let (delivery, _consumer) = ends.take(Lane::Events).await;

    let said = Some("SH001: room 7 is closed".to_owned());
    delivery.dead_letter("hook_failed", said).await.unwrap();

    let queue = format!("{}.dead.v1", prefix(&stack));
    let options = BasicGetOptions { no_ack: true };
    let got = channel(&stack).await.basic_get(queue.into(), options).await;
    let properties = got.unwrap().unwrap().delivery.properties;
    let headers = properties.headers().clone().unwrap();
    for (name, expected) in [
        ("bookonce-last-error", "hook_failed"),
        ("bookonce-last-error-detail", "SH001: room 7 is closed"),
    ] {
        let AMQPValue::LongString(text) = &headers.inner()[name] else {
            panic!("{name} is no text");
        };
        assert_eq!(text.to_string(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_without_a_queue_is_kept_and_done_all_the_same() {
    let shop = Shop::open(Stack::postgres_rabbitmq().await).await;
    let prefix = prefix(&shop.stack).to_owned();
    channel(&shop.stack)
        .await
        .queue_unbind(
            format!("{prefix}.events.v1").into(),
            format!("{prefix}.work").into(),
            "events".into(),
            FieldTable::default(),
        )
        .await
        .unwrap();
    let slot = shop.slot(1).await;
    let session = shop.create(slot).await;

    shop.pay(&session, stripe_sim::Outcome::Succeed).await;

    shop.wait_for_bookings(1).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_publishers_integers_may_have_another_width() {
    let stack = Stack::postgres_rabbitmq().await;
    let ends = Ends::open(&stack).await;
    let mut headers = FieldTable::default();
    headers.insert("bookonce-schema".into(), AMQPValue::ShortShortInt(1));
    headers.insert("bookonce-attempt".into(), AMQPValue::LongUInt(3));
    let properties = BasicProperties::default()
        .with_type("checkout.confirm".into())
        .with_headers(headers);
    let body = message().body;

    channel(&stack)
        .await
        .basic_publish(
            format!("{}.work", prefix(&stack)).into(),
            "confirm".into(),
            BasicPublishOptions::default(),
            &body,
            properties,
        )
        .await
        .unwrap();

    let (delivery, _consumer) = ends.take(Lane::Confirm).await;
    assert_eq!(delivery.message.attempt, 3);
    assert!(delivery.message.work().is_ok());
    delivery.ack().await.unwrap();
}
