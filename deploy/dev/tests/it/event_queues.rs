//! Events over several queues: each goes to one of them, and is carried out once.

use std::time::Duration;

use futures_util::future::join_all;
use lapin::options::QueueDeleteOptions;
use serde_json::json;
use shared::{
    config::QueueSettings,
    queue::{Lane, Patience, Publisher, declare},
};
use stripe_sim::Outcome;
use uuid::Uuid;

use crate::{
    forged::unsigned,
    operations::worker,
    queue::{channel, dead, prefix, waiting},
    shop::{Shop, eventually},
    stack::Stack,
    unreadable::publish_large,
};

async fn over_both(stack: &Stack) -> [u64; 2] {
    [
        waiting(stack, "events").await,
        waiting(stack, "events.2").await,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_spread_over_two_queues_is_booked_once() {
    let mut shop = Shop::without_worker(Stack::postgres_with_event_queues(2).await).await;
    let slot = shop.slot(40).await;
    let sessions = join_all((0..40).map(|_| shop.create(slot))).await;
    join_all(sessions.iter().map(|it| shop.pay(it, Outcome::Succeed))).await;
    let [first, second] = over_both(&shop.stack).await;
    assert!(first > 0 && second > 0, "{first} and {second}");
    assert_eq!(
        shop.publisher.waiting(Lane::Events).await.unwrap(),
        first + second
    );

    shop.start_worker();

    shop.wait_for_bookings(40).await;
    eventually("both are empty", async || {
        over_both(&shop.stack).await == [0, 0]
    })
    .await;
    let doctor = worker(&shop, &["doctor", "--json"]).await;
    let told = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(told.contains(".events.2.v1"), "{told}");
    assert!(!told.contains("no consumer"), "{told}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_in_one_queue_stops_neither() {
    let shop = Shop::open(Stack::postgres_with_event_queues(2).await).await;
    let second = format!("{}.events.2.v1", prefix(&shop.stack));
    publish_large(&shop, "", &second, 130_700, "evt_largest").await;
    let slot = shop.slot(20).await;

    let sessions = join_all((0..20).map(|_| shop.create(slot))).await;
    join_all(sessions.iter().map(|it| shop.pay(it, Outcome::Succeed))).await;

    shop.wait_for_bookings(20).await;
    eventually("it is set aside", async || {
        over_both(&shop.stack).await == [0, 0]
    })
    .await;
    shop.close().await;
}

/// The others go on, and what is in them is not counted as delivered again and again.
#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_gone_stops_no_other() {
    let shop = Shop::open(Stack::postgres_with_event_queues(2).await).await;
    shop.wait_until_ready().await;
    let channel = channel(&shop.stack).await;
    let second = format!("{}.events.2.v1", prefix(&shop.stack));
    let deleted = channel.queue_delete(second.into(), QueueDeleteOptions::default());
    deleted.await.unwrap();
    let slot = shop.slot(40).await;

    for _ in 0..4 {
        let sessions = join_all((0..10).map(|_| shop.create(slot))).await;
        join_all(sessions.iter().map(|it| shop.pay(it, Outcome::Succeed))).await;
        // Meanwhile it is tried again.
        tokio::time::sleep(Duration::from_secs(3)).await;
    }

    shop.wait_for_bookings(40).await;
    assert_eq!(dead(&shop.stack).await, 0);
    shop.close().await;
}

/// With one publisher all the time, as an ingress that is not restarted yet.
#[tokio::test(flavor = "multi_thread")]
async fn there_may_be_more_queues_and_fewer_while_events_come() {
    let mut shop = Shop::without_worker(Stack::postgres_rabbitmq().await).await;
    let over = |number| {
        let mut queue = shop.stack.queue.clone();
        if let QueueSettings::RabbitMq { event_queues, .. } = &mut queue {
            *event_queues = number;
        }
        queue
    };
    let (one, two, three) = (over(1), over(2), over(3));
    let publisher = Publisher::open(&one, &shop.stack.db, "test", Patience::Wait).await;
    let publisher = publisher.unwrap();
    let publish_thirty = async || {
        for _ in 0..30 {
            let event = unsigned(&json!({ "id": format!("evt_{}", Uuid::new_v4()) }));
            publisher.publish(Lane::Events, &event).await.unwrap();
        }
    };
    // What is deleted afterwards.
    shop.stack.queue = three.clone();
    let in_each = async || {
        let mut counts = Vec::new();
        for name in ["events", "events.2", "events.3"] {
            counts.push(waiting(&shop.stack, name).await);
        }
        counts
    };

    declare(&three).await.unwrap();
    publish_thirty().await;
    let of_three = in_each().await;
    assert_eq!(of_three.iter().sum::<u64>(), 30);
    assert!(of_three.iter().all(|it| *it > 0), "{of_three:?}");

    declare(&two).await.unwrap();
    publish_thirty().await;
    let of_two = in_each().await;
    assert_eq!(of_two.iter().sum::<u64>(), 60);
    assert_eq!(of_two[2], of_three[2]);

    // A process with another number changes nothing for the others.
    Publisher::open(&three, &shop.stack.db, "late", Patience::Wait)
        .await
        .unwrap();
    declare(&one).await.unwrap();
    publish_thirty().await;
    assert_eq!(in_each().await, [of_two[0] + 30, of_two[1], of_two[2]]);

    let doctor = worker(&shop, &["doctor", "--json"]).await;
    let told = String::from_utf8_lossy(&doctor.stdout).into_owned();
    for number in [2, 3] {
        let whose = format!("for workers with EVENT_QUEUES={number}");
        assert!(told.contains(&whose), "{told}");
    }
}
