//! A message that cannot be read is set aside or discarded, and stops no lane.

use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldTable},
    uri::AMQPUri,
};
use sea_orm::EntityTrait;
use serde_json::json;
use shared::{
    config::QueueSettings,
    db::dead_letter,
    queue::{Lane, RetryTier, topology::Topology},
};
use stripe_sim::Outcome;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    forged::{event, unsigned},
    queue,
    shop::{Shop, eventually},
    stack::Stack,
};

/// Address of the broker, without a limit for frames but the broker's own.
fn wide_address(shop: &Shop) -> AMQPUri {
    let QueueSettings::RabbitMq { uri, .. } = &shop.stack.queue else {
        panic!("no broker")
    };
    uri.wide().expose()
}

/// A connection whose channel confirms: what lapin has not sent when it closes is lost.
async fn connect(address: AMQPUri) -> (Connection, Channel) {
    let connection = Connection::connect_uri(address, ConnectionProperties::default());
    let connection = connection.await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let options = ConfirmSelectOptions::default();
    channel.confirm_select(options).await.unwrap();
    (connection, channel)
}

async fn publish(
    channel: &Channel,
    exchange: &str,
    key: &str,
    body: &[u8],
    properties: BasicProperties,
) {
    let (exchange, key, options) = (exchange.into(), key.into(), BasicPublishOptions::default());
    let published = channel.basic_publish(exchange, key, options, body, properties);
    let confirmed = published.await.unwrap().await.unwrap();
    assert_eq!(confirmed, Confirmation::Ack(None));
}

/// Publishes `headers` beside a body, with the largest frames that the broker allows.
pub async fn publish_large(shop: &Shop, exchange: &str, key: &str, size: usize, id: &str) {
    let (connection, channel) = connect(wide_address(shop)).await;
    let mut headers = FieldTable::default();
    let long = "x".repeat(size);
    headers.insert("x-attack".into(), AMQPValue::LongString(long.into()));
    headers.insert("bookonce-schema".into(), AMQPValue::LongLongInt(1));
    let properties = BasicProperties::default()
        .with_type("stripe.event".into())
        .with_message_id(id.into())
        .with_delivery_mode(2)
        .with_headers(headers);
    publish(&channel, exchange, key, b"{}", properties).await;
    connection.close(200, "done".into()).await.unwrap();
}

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

/// Publishes through a proxy that puts bytes which are no UTF-8 in place of each `NO-TEXT`: no client
/// would send them by itself, and no broker minds.
async fn publish_no_text(shop: &Shop, exchange: &str, key: &str, properties: BasicProperties) {
    let mut address = wide_address(shop);
    let broker = (address.authority.host.clone(), address.authority.port);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    "127.0.0.1".clone_into(&mut address.authority.host);
    address.authority.port = listener.local_addr().unwrap().port();
    let proxy = tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        let (mut from_client, mut to_client) = client.into_split();
        let broker = TcpStream::connect(broker).await.unwrap();
        let (mut from_broker, mut to_broker) = broker.into_split();
        let back = tokio::spawn(async move {
            tokio::io::copy(&mut from_broker, &mut to_client).await.ok();
        });
        let mut buffer = vec![0; 256 * 1024];
        while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
            let sent = &mut buffer[..length];
            while let Some(at) = sent.windows(7).position(|it| it == b"NO-TEXT") {
                sent[at..at + 7].fill(0xff);
            }
            to_broker.write_all(sent).await.unwrap();
        }
        back.abort();
    });
    let (connection, channel) = connect(address).await;
    publish(&channel, exchange, key, b"{}", properties).await;
    connection.close(200, "done".into()).await.unwrap();
    proxy.await.unwrap();
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
