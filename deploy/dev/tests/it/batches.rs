//! Events that share one transaction.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait, PaginatorTrait,
    QueryFilter, QuerySelect, Statement, TransactionTrait,
    sea_query::{LockBehavior, LockType},
};
use serde_json::{Value, json};
use shared::db::{checkout, dead_letter, slot, stripe_event};
use stripe_sim::Outcome;
use uuid::Uuid;
use worker::{LaneLimits, run_job};

use crate::{
    queue::waiting,
    shop::{Shop, eventually, undelivered},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    a_backlog_is_booked_once_whatever_is_in_it_twice,
    one_bad_event_does_not_hold_up_the_others,
];

/// A shop with so many paid sessions, whose events are not delivered.
async fn backlog(stack: Stack, count: i32) -> (Shop, Vec<Value>) {
    let shop = Shop::without_worker(stack).await;
    shop.stripe.set_faults(undelivered());
    let slot = shop.slot(count).await;
    for _ in 0..count {
        let session = shop.create(slot).await;
        shop.pay(&session, Outcome::Succeed).await;
    }
    let events = shop.stripe.events();
    (shop, events)
}

async fn a_backlog_is_booked_once_whatever_is_in_it_twice(stack: Stack) {
    let (mut shop, events) = backlog(stack, 40).await;
    for event in &events {
        shop.publish(event).await;
        // Again, and by another event about the same session.
        shop.publish(event).await;
        let mut other = event.clone();
        other["id"] = json!(format!("{}_other", event["id"].as_str().unwrap()));
        other["type"] = json!("checkout.session.async_payment_succeeded");
        shop.publish(&other).await;
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
    let good = events[15].clone();
    events[15]["data"]["object"]["payment_intent"] = intent;
    // Of two with one PaymentIntent, whichever is written first is good. By no worker: a second one
    // would reconcile at its start, and book what the bad event could not.
    let first = shop.message(&events[0]);
    run_job(&shop.worker_context(), &first).await.unwrap();
    for event in &events[1..] {
        shop.publish(event).await;
    }

    shop.start_worker();

    shop.wait_for_bookings(29).await;
    eventually("the bad one is set aside", async || {
        let letters = dead_letter::Entity::find().all(&shop.stack.db).await;
        matches!(&letters.unwrap()[..], [letter] if letter.reason == "constraint_violated")
    })
    .await;
    shop.publish(&good).await;
    shop.wait_for_bookings(30).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_full_batch_goes_beside_another() {
    let (mut shop, events) = backlog(Stack::postgres_rabbitmq().await, 26).await;
    start_taking_pairs(&mut shop);
    let (rest, tries) = events.split_at(2);
    let mut tries = tries.chunks_exact(4);
    let held = loop {
        let four = tries.next().expect("two events are never taken at once");
        if let Some(held) = take_a_pair(&shop, &four[..2], &four[2..]).await {
            break held;
        }
    };
    let booked = shop.bookings().await;

    // What has room waits for more.
    for event in rest {
        publish_all(&shop, std::slice::from_ref(event)).await;
    }
    shop.wait_for_bookings(booked + 2).await;
    wait_for_blocked(&shop, 1).await;
    assert_eq!(transactions(&shop, rest).await, 1);

    held.rollback().await.unwrap();
    shop.wait_for_bookings(booked + 4).await;
    for event in tries.flatten() {
        shop.publish(event).await;
    }
    shop.wait_for_bookings(26).await;
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

    start_taking_pairs(&mut shop);
    let busy = keep_busy(&shop, &alone).await;
    publish_all(&shop, &events).await;
    // It goes on only when the broker has agreed, by which time all have arrived.
    shop.ask_workers_to_stop().await;
    let_go(busy).await;

    shop.wait_for_bookings(2).await;
    wait_for_blocked(&shop, 2).await;
    lock(&shop, slots[1]).await.rollback().await.unwrap();
    held.rollback().await.unwrap();
    eventually("all seats are free", async || {
        shop.seats_taken(slots[0]).await + shop.seats_taken(slots[1]).await == 0
    })
    .await;
    assert_eq!(transactions(&shop, &events).await, 2);
    shop.close().await;
}

/// Locks a slot that no other transaction has locked.
async fn lock(shop: &Shop, slot: Uuid) -> DatabaseTransaction {
    let tx = shop.stack.db.begin().await.unwrap();
    let row = slot::Entity::find_by_id(slot)
        .lock_with_behavior(LockType::Update, LockBehavior::Nowait)
        .one(&tx)
        .await;
    assert!(row.unwrap().is_some());
    tx
}

/// Starts a worker with batches of two.
fn start_taking_pairs(shop: &mut Shop) {
    shop.worker_config.limits = LaneLimits {
        concurrency: 2,
        batch: 2,
    };
    shop.start_worker();
}

/// Has the worker take `pair` at once, and keeps it from the later of both. `None` if it had
/// read only one of them when it was free to take them: then each is booked by itself.
async fn take_a_pair(shop: &Shop, alone: &[Value], pair: &[Value]) -> Option<DatabaseTransaction> {
    let booked = shop.bookings().await;
    let busy = keep_busy(shop, alone).await;
    let held = hold(shop, &pair[1]).await;
    publish_all(shop, pair).await;
    let_go(busy).await;

    let each_alone = async || shop.bookings().await == booked + 3;
    eventually("the worker has taken them", async || {
        each_alone().await || (shop.bookings().await == booked + 2 && a_pair_waits(shop).await)
    })
    .await;
    if !each_alone().await {
        return Some(held);
    }
    held.rollback().await.unwrap();
    shop.wait_for_bookings(booked + 4).await;
    None
}

/// Gives the worker its hands full with events that go `alone`, until they are let go.
async fn keep_busy(shop: &Shop, alone: &[Value]) -> Vec<DatabaseTransaction> {
    let mut held = Vec::new();
    for event in alone {
        held.push(hold(shop, event).await);
        shop.publish(event).await;
        wait_for_blocked(shop, held.len()).await;
    }
    held
}

async fn let_go(held: Vec<DatabaseTransaction>) {
    for tx in held {
        tx.rollback().await.unwrap();
    }
}

/// Publishes `events`, and waits until the broker has sent them to the worker.
async fn publish_all(shop: &Shop, events: &[Value]) {
    for event in events {
        shop.publish(event).await;
    }
    eventually("all are handed out", async || {
        waiting(&shop.stack, "events").await == 0
    })
    .await;
}

/// Keeps the worker from the checkout that `event` is about.
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
    count(shop, sql).await
}

async fn wait_for_blocked(shop: &Shop, expected: usize) {
    eventually("so many transactions wait for others", async || {
        blocked(shop).await == expected
    })
    .await;
}

/// Whether a transaction that waits for a checkout has locked another one before, as only one
/// that writes a batch does.
async fn a_pair_waits(shop: &Shop) -> bool {
    let sql = "SELECT count(*) FROM checkout \
               JOIN pg_stat_activity ON pg_stat_activity.backend_xid = checkout.xmax \
               WHERE datname = current_database() AND wait_event_type = 'Lock'";
    count(shop, sql).await == 1
}

/// How many transactions wrote down that `events` were acted on.
async fn transactions(shop: &Shop, events: &[Value]) -> usize {
    let ids: Vec<_> = events
        .iter()
        .map(|event| format!("'{}'", event["id"].as_str().unwrap()))
        .collect();
    let sql = format!(
        "SELECT count(DISTINCT CAST(xmin AS text)) FROM stripe_event WHERE id IN ({})",
        ids.join(", ")
    );
    count(shop, &sql).await
}

async fn count(shop: &Shop, sql: &str) -> usize {
    let statement = Statement::from_string(DbBackend::Postgres, sql);
    let row = shop.stack.db.query_one_raw(statement).await.unwrap();
    let count: i64 = row.unwrap().try_get_by_index(0).unwrap();
    count.try_into().unwrap()
}
