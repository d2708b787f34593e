//! Events that share one transaction.

use std::time::Duration;

use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait, PaginatorTrait,
    QueryFilter, QuerySelect, Statement, TransactionTrait,
    sea_query::{LockBehavior, LockType},
};
use serde_json::{Value, json};
use shared::{
    clock,
    db::{checkout, dead_letter, slot, stripe_event},
    message::Envelope,
    queue::Lane,
    traceparent::Traceparent,
};
use stripe_sim::{Faults, Outcome};
use uuid::Uuid;
use worker::Hands;

use crate::{
    queue::waiting,
    shop::{Shop, eventually},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    a_backlog_is_booked_once_whatever_is_in_it_twice,
    one_bad_event_does_not_hold_up_the_others,
];

/// A shop with so many paid sessions, whose events nobody has heard of yet.
async fn backlog(stack: Stack, count: i32) -> (Shop, Vec<Value>) {
    let shop = Shop::without_worker(stack).await;
    shop.stripe.set_faults(Faults {
        deliver_webhooks: false,
        ..Faults::default()
    });
    let slot = shop.slot(count).await;
    for _ in 0..count {
        let session = shop.create(slot).await;
        shop.pay(&session, Outcome::Succeed).await;
    }
    let events = shop.stripe.events();
    (shop, events)
}

async fn publish(shop: &Shop, event: &Value) {
    let (_, body) = shop.stripe.sign(event);
    let id = event["id"].as_str().unwrap();
    let message = Envelope::stripe_event(id, body.into(), clock::system(), &Traceparent::new());
    shop.publisher
        .publish(Lane::Events, &message)
        .await
        .unwrap();
}

async fn a_backlog_is_booked_once_whatever_is_in_it_twice(stack: Stack) {
    let (mut shop, events) = backlog(stack, 40).await;
    for event in &events {
        publish(&shop, event).await;
        // Again, and by another event about the same session.
        publish(&shop, event).await;
        let mut other = event.clone();
        other["id"] = json!(format!("{}_other", event["id"].as_str().unwrap()));
        other["type"] = json!("checkout.session.async_payment_succeeded");
        publish(&shop, &other).await;
    }

    shop.start_worker();

    shop.wait_for_bookings(40).await;
    eventually("everything is done", async || {
        waiting(&shop.stack, "events").await == 0
    })
    .await;
    shop.stop_workers().await;
    let inbox = stripe_event::Entity::find().count(&shop.stack.db).await;
    assert_eq!(inbox.unwrap(), 80, "one row for each event id");
    shop.close().await;
}

/// It cannot be written: its payment has the PaymentIntent of another one.
async fn one_bad_event_does_not_hold_up_the_others(stack: Stack) {
    let (mut shop, mut events) = backlog(stack, 30).await;
    let intent = events[0]["data"]["object"]["payment_intent"].clone();
    events[15]["data"]["object"]["payment_intent"] = intent;
    for event in &events {
        publish(&shop, event).await;
    }

    shop.start_worker();

    shop.wait_for_bookings(29).await;
    eventually("the bad one is set aside", async || {
        let letters = dead_letter::Entity::find().all(&shop.stack.db).await;
        matches!(&letters.unwrap()[..], [letter] if letter.reason == "constraint_violated")
    })
    .await;
    shop.stop_workers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_full_batch_goes_beside_another() {
    let (mut shop, events) = backlog(Stack::postgres_rabbitmq().await, 6).await;
    let held = hold(&shop, &events[2]).await;
    take_at_once(&mut shop, &events[..2], &events[2..4]).await;
    shop.wait_for_bookings(2).await;
    wait_for_blocked(&shop, 1).await;

    publish(&shop, &events[4]).await;
    all_are_handed_out(&shop).await;
    assert_eq!(shop.bookings().await, 2, "what has room waits");

    publish(&shop, &events[5]).await;
    shop.wait_for_bookings(4).await;
    wait_for_blocked(&shop, 1).await;

    held.rollback().await.unwrap();
    shop.wait_for_bookings(6).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_batches_take_slots_in_one_order() {
    let (mut shop, alone) = backlog(Stack::postgres_rabbitmq().await, 2).await;
    let slots = [shop.slot(9).await, shop.slot(9).await];
    let mut events = Vec::new();
    for slot in [slots[0], slots[1], slots[1], slots[0]] {
        let session = shop.create(slot).await;
        shop.stripe.expire(&session.id).unwrap();
        events.extend(shop.stripe.events().last().cloned());
    }
    let held = lock(&shop, slots[0]).await;

    take_at_once(&mut shop, &alone, &events).await;

    shop.wait_for_bookings(2).await;
    wait_for_blocked(&shop, 2).await;
    lock(&shop, slots[1]).await.rollback().await.unwrap();
    held.rollback().await.unwrap();
    eventually("all seats are free", async || {
        shop.seats_taken(slots[0]).await + shop.seats_taken(slots[1]).await == 0
    })
    .await;
    shop.close().await;
}

/// Locks a slot that nobody else has locked.
async fn lock(shop: &Shop, slot: Uuid) -> DatabaseTransaction {
    let tx = shop.stack.db.begin().await.unwrap();
    let row = slot::Entity::find_by_id(slot)
        .lock_with_behavior(LockType::Update, LockBehavior::Nowait)
        .one(&tx)
        .await;
    assert!(row.unwrap().is_some());
    tx
}

/// Starts a worker with batches of two that finds all of `events` at once: until they have
/// arrived, it has its hands full with those that go `alone`.
async fn take_at_once(shop: &mut Shop, alone: &[Value], events: &[Value]) {
    shop.worker_config.hands = Hands {
        concurrency: 2,
        batch: 2,
    };
    shop.start_worker();
    let mut held = Vec::new();
    for event in alone {
        held.push(hold(shop, event).await);
        publish(shop, event).await;
        eventually("it is under way", async || {
            blocked(shop).await >= held.len()
        })
        .await;
    }
    for event in events {
        publish(shop, event).await;
    }
    all_are_handed_out(shop).await;
    for tx in held {
        tx.rollback().await.unwrap();
    }
}

/// Keeps everybody from the checkout that `event` is about.
async fn hold(shop: &Shop, event: &Value) -> DatabaseTransaction {
    let tx = shop.stack.db.begin().await.unwrap();
    let session = event["data"]["object"]["id"].as_str().unwrap();
    let checkout = checkout::Entity::find()
        .filter(checkout::Column::SessionId.eq(session))
        .lock_exclusive()
        .one(&tx)
        .await;
    assert!(checkout.unwrap().is_some());
    tx
}

/// Transactions that wait for others.
async fn blocked(shop: &Shop) -> usize {
    let sql = "SELECT count(*) FROM pg_stat_activity \
               WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let statement = Statement::from_string(DbBackend::Postgres, sql);
    let row = shop.stack.db.query_one_raw(statement).await.unwrap();
    let blocked: i64 = row.unwrap().try_get_by_index(0).unwrap();
    blocked.try_into().unwrap()
}

async fn wait_for_blocked(shop: &Shop, expected: usize) {
    eventually("so many transactions wait for others", async || {
        blocked(shop).await == expected
    })
    .await;
}

async fn all_are_handed_out(shop: &Shop) {
    eventually("all are handed out", async || {
        waiting(&shop.stack, "events").await == 0
    })
    .await;
    // The broker has sent them; the worker may not have read them yet.
    tokio::time::sleep(Duration::from_millis(300)).await;
}
