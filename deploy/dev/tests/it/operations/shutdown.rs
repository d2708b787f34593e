//! SIGTERM during work: running jobs are finished and acked, no more are taken.

use reqwest::StatusCode;
use stripe_sim::{Faults, Outcome};

use super::start_worker;
use crate::{
    queue::{redelivered, waiting},
    shop::{Shop, eventually, undelivered},
    stack::Stack,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_stopped_finishes_what_it_has_and_hands_nothing_back() {
    let mut shop = Shop::without_worker(Stack::postgres_rabbitmq().await).await;
    let undelivered = undelivered();
    shop.stripe.set_faults(undelivered.clone());
    let slot = shop.slot(20).await;
    for _ in 0..20 {
        let session = shop.create(slot).await;
        shop.pay(&session, Outcome::Succeed).await;
        shop.confirm(&session.id, 0).await;
    }
    // Each job has to ask Stripe, which takes two seconds.
    shop.stripe.set_faults(Faults {
        api_latency_ms: 2_000,
        ..undelivered.clone()
    });
    let calls_before = shop.stripe.api_calls();
    let worker = start_worker(&shop);
    eventually("the worker is at work", async || {
        shop.stripe.api_calls() > calls_before
    })
    .await;

    let readyz = worker.url("/readyz");
    let stopped = tokio::spawn(worker.terminate());
    eventually("the worker is no longer ready", async || {
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
    assert!((1..20).contains(&booked), "{booked} jobs were running");
    let left = waiting(&shop.stack, "confirm").await;
    assert_eq!(left + booked, 20, "the other jobs were not begun");
    assert!(!redelivered(&shop.stack, "confirm").await);
    // Another worker does the rest.
    shop.stripe.set_faults(undelivered);
    shop.start_worker();
    shop.wait_for_bookings(20).await;
    shop.close().await;
}
