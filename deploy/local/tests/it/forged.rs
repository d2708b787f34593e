//! Whoever may publish to the broker can say nothing in Stripe's name.

use lapin::{
    BasicProperties,
    options::BasicPublishOptions,
    types::{AMQPValue, FieldTable},
};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use serde_json::{Value, json};
use shared::{
    clock,
    db::{dead_letter, outbox, payment},
    message::Envelope,
    queue::{Lane, RetryTier, topology::Topology},
    settings::{EndpointSecrets, QueueSettings},
    traceparent::Traceparent,
};
use stripe_sim::{Faults, Outcome};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use worker::{refund_payments, run_job};

use crate::{
    queue,
    shop::{Session, Shop, eventually},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    a_forged_message_books_frees_and_refunds_nothing,
    nothing_that_is_not_this_checkouts_goes_back,
    a_secret_that_was_rolled_is_still_good_for_what_waits,
];

/// An event about `session` that Stripe has not sent.
fn event(kind: &str, session: &Session, change: &Value) -> Value {
    let mut object = json!({
        "id": session.id, "object": "checkout.session", "mode": "payment", "payment_status": "paid",
        "status": "complete", "amount_total": 4900, "currency": "eur", "livemode": false,
        "payment_intent": "pi_forged",
    });
    for (field, value) in change.as_object().unwrap() {
        object[field] = value.clone();
    }
    json!({
        "id": format!("evt_{}", uuid::Uuid::now_v7().simple()), "object": "event", "type": kind,
        "livemode": false, "data": { "object": object },
    })
}

fn unsigned(event: &Value) -> Envelope {
    Envelope {
        signature: None,
        ..signed_as("", event)
    }
}

fn signed_as(signature: &str, event: &Value) -> Envelope {
    let id = event["id"].as_str().unwrap();
    let (body, now) = (event.to_string(), clock::system());
    Envelope::stripe_event(id, body.into(), signature, now, &Traceparent::new())
}

async fn a_forged_message_books_frees_and_refunds_nothing(stack: Stack) {
    let mut shop = Shop::without_worker(stack).await;
    let slot = shop.slot(2).await;
    let session = shop.create(slot).await;
    let honest = shop.create(slot).await;
    shop.stripe.set_faults(Faults {
        deliver_webhooks: false,
        ..Faults::default()
    });
    shop.pay(&honest, Outcome::Succeed).await;
    let paid = shop.stripe.events().pop().unwrap();
    let (good, _) = shop.stripe.sign(&paid);
    let completed = event("checkout.session.completed", &session, &json!({}));
    let over = json!({ "payment_status": "unpaid", "status": "expired" });
    let forgeries = [
        unsigned(&completed),
        unsigned(&event(
            "checkout.session.async_payment_succeeded",
            &session,
            &json!({}),
        )),
        unsigned(&event("checkout.session.expired", &session, &over)),
        unsigned(&event(
            "checkout.session.completed",
            &session,
            &json!({ "amount_total": 1 }),
        )),
        unsigned(
            &json!({ "id": "evt_refund", "object": "event", "type": "refund.created",
            "data": { "object": { "id": "re_1", "amount": 4900, "currency": "eur",
                "status": "succeeded", "payment_intent": paid["data"]["object"]["payment_intent"] } } }),
        ),
        unsigned(
            &json!({ "id": "evt_thin", "object": "v2.core.event", "livemode": false,
            "type": "v1.checkout.session.completed", "related_object": { "id": session.id } }),
        ),
        // A signature of another body, and of another secret.
        signed_as(&good, &completed),
        signed_as("t=1735689600,v1=00", &completed),
        signed_as("", &completed),
    ];

    // Many at once, so that they share a batch with each other and with what is honest.
    let (signature, body) = shop.stripe.sign(&paid);
    let id = paid["id"].as_str().unwrap();
    let honest_one = Envelope::stripe_event(
        id,
        body.into(),
        &signature,
        clock::system(),
        &Traceparent::new(),
    );
    for message in forgeries.iter().chain([&honest_one]) {
        for lane in [Lane::Events, Lane::Confirm] {
            shop.publisher.publish(lane, message).await.unwrap();
        }
    }
    shop.start_worker();
    shop.wait_for_bookings(1).await;
    let letters = async || {
        dead_letter::Entity::find()
            .all(&shop.stack.db)
            .await
            .unwrap()
    };
    eventually("all are set aside", async || {
        letters().await.iter().map(|it| it.times).sum::<i32>() >= 18
    })
    .await;

    assert!(letters().await.iter().all(|it| it.reason == "forged"));
    assert_eq!(shop.seats_taken(slot).await, 2);
    assert_eq!(shop.confirm(&session.id, 0).await.1["status"], "processing");
    // Not by a replay either.
    let operator = worker::dead_letters::Signature {
        by: "ada".to_owned(),
        why: "a test".to_owned(),
    };
    for letter in letters().await {
        let replayed = worker::dead_letters::replay(
            &shop.stack.db,
            &shop.publisher,
            &letter,
            &operator,
            clock::system(),
        );
        replayed.await.unwrap();
    }
    eventually("all are set aside again", async || {
        let letters = letters().await;
        letters
            .iter()
            .all(|it| it.resolution.is_none() && it.times >= 2)
    })
    .await;
    assert_eq!(shop.bookings().await, 1);
    shop.close().await;
}

