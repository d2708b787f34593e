//! The services as processes: started, stopped and killed as an operator would.

use std::time::Duration;

use reqwest::StatusCode;
use testkit::Broker;

use crate::{
    deployment::Deployment,
    shop::eventually,
    stack::{Stack, on_each_stack},
};

on_each_stack![
    workers_may_be_killed_and_stopped_at_any_time,
    payments_survive_a_restart_of_every_process,
];

async fn workers_may_be_killed_and_stopped_at_any_time(stack: Stack) {
    let shop = Deployment::new(stack).await;
    let slot = shop.stack.slot(200).await;
    let ingress = shop.start_ingress().await;
    let steady = shop.start("worker");

    for _ in 0..5 {
        let worker = shop.start("worker");
        shop.buy(slot, 10).await;
        worker.kill();
    }
    for _ in 0..2 {
        let worker = shop.start("worker");
        // It has to be up to be stopped in an orderly way.
        worker.wait_until_ready().await;
        shop.buy(slot, 10).await;
        assert!(
            worker.terminate().await.success(),
            "SIGTERM ends with exit code 0"
        );
    }

    shop.wait_for_bookings(70).await;
    assert!(steady.terminate().await.success());
    assert!(ingress.terminate().await.success());
    shop.close().await;
}

async fn payments_survive_a_restart_of_every_process(stack: Stack) {
    let shop = Deployment::new(stack).await;
    let slot = shop.stack.slot(50).await;
    let ingress = shop.start_ingress().await;
    let workers = [shop.start("worker"), shop.start("worker")];
    for worker in workers {
        worker.kill();
    }

    shop.buy(slot, 50).await;
    ingress.kill();
    let ingress = shop.start_ingress().await;
    let workers = [shop.start("worker"), shop.start("worker")];

    shop.wait_for_bookings(50).await;
    for process in workers.into_iter().chain([ingress]) {
        assert!(process.terminate().await.success());
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_say_whether_a_service_lives_and_what_it_lacks() {
    let shop = Deployment::new(Stack::postgres_rabbitmq().await).await;
    let services = ["ingress", "worker"].map(|name| shop.start(name));
    for service in &services {
        service.wait_until_ready().await;
        let (status, _) = service.get("/livez").await.unwrap();
        assert_eq!(status, StatusCode::OK);
    }

    shop.stack.take_the_database_away().await;

    for service in &services {
        eventually("it says what it lacks", async || {
            let (status, body) = service.get("/readyz").await.unwrap();
            status == StatusCode::SERVICE_UNAVAILABLE && body.contains(r#""database":"failed""#)
        })
        .await;
        let (status, _) = service.get("/livez").await.unwrap();
        assert_eq!(status, StatusCode::OK, "a restart would not bring it back");
    }
    // The books are gone with the database, and nothing is in them.
}

/// Whatever is down when they start: they start, say so, and come up when it is back.
#[tokio::test(flavor = "multi_thread")]
async fn services_start_before_what_they_need() {
    let broker = Broker::private().unwrap();
    let mut shop = Deployment::new(Stack::postgres_with_broker(&broker).await).await;
    let slot = shop.stack.slot(5).await;
    // Of a queue that is made this very second, old brokers lose all trace.
    tokio::time::sleep(Duration::from_secs(3)).await;
    broker.kill().unwrap();
    shop.stack.take_the_database_away().await;

    for name in ["ingress", "worker"] {
        let service = shop.start(name);
        eventually("it lives", async || service.get("/livez").await.is_some()).await;
        let (status, body) = service.get("/readyz").await.unwrap();
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{body}");
        assert!(body.contains(r#""database":"failed""#), "{body}");
        assert!(body.contains(r#""queue":"failed""#), "{body}");
        assert!(service.terminate().await.success(), "{name} is no failure");
    }
    let services = ["ingress", "worker"].map(|name| shop.start(name));
    for service in &services {
        eventually("it lives", async || service.get("/livez").await.is_some()).await;
    }
    broker.start_again().await.unwrap();
    let [ingress, worker] = &services;
    // Webhooks need the broker alone.
    let event = serde_json::json!({
        "id": "evt_early", "object": "event", "type": "checkout.session.completed",
        "livemode": false, "data": { "object": { "id": "cs_test_ofSomebodyElse" } },
    });
    let (signature, body) = shop.stripe.sign(&event);
    eventually("a webhook is taken", async || {
        let request = shop.http.post(format!("{}/api/payment/webhook", shop.url));
        let request = request.header("stripe-signature", &signature);
        let answer = request.body(body.clone()).send().await;
        answer.is_ok_and(|it| it.status().is_success())
    })
    .await;
    assert!(!ingress.is_ready().await);
    shop.stack.give_the_database_back().await;
    for service in [ingress, worker] {
        service.wait_until_ready().await;
    }

    shop.buy(slot, 5).await;
    shop.wait_for_bookings(5).await;
    for service in services {
        assert!(service.terminate().await.success());
    }
    shop.close().await;
}

/// Asked to stop at any moment of its start, a service ends with exit code 0.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_stopped_while_it_starts_has_not_failed() {
    let shop = Deployment::new(Stack::postgres_rabbitmq().await).await;
    for name in ["ingress", "worker"] {
        for milliseconds in [0, 30, 120] {
            let mut service = shop.start(name);
            service.process.wait_until_it_hears_signals().await.unwrap();
            assert!(service.process.is_running(), "{name} ended by itself");
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            assert!(
                service.terminate().await.success(),
                "{name} after {milliseconds} ms"
            );
        }
    }
    shop.close().await;
}
