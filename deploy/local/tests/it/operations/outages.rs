//! While something is down its work waits, and nothing is charged for it.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use sea_orm::EntityTrait;
use shared::{db::job, settings::QueueSettings};
use stripe_sim::{Faults, Outcome};
use worker::breaker::Dependency;

use crate::{
    private_broker::PrivateBroker,
    queue::{dead, waiting},
    shop::{Shop, eventually},
    stack::{Stack, on_each_stack, signal},
};

on_each_stack![while_stripe_is_down_only_its_work_waits];

async fn while_stripe_is_down_only_its_work_waits(stack: Stack) {
    let shop = Shop::open(stack).await;
    let slot = shop.slot(2).await;
    let (asked, told) = (shop.create(slot).await, shop.create(slot).await);
    let down = Faults {
        api_status: Some(503),
        deliver_webhooks: false,
        ..Faults::default()
    };
    shop.stripe.set_faults(down.clone());
    shop.pay(&asked, Outcome::Succeed).await;

    let (status, _) = shop.confirm(&asked.id, 0).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let breakers = shop.worker_context().breakers;
    eventually("the breaker opens", async || {
        breakers.is_open(Dependency::Stripe)
    })
    .await;
    shop.stripe.set_faults(Faults {
        deliver_webhooks: true,
        ..down
    });
    shop.pay(&told, Outcome::Succeed).await;

    shop.wait_for_bookings(1).await;
    if matches!(shop.stack.queue, QueueSettings::Embedded) {
        eventually("the job waits, uncharged", async || {
            let jobs = job::Entity::find().all(&shop.stack.db).await.unwrap();
            matches!(&jobs[..], [job] if job.attempt == 0 && job.last_error.is_some())
        })
        .await;
    }
    shop.stripe.set_faults(Faults::default());
    shop.wait_for_bookings(2).await;
    assert!(!breakers.is_open(Dependency::Stripe));
    assert_eq!(dead(&shop.stack).await, 0);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_webhooks_are_taken_and_wait() {
    let shop = Shop::open(Stack::postgres_rabbitmq().await).await;
    let slot = shop.slot(30).await;
    let mut sessions = Vec::new();
    for _ in 0..30 {
        sessions.push(shop.create(slot).await);
    }
    shop.stack.take_the_database_away().await;

    for session in &sessions {
        // Answered once the webhook is.
        shop.pay(session, Outcome::Succeed).await;
    }
    let breakers = shop.worker_context().breakers;
    eventually("the breaker opens", async || {
        breakers.is_open(Dependency::Database)
    })
    .await;
    eventually("what was in hand waits as well", async || {
        waiting(&shop.stack, "events").await > 0
    })
    .await;
    assert!(
        shop.stripe
            .events()
            .iter()
            .all(|event| event["pending_webhooks"] == 0)
    );
    shop.stack.give_the_database_back().await;

    shop.wait_for_bookings(30).await;
    assert_eq!(dead(&shop.stack).await, 0);
    shop.close().await;
}

/// A broker that is stopped in its tracks does not close connections: only time tells.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_broker_costs_the_first_webhook_some_seconds_and_the_next_none() {
    let broker = PrivateBroker::start();
    let mut shop = Shop::open(Stack::postgres_with_broker(&broker.url).await).await;
    let slot = shop.slot(1).await;
    let session = shop.create(slot).await;
    shop.stripe.set_webhook_url(None);
    shop.pay(&session, Outcome::Succeed).await;
    let event = shop.stripe.events().pop().unwrap();
    let post = async || {
        let (signature, body) = shop.stripe.sign(&event);
        let request = shop.http.post(format!("{}/api/payment/webhook", shop.url));
        let start = Instant::now();
        let answer = request.header("stripe-signature", signature).body(body);
        (answer.send().await.unwrap().status(), start.elapsed())
    };
    signal("STOP", broker.pid());

    let (first, waited) = post().await;
    let (second, at_once) = post().await;
    signal("CONT", broker.pid());

    assert_eq!(first, StatusCode::SERVICE_UNAVAILABLE);
    assert!(waited < Duration::from_secs(8), "{waited:?}");
    assert_eq!(second, StatusCode::SERVICE_UNAVAILABLE);
    assert!(at_once < Duration::from_millis(500), "{at_once:?}");
    eventually("it takes webhooks again", async || {
        post().await.0 == StatusCode::OK
    })
    .await;
    shop.wait_for_bookings(1).await;
    shop.stop_workers().await;
}
