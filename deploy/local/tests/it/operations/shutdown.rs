//! SIGTERM in the middle of work: what is in hand is finished and acked, nothing more taken.

use std::time::Duration;

use reqwest::StatusCode;
use stripe_sim::{Faults, Outcome};

use crate::{
    processes::{Process, free_port},
    queue::{redelivered, waiting},
    shop::{Shop, eventually, variables},
    stack::Stack,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_stopped_finishes_what_it_has_and_hands_nothing_back() {
    let shop = Shop::without_worker(Stack::postgres_rabbitmq().await).await;
    shop.stripe.set_faults(Faults {
        deliver_webhooks: false,
        ..Faults::default()
    });
    let slot = shop.slot(20).await;
    for _ in 0..20 {
        let session = shop.create(slot).await;
        shop.pay(&session, Outcome::Succeed).await;
        shop.confirm(&session.id, 0).await;
    }
    // Each job has to ask Stripe, which takes two seconds.
    shop.stripe.set_faults(Faults {
        deliver_webhooks: false,
        api_latency_ms: 2_000,
        ..Faults::default()
    });
    let port = free_port();
    let mut variables = variables(shop.stripe.base_url());
    variables.retain(|(name, _)| *name != "ADMIN_ADDR");
    variables.push(("ADMIN_ADDR", format!("127.0.0.1:{port}")));
    variables.extend(shop.stack.variables.clone());
    let worker = Process::start("worker", &variables);
    eventually("it is at work", async || {
        waiting(&shop.stack, "confirm").await < 20
    })
    .await;
    tokio::time::sleep(Duration::from_millis(300)).await;

    let readyz = format!("http://127.0.0.1:{port}/readyz");
    let stopped = tokio::task::spawn_blocking(move || worker.terminate());
    eventually("it says that it is not ready any more", async || {
        let Ok(answer) = shop.http.get(&readyz).send().await else {
            return true;
        };
        let status = answer.status();
        answer
            .text()
            .await
            .unwrap()
            .contains(r#""running":"failed""#)
            && status == StatusCode::SERVICE_UNAVAILABLE
    })
    .await;
    let status = stopped.await.unwrap();

    assert!(status.success());
    let booked = shop.bookings().await;
    assert!((1..20).contains(&booked), "{booked} were in hand");
    let left = waiting(&shop.stack, "confirm").await;
    assert_eq!(left + booked, 20, "what is left was not begun");
    assert!(!redelivered(&shop.stack, "confirm").await);
}
