//! SIGKILL of the broker: every 200 was a promise.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{StreamExt, stream};
use reqwest::StatusCode;
use serde_json::Value;
use stripe_sim::Outcome;
use testkit::Broker;

use crate::{
    shop::{Shop, eventually, undelivered},
    stack::Stack,
};

#[tokio::test(flavor = "multi_thread")]
async fn no_event_that_was_answered_with_200_dies_with_the_broker() {
    let broker = Broker::private().unwrap();
    // Its worker has to find the way back by itself.
    let shop = Shop::open(Stack::postgres_with_broker(&broker).await).await;
    shop.wait_until_ready().await;
    shop.stripe.set_faults(undelivered());
    let slot = shop.slot(402).await;
    for _ in 0..400 {
        let session = shop.create(slot).await;
        shop.pay(&session, Outcome::Succeed).await;
    }
    let events = shop.stripe.events();
    let unpaid = shop.create(slot).await;

    // The broker dies while 16 posts are on their way, and is back for the last hundred.
    let posted = AtomicUsize::new(0);
    let post = async |event| {
        if posted.fetch_add(1, Ordering::Relaxed) == 150 {
            broker.kill().unwrap();
        }
        (event, shop.deliver(event).await)
    };
    let post_all = async |events| -> Vec<(&Value, (StatusCode, Value))> {
        let posts = stream::iter(events).map(post);
        posts.buffer_unordered(16).collect().await
    };
    let (before, after) = events.split_at(300);
    let mut answers = post_all(before).await;
    broker.start_again().await.unwrap();
    // A queue may need a moment longer than its broker.
    eventually("webhooks are taken again", async || {
        shop.deliver(&events[0]).await.0 == StatusCode::OK
    })
    .await;
    answers.extend(post_all(after).await);
    let (accepted, refused): (Vec<_>, Vec<_>) = answers
        .into_iter()
        .partition(|(_, (status, _))| *status == StatusCode::OK);
    for (_, (status, problem)) in &refused {
        assert_eq!(*status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(problem["code"], "queue_unavailable");
    }
    assert!(refused.len() >= 100, "{} refused", refused.len());
    assert!(accepted.len() >= 200, "{} accepted", accepted.len());

    // Every 200 was a promise.
    let promised = u64::try_from(accepted.len()).unwrap();
    eventually("every promise is kept", async || {
        shop.bookings().await >= promised
    })
    .await;
    // Stripe delivers the others again.
    for (event, _) in refused {
        assert_eq!(shop.deliver(event).await.0, StatusCode::OK);
    }
    shop.wait_for_bookings(400).await;
    assert_eq!(shop.told(&unpaid.id).await.1["status"], "awaiting_payment");

    // Nor does confirm promise what it cannot keep.
    broker.kill().unwrap();
    let asked = shop.create(slot).await;
    eventually("confirm knows that the broker is gone", async || {
        let (status, problem) = shop.confirm(&asked.id, 1).await;
        status == StatusCode::SERVICE_UNAVAILABLE && problem["code"] == "queue_unavailable"
    })
    .await;
    shop.close().await;
}
