//! Outages: while a dependency is down its jobs wait, and no attempt is charged.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, Statement};
use shared::{config::QueueSettings, db::job};
use stripe_sim::{Faults, Outcome};
use testkit::Broker;
use worker::outage::dependency::Dependency;

use super::start_worker;
use crate::{
    queue::{dead, waiting},
    service::Service,
    shop::{Shop, eventually},
    stack::{Stack, on_each_stack},
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
    let mut shop = Shop::open(Stack::postgres_rabbitmq().await).await;
    let slot = shop.slot(30).await;
    let mut sessions = Vec::new();
    for _ in 0..30 {
        sessions.push(shop.create(slot).await);
    }
    shop.stack.take_the_database_away().await;

    for session in &sessions {
        // The payment page answers once the webhook is answered.
        shop.pay(session, Outcome::Succeed).await;
    }
    let breakers = shop.worker_context().breakers;
    eventually("the breaker opens", async || {
        breakers.is_open(Dependency::Database)
    })
    .await;
    eventually("running jobs wait as well", async || {
        waiting(&shop.stack, "events").await > 0
    })
    .await;
    eventually("each webhook is taken", async || {
        let events = shop.stripe.events();
        events.iter().all(|event| event["pending_webhooks"] == 0)
    })
    .await;
    shop.stack.give_the_database_back().await;

    shop.wait_for_bookings(30).await;
    assert_eq!(dead(&shop.stack).await, 0);
    shop.close().await;
}

/// As after a failover that leaves the worker connected to the new standby.
#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_takes_no_writes_its_work_waits() {
    let mut shop = Shop::without_worker(Stack::postgres_rabbitmq().await).await;
    let slot = shop.slot(1).await;
    let session = shop.create(slot).await;
    let worker = start_worker(&shop);
    worker.wait_until_ready().await;
    shop.stack.make_the_database_read_only(true).await;

    shop.pay(&session, Outcome::Succeed).await;
    eventually("the breaker opens", async || {
        is_open(&worker, "database").await
    })
    .await;
    for _ in 0..3 {
        let seen = last_look(&shop).await;
        eventually("the worker looks again", async || {
            last_look(&shop).await > seen
        })
        .await;
        assert!(is_open(&worker, "database").await, "no write succeeded");
        assert!(!worker.is_ready().await, "the database is read-only");
    }
    shop.stack.make_the_database_read_only(false).await;

    shop.wait_for_bookings(1).await;
    worker.wait_until_ready().await;
    assert_eq!(dead(&shop.stack).await, 0);
    worker.terminate().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_stripe_is_down_a_worker_is_ready_for_events() {
    let shop = Shop::without_worker(Stack::postgres_rabbitmq().await).await;
    let slot = shop.slot(1).await;
    let session = shop.create(slot).await;
    shop.stripe.set_faults(Faults {
        api_status: Some(503),
        ..Faults::default()
    });
    shop.confirm(&session.id, 0).await;
    let worker = start_worker(&shop);

    eventually("the breaker opens", async || {
        is_open(&worker, "stripe").await
    })
    .await;
    eventually("the other lanes are at work", async || {
        worker.is_ready().await
    })
    .await;

    worker.terminate().await;
    shop.close().await;
}

async fn is_open(worker: &Service, dependency: &str) -> bool {
    let line = format!(r#"bookonce_breaker_open{{dependency="{dependency}"}} 1"#);
    let metrics = worker.get("/metrics").await;
    metrics.is_some_and(|(_, text)| text.contains(&line))
}

/// Time when a worker last looked whether the database takes a write, in microseconds. `None` if
/// the connection has run another query since.
async fn last_look(shop: &Shop) -> Option<i64> {
    let sql = "SELECT CAST(EXTRACT(EPOCH FROM max(query_start)) * 1000000 AS bigint) \
               FROM pg_stat_activity WHERE datname = current_database() \
                   AND query LIKE 'UPDATE \"recurring_job\" SET \"name\"%'";
    let statement = Statement::from_string(DbBackend::Postgres, sql);
    let row = shop.stack.db.query_one_raw(statement).await.unwrap();
    row.unwrap().try_get_by_index(0).unwrap()
}

/// A frozen broker does not close connections: only a timeout tells.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_broker_costs_the_first_webhook_some_seconds_and_the_next_none() {
    let broker = Broker::private().unwrap();
    let shop = Shop::open(Stack::postgres_with_broker(&broker).await).await;
    shop.wait_until_ready().await;
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
    broker.signal("STOP").unwrap();

    let (first, waited) = post().await;
    assert_eq!(first, StatusCode::SERVICE_UNAVAILABLE);
    // Stripe waits no longer.
    assert!(waited < Duration::from_secs(10), "{waited:?}");
    // One request a second tries the broker, and waits four seconds.
    eventually("the next one need not wait", async || {
        let (next, waited) = post().await;
        assert_eq!(next, StatusCode::SERVICE_UNAVAILABLE);
        waited < Duration::from_secs(2)
    })
    .await;
    broker.signal("CONT").unwrap();

    eventually("ingress takes webhooks again", async || {
        post().await.0 == StatusCode::OK
    })
    .await;
    shop.wait_for_bookings(1).await;
    shop.close().await;
}
