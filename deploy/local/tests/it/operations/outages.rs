//! While something is down its work waits, and nothing is charged for it.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use sea_orm::{EntityTrait, PaginatorTrait};
use shared::{
    db::{booking, job},
    settings::QueueSettings,
};
use stripe_sim::{Faults, Outcome};
use worker::breaker::Dependency;

use crate::{
    private_broker::PrivateBroker,
    processes::{Process, free_port},
    queue::{dead, waiting},
    shop::{Shop, eventually, variables},
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

/// As after a failover that leaves us connected to what is the standby now.
#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_takes_no_writes_its_work_waits() {
    let shop = Shop::without_worker(Stack::postgres_rabbitmq().await).await;
    let slot = shop.slot(1).await;
    let session = shop.create(slot).await;
    let worker = WorkerProcess::start(&shop);
    eventually("it is ready", async || worker.is_ready().await).await;
    shop.stack.make_the_database_read_only(true).await;

    shop.pay(&session, Outcome::Succeed).await;
    worker.wait_for_open_breaker("database").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    worker.wait_for_open_breaker("database").await;
    assert!(!worker.is_ready().await, "it can be read, and that is all");
    shop.stack.make_the_database_read_only(false).await;

    eventually("it is booked", async || {
        let bookings = booking::Entity::find().count(&shop.stack.db).await;
        bookings.is_ok_and(|bookings| bookings == 1)
    })
    .await;
    eventually("it is ready again", async || worker.is_ready().await).await;
    assert_eq!(dead(&shop.stack).await, 0);
    worker.process.terminate();
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
    let worker = WorkerProcess::start(&shop);

    worker.wait_for_open_breaker("stripe").await;
    eventually("the other lanes are at work", async || {
        worker.is_ready().await
    })
    .await;

    worker.process.terminate();
    shop.close().await;
}

/// A worker of its own, with its probes.
struct WorkerProcess {
    process: Process,
    admin: String,
}

impl WorkerProcess {
    fn start(shop: &Shop) -> Self {
        let admin = format!("127.0.0.1:{}", free_port());
        let mut variables = variables(shop.stripe.base_url());
        variables.retain(|(name, _)| *name != "ADMIN_ADDR");
        variables.push(("ADMIN_ADDR", admin.clone()));
        variables.extend(shop.stack.variables.clone());
        let process = Process::start("worker", &variables);
        Self { process, admin }
    }

    async fn is_ready(&self) -> bool {
        let answer = reqwest::get(format!("http://{}/readyz", self.admin)).await;
        answer.is_ok_and(|answer| answer.status() == StatusCode::OK)
    }

    async fn wait_for_open_breaker(&self, dependency: &str) {
        let line = format!(r#"bookonce_breaker_open{{dependency="{dependency}"}} 1"#);
        eventually("the breaker opens", async || {
            let answer = reqwest::get(format!("http://{}/metrics", self.admin)).await;
            let Ok(answer) = answer else { return false };
            answer.text().await.is_ok_and(|text| text.contains(&line))
        })
        .await;
    }
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
