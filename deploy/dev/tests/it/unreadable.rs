//! A message that cannot be read is set aside or discarded, and stops no lane.

mod publishing;

use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};
use sea_orm::EntityTrait;
use serde_json::json;
use shared::{
    db::dead_letter,
    queue::{Lane, RetryTier, topology::Topology},
};
use stripe_sim::Outcome;

pub use self::publishing::publish_large;
use self::publishing::{connect, publish, publish_no_text, wide_address};
use crate::{
    forged::{event, unsigned},
    queue,
    shop::{Shop, eventually},
    stack::Stack,
};

#[tokio::test(flavor = "multi_thread")]
async fn headers_over_a_frame_stop_no_lane() {
    let mut shop = Shop::without_worker(Stack::postgres_rabbitmq().await).await;
    let prefix = queue::prefix(&shop.stack).to_owned();
    let topology = Topology::new(&prefix);
    shop.start_worker();
    shop.wait_until_ready().await;
    let work = topology.work_exchange();
    let dead = topology.dead_exchange();
    let events = topology.queue(Lane::Events);
    // Just above what a worker asks for; what the broker just allows, straight into the queue; and
    // what is dead already.
    publish_large(&shop, &work, "events", 17_800, "evt_large").await;
    publish_large(&shop, "", &events, 130_700, "evt_largest").await;
    publish_large(&shop, &work, "confirm", 40_000, "evt_confirm").await;
    publish_large(&shop, &dead, "events", 60_000, "evt_dead").await;
    let slot = shop.slot(5).await;
    let mut sessions = Vec::new();
    for _ in 0..5 {
        let session = shop.create(slot).await;
        shop.pay(&session, Outcome::Succeed).await;
        sessions.push(session);
    }

    shop.wait_for_bookings(5).await;
    let letters = async || {
        dead_letter::Entity::find()
            .all(&shop.stack.db)
            .await
            .unwrap()
    };
    eventually("all are set aside", async || letters().await.len() == 4).await;
    assert!(letters().await.iter().all(|it| it.reason == "forged"));
    shop.close().await;
}