/// Whatever a message has said: Stripe is asked before money goes back.
async fn nothing_that_is_not_this_checkouts_goes_back(stack: Stack) {
    let shop = Shop::without_worker(stack).await;
    shop.stripe.set_faults(Faults {
        deliver_webhooks: false,
        ..Faults::default()
    });
    let slot = shop.slot(1).await;
    let late = shop.create(slot).await;
    shop.pay(&late, Outcome::Succeed).await;
    let foreign = shop.create(shop.slot(1).await).await;
    shop.pay(&foreign, Outcome::Succeed).await;
    let events = shop.stripe.events();
    let context = shop.worker_context();
    for event in &events {
        let (signature, body) = shop.stripe.sign(event);
        let id = event["id"].as_str().unwrap();
        let now = clock::system();
        let message = Envelope::stripe_event(id, body.into(), &signature, now, &Traceparent::new());
        run_job(&context, &message).await.unwrap();
    }
    let payments = payment::Entity::find().all(&shop.stack.db).await.unwrap();
    let of = |session: &Session| {
        payments
            .iter()
            .find(|it| it.session_id == session.id)
            .unwrap()
    };
    let (mine, theirs) = (of(&late), of(&foreign));
    // The row names a PaymentIntent of another checkout, and a refund is owed.
    for (id, intent) in [
        (theirs.id, Some("pi_moved".to_owned())),
        (mine.id, theirs.payment_intent_id.clone()),
    ] {
        payment::Entity::update_many()
            .col_expr(payment::Column::PaymentIntentId, Expr::value(intent))
            .filter(payment::Column::Id.eq(id))
            .exec(&shop.stack.db)
            .await
            .unwrap();
    }
    let owed = outbox::Model::refund(mine.checkout_id, clock::system());
    outbox::Entity::insert(outbox::ActiveModel::from(owed).reset_all())
        .exec_without_returning(&shop.stack.db)
        .await
        .unwrap();

    assert_eq!(refund_payments(&context).await.unwrap(), 0);

    let ledger = shop.stripe.ledger();
    assert!(ledger.iter().all(|entry| entry.amount_refunded == 0));
    let owed = outbox::Entity::find().one(&shop.stack.db).await;
    let owed = owed.unwrap().unwrap();
    assert_eq!(owed.last_error.as_deref(), Some("payment_not_ours"));
    assert!(owed.done_at.is_some(), "an operator has to look");
    shop.close().await;
}

async fn a_secret_that_was_rolled_is_still_good_for_what_waits(stack: Stack) {
    let shop = Shop::without_worker(stack).await;
    shop.stripe.set_faults(Faults {
        deliver_webhooks: false,
        ..Faults::default()
    });
    let session = shop.create(shop.slot(1).await).await;
    shop.pay(&session, Outcome::Succeed).await;
    let event = shop.stripe.events().pop().unwrap();
    let (signature, body) = shop.stripe.sign(&event);
    let id = event["id"].as_str().unwrap();
    let now = clock::system();
    let message = Envelope::stripe_event(id, body.into(), &signature, now, &Traceparent::new());
    let with = |secrets: &str| {
        let variable = ("STRIPE_WEBHOOK_SECRET".to_owned(), secrets.to_owned());
        worker::Context {
            endpoint_secrets: EndpointSecrets::from_env(&[variable].into_iter().collect()).unwrap(),
            ..shop.worker_context()
        }
    };
    let old = crate::shop::ENDPOINT_SECRET;

    let without = run_job(&with("whsec_new_secret"), &message)
        .await
        .unwrap_err();
    let both = run_job(&with(&format!("whsec_new_secret,{old}")), &message).await;

    assert_eq!(without.code(), "forged");
    assert_eq!(both.unwrap(), worker::Fulfillment::Booked);
    shop.close().await;
}

