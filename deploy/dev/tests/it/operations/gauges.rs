//! What a worker measures every few seconds: its queues, and what waits for a person.

use sea_orm::{EntityTrait, sea_query::Expr};
use shared::db::booking::{self, Status};
use stripe_sim::{Faults, Outcome};

use super::{start_worker, worker};
use crate::{
    service::Service,
    shop::{Shop, eventually},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    queues_are_measured_while_nothing_is_taken,
    what_is_being_worked_on_is_unacked,
    what_waits_for_a_person_is_measured,
];

/// The value of `series` as this service's `/metrics` has it.
async fn read(service: &Service, series: &str) -> Option<f64> {
    let (_, text) = service.get("/metrics").await?;
    let mut lines = text.lines().filter_map(|line| line.rsplit_once(' '));
    lines.find(|(it, _)| *it == series)?.1.parse().ok()
}

async fn queues_are_measured_while_nothing_is_taken(stack: Stack) {
    let shop = Shop::without_worker(stack).await;
    let slot = shop.slot(2).await;
    let (tried, waiting) = (shop.create(slot).await, shop.create(slot).await);
    shop.stripe.set_faults(Faults {
        api_status: Some(503),
        deliver_webhooks: false,
        ..Faults::default()
    });
    shop.pay(&tried, Outcome::Succeed).await;
    shop.pay(&waiting, Outcome::Succeed).await;
    let worker = start_worker(&shop);
    worker.wait_until_ready().await;
    shop.confirm(&tried.id, 0).await;
    let down = "bookonce_breaker_open{dependency=\"stripe\"}";
    eventually("the breaker opens", async || {
        read(&worker, down).await == Some(1.0)
    })
    .await;

    shop.confirm(&waiting.id, 0).await;

    let (ready, oldest) = (
        "bookonce_queue_messages_ready{queue=\"confirm\"}",
        "bookonce_queue_oldest_seconds{queue=\"confirm\"}",
    );
    eventually("it waits", async || read(&worker, ready).await >= Some(1.0)).await;
    eventually("it grows old", async || {
        read(&worker, oldest).await > Some(8.0)
    })
    .await;
    // Another lane is not in the way.
    let events = "bookonce_queue_oldest_seconds{queue=\"events\"}";
    assert_eq!(read(&worker, events).await, Some(0.0));
    shop.stripe.set_faults(Faults {
        deliver_webhooks: false,
        ..Faults::default()
    });
    shop.wait_for_bookings(2).await;
    let retry = "bookonce_queue_messages_ready{queue=\"retry\"}";
    eventually("nothing waits", async || {
        let mut all = vec![];
        for series in [ready, oldest, retry] {
            all.push(read(&worker, series).await);
        }
        all.iter().all(|it| *it == Some(0.0))
    })
    .await;
    worker.terminate().await;
    shop.close().await;
}

async fn what_is_being_worked_on_is_unacked(stack: Stack) {
    let shop = Shop::without_worker(stack).await;
    let slot = shop.slot(1).await;
    let session = shop.create(slot).await;
    shop.stripe.set_faults(Faults {
        api_latency_ms: 7_000,
        deliver_webhooks: false,
        ..Faults::default()
    });
    let worker = start_worker(&shop);
    worker.wait_until_ready().await;
    // What waits for its next attempt is counted apart.
    let retry = "bookonce_queue_messages_ready{queue=\"retry\"}";
    eventually("queues are measured", async || {
        read(&worker, retry).await == Some(0.0)
    })
    .await;

    shop.confirm(&session.id, 0).await;

    let unacked = "bookonce_queue_messages_unacked{queue=\"confirm\"}";
    eventually("it is being worked on", async || {
        read(&worker, unacked).await == Some(1.0)
    })
    .await;
    eventually("it is done", async || {
        read(&worker, unacked).await == Some(0.0)
    })
    .await;
    worker.terminate().await;
    shop.close().await;
}

async fn what_waits_for_a_person_is_measured(stack: Stack) {
    let shop = Shop::without_worker(stack).await;
    let slot = shop.slot(1).await;
    let session = shop.create(slot).await;
    let running = start_worker(&shop);
    running.wait_until_ready().await;
    shop.pay(&session, Outcome::Succeed).await;
    shop.wait_for_bookings(1).await;
    let booked = "bookonce_paid_to_booked_seconds_count";
    assert_eq!(read(&running, booked).await, Some(1.0));
    let took = read(&running, "bookonce_paid_to_booked_seconds_sum").await;
    assert!(took < Some(30.0), "{took:?}");
    let audit = "bookonce_audit_last_success_timestamp_seconds";
    assert_eq!(read(&running, audit).await, None, "there was none");

    let agrees = worker(&shop, &["audit", "--since", "1h"]).await;
    assert!(agrees.status.success(), "{agrees:?}");
    let become_of_it = async |status: Status| {
        booking::Entity::update_many()
            .col_expr(booking::Column::Status, Expr::value(status))
            .exec(&shop.stack.db)
            .await
            .unwrap();
    };
    become_of_it(Status::NeedsAttention).await;

    let waits = "bookonce_needs_attention";
    eventually("it is measured", async || {
        read(&running, waits).await == Some(1.0) && read(&running, audit).await.is_some()
    })
    .await;
    become_of_it(Status::Confirmed).await;
    eventually("it is settled", async || {
        read(&running, waits).await == Some(0.0)
    })
    .await;
    running.terminate().await;
    shop.close().await;
}