/// The broker's own headers make it larger than the broker allows. It is counted as delivered
/// until it is dead, and then it is taken out unread.
#[tokio::test(flavor = "multi_thread")]
async fn headers_that_no_frame_holds_stop_no_lane_for_long() {
    let mut shop = Shop::without_worker(Stack::postgres_rabbitmq().await).await;
    let prefix = queue::prefix(&shop.stack).to_owned();
    let topology = Topology::new(&prefix);
    let tier = topology.retry_exchange(RetryTier::TenSeconds);
    publish_large(&shop, &tier, "events", 130_920, "evt_growing").await;
    eventually("it came back", async || {
        queue::waiting(&shop.stack, "events").await == 1
    })
    .await;
    shop.start_worker();
    let session = shop.create(shop.slot(1).await).await;
    shop.pay(&session, Outcome::Succeed).await;

    shop.wait_for_bookings(1).await;
    eventually("every queue is empty", async || {
        queue::waiting(&shop.stack, "events").await == 0
            && queue::waiting(&shop.stack, "dead").await == 0
    })
    .await;
    // And dead letters are kept again.
    let unsigned = unsigned(&event("checkout.session.completed", &session, &json!({})));
    shop.publisher
        .publish(Lane::Events, &unsigned)
        .await
        .unwrap();
    eventually("it is kept", async || {
        !dead_letter::Entity::find()
            .all(&shop.stack.db)
            .await
            .unwrap()
            .is_empty()
    })
    .await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_no_text_stop_no_lane() {
    let mut shop = Shop::without_worker(Stack::postgres_rabbitmq().await).await;
    let prefix = queue::prefix(&shop.stack).to_owned();
    let topology = Topology::new(&prefix);
    let (work, dead) = (topology.work_exchange(), topology.dead_exchange());
    let persistent = || BasicProperties::default().with_delivery_mode(2);
    let mut headers = FieldTable::default();
    headers.insert("NO-TEXT".into(), AMQPValue::LongLongInt(1));
    let kinds = [
        persistent().with_message_id("NO-TEXT".into()),
        persistent().with_type("NO-TEXT".into()),
        persistent().with_headers(headers),
    ];
    for properties in kinds {
        publish_no_text(&shop, &work, "events", properties.clone()).await;
        publish_no_text(&shop, &dead, "events", properties).await;
    }
    publish_no_text(
        &shop,
        &work,
        "confirm",
        persistent().with_type("NO-TEXT".into()),
    )
    .await;
    publish_no_text(&shop, &dead, "NO-TEXT", persistent()).await;
    // This one can be read, and PostgreSQL could not store it as it is.
    publish_no_text(&shop, &dead, "ev\0ents", persistent()).await;
    let slot = shop.slot(5).await;
    for _ in 0..5 {
        let session = shop.create(slot).await;
        shop.pay(&session, Outcome::Succeed).await;
    }
    shop.start_worker();

    shop.wait_for_bookings(5).await;
    eventually("every queue is empty", async || {
        queue::waiting(&shop.stack, "events").await == 0
            && queue::waiting(&shop.stack, "confirm").await == 0
            && queue::waiting(&shop.stack, "dead").await == 0
    })
    .await;
    let letters = dead_letter::Entity::find().all(&shop.stack.db).await;
    let lanes: Vec<_> = letters.unwrap().into_iter().map(|it| it.lane).collect();
    assert_eq!(lanes, ["events"], "what can be read is kept");
    shop.close().await;
}

/// Its copy, as a dead letter, has to fit the frame that a worker asks for.
#[tokio::test(flavor = "multi_thread")]
async fn headers_of_ours_over_a_frame_are_set_aside_all_the_same() {
    let mut shop = Shop::without_worker(Stack::postgres_rabbitmq().await).await;
    let work = Topology::new(queue::prefix(&shop.stack)).work_exchange();
    let (connection, channel) = connect(wide_address(&shop)).await;
    // More than a worker has hands.
    for number in 0..3 {
        for (header, body) in [
            ("bookonce-signature", 2),
            ("bookonce-source", 2),
            ("traceparent", 2),
            ("bookonce-last-error", 2),
            ("bookonce-signature", 3 * 1024 * 1024),
        ] {
            let mut headers = FieldTable::default();
            let long = "x".repeat(20_000);
            headers.insert(header.into(), AMQPValue::LongString(long.into()));
            headers.insert("bookonce-schema".into(), AMQPValue::LongLongInt(1));
            let properties = BasicProperties::default()
                .with_type("stripe.event".into())
                .with_message_id(format!("evt_{header}_{body}_{number}").into())
                .with_delivery_mode(2)
                .with_headers(headers);
            let body = vec![b'x'; if number == 0 { body } else { 2 }];
            publish(&channel, &work, "events", &body, properties).await;
        }
    }
    connection.close(200, "done".into()).await.unwrap();
    shop.start_worker();
    let session = shop.create(shop.slot(1).await).await;
    shop.pay(&session, Outcome::Succeed).await;

    shop.wait_for_bookings(1).await;
    eventually("all are set aside", async || {
        let letters = dead_letter::Entity::find().all(&shop.stack.db).await;
        let letters = letters.unwrap();
        letters.len() == 15 && letters.iter().all(|it| it.reason == "forged")
    })
    .await;
    shop.close().await;
}

/// Of a message that is dead already, its publisher says why: a terminal must not obey it, nor a metric have
/// a word of strangers.
#[tokio::test(flavor = "multi_thread")]
async fn a_reason_that_is_no_code_of_ours_is_not_kept() {
    let shop = Shop::open(Stack::postgres_rabbitmq().await).await;
    let topology = Topology::new(queue::prefix(&shop.stack));
    let session = shop.create(shop.slot(1).await).await;
    let event = event("checkout.session.completed", &session, &json!({}));
    let (signature, body) = shop.stripe.sign(&event);
    let text = |text: &str| AMQPValue::LongString(text.into());
    let mut headers = FieldTable::default();
    headers.insert("bookonce-schema".into(), AMQPValue::LongLongInt(1));
    headers.insert("bookonce-signature".into(), text(&signature));
    headers.insert("bookonce-last-error".into(), text("\u{1b}[2Jpaid"));
    headers.insert("bookonce-last-error-detail".into(), text("\u{1b}[2Jpaid"));
    let properties = BasicProperties::default()
        .with_type("stripe.event".into())
        .with_delivery_mode(2)
        .with_headers(headers);
    let (connection, channel) = connect(wide_address(&shop)).await;
    let dead = topology.dead_exchange();
    publish(&channel, &dead, "events", body.as_bytes(), properties).await;
    connection.close(200, "done".into()).await.unwrap();

    let letters = dead_letter::Entity::find();
    eventually("it is kept", async || {
        !letters
            .clone()
            .all(&shop.stack.db)
            .await
            .unwrap()
            .is_empty()
    })
    .await;

    let letter = letters.one(&shop.stack.db).await.unwrap().unwrap();
    assert_eq!((letter.reason.as_str(), letter.detail), ("unknown", None));
    shop.close().await;
}