/// Publishes `headers` beside a body, with the largest frames that the broker allows.
async fn publish_large(shop: &Shop, exchange: &str, key: &str, size: usize, id: &str) {
    let QueueSettings::RabbitMq { uri, .. } = &shop.stack.queue else {
        panic!("no broker")
    };
    let mut wide = uri.expose();
    wide.query.frame_max = None;
    let connection = lapin::Connection::connect_uri(wide, lapin::ConnectionProperties::default());
    let connection = connection.await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let mut headers = FieldTable::default();
    let long = "x".repeat(size);
    headers.insert("x-attack".into(), AMQPValue::LongString(long.into()));
    headers.insert("bookonce-schema".into(), AMQPValue::LongLongInt(1));
    let properties = BasicProperties::default()
        .with_type("stripe.event".into())
        .with_message_id(id.into())
        .with_delivery_mode(2)
        .with_headers(headers);
    let (exchange, key) = (exchange.into(), key.into());
    channel
        .basic_publish(
            exchange,
            key,
            BasicPublishOptions::default(),
            b"{}",
            properties,
        )
        .await
        .unwrap();
    connection.close(200, "done".into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_over_a_frame_stop_no_lane() {
    let mut shop = Shop::without_worker(Stack::postgres_rabbitmq().await).await;
    let QueueSettings::RabbitMq { prefix, .. } = shop.stack.queue.clone() else {
        panic!("no broker")
    };
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
    for letter in letters().await {
        let expected = if letter.message_id.as_deref() == Some("evt_dead") {
            "unknown"
        } else {
            "forged"
        };
        assert_eq!(letter.reason, expected);
    }
    shop.close().await;
}

/// The broker's own headers make it larger than the broker allows. It is counted as delivered
/// until it is dead, and then it is taken out unread.
#[tokio::test(flavor = "multi_thread")]
async fn headers_that_no_frame_holds_stop_no_lane_for_long() {
    let mut shop = Shop::without_worker(Stack::postgres_rabbitmq().await).await;
    let QueueSettings::RabbitMq { prefix, .. } = shop.stack.queue.clone() else {
        panic!("no broker")
    };
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
    let QueueSettings::RabbitMq { uri, .. } = &shop.stack.queue else {
        panic!("no broker")
    };
    let mut address = uri.expose();
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
    let connection =
        lapin::Connection::connect_uri(address, lapin::ConnectionProperties::default());
    let connection = connection.await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let (exchange, key) = (exchange.into(), key.into());
    let options = BasicPublishOptions::default();
    let published = channel.basic_publish(exchange, key, options, b"{}", properties);
    published.await.unwrap();
    connection.close(200, "done".into()).await.unwrap();
    proxy.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_no_text_stop_no_lane() {
    let mut shop = Shop::without_worker(Stack::postgres_rabbitmq().await).await;
    let QueueSettings::RabbitMq { prefix, .. } = shop.stack.queue.clone() else {
        panic!("no broker")
    };
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
    let QueueSettings::RabbitMq { prefix, uri, .. } = shop.stack.queue.clone() else {
        panic!("no broker")
    };
    let work = Topology::new(&prefix).work_exchange();
    let mut wide = uri.expose();
    wide.query.frame_max = None;
    let connection = lapin::Connection::connect_uri(wide, lapin::ConnectionProperties::default());
    let connection = connection.await.unwrap();
    let channel = connection.create_channel().await.unwrap();
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
            let (exchange, options) = (work.as_str().into(), BasicPublishOptions::default());
            let body = vec![b'x'; if number == 0 { body } else { 2 }];
            let key = "events".into();
            let published = channel.basic_publish(exchange, key, options, &body, properties);
            published.await.unwrap();
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
