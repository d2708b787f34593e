//! `/metrics`: jobs by outcome, and ignored events by reason.

use serde_json::json;
use shared::service::metrics;
use stripe_sim::Outcome;

use crate::{
    shop::{Shop, eventually},
    stack::{Stack, on_each_stack},
};

on_each_stack![events_are_counted_by_what_became_of_them];

/// Sum of this process's counters of `name` that have all of `labels`.
fn count(name: &str, labels: &[&str]) -> u64 {
    metrics::render()
        .lines()
        .filter(|line| line.starts_with(name) && labels.iter().all(|label| line.contains(label)))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum()
}

async fn events_are_counted_by_what_became_of_them(stack: Stack) {
    metrics::start();
    // Counters that alerts watch exist before the first count.
    let text = metrics::render();
    for begun in [
        "bookonce_webhook_events_total{outcome=\"ignored_connected_account\"}",
        "bookonce_webhook_events_total{outcome=\"ignored_other_mode\"}",
        "bookonce_job_failures_total{code=\"forged\",next=\"dead_letter\"}",
    ] {
        assert!(text.contains(begun), "{begun}: {text}");
    }
    let shop = Shop::open(stack).await;
    let slot = shop.slot(1).await;
    let (events, jobs) = ("bookonce_webhook_events_total", "bookonce_jobs_total");
    let before = |name: &str, label: &str| count(name, &[label]);
    let (queued, booked) = (before(events, "queued"), before(jobs, "outcome=\"booked\""));
    let (other_mode, foreign) = (
        before(events, "ignored_other_mode"),
        before(jobs, "not_ours_foreign"),
    );
    let unsigned = before(events, "signature_verification_failed");

    let session = shop.create(slot).await;
    shop.pay(&session, Outcome::Succeed).await;
    shop.wait_for_bookings(1).await;
    let mut live = shop.stripe.events().pop().unwrap();
    live["livemode"] = json!(true);
    let mut other = shop.stripe.events().pop().unwrap();
    other["id"] = json!("evt_of_somebody_else");
    other["data"]["object"]["id"] = json!("cs_test_somebodyElses");
    other["data"]["object"]["metadata"] = json!({});
    other["data"]["object"]["client_reference_id"] = json!(null);
    for event in [live, other] {
        let (signature, body) = shop.stripe.sign(&event);
        let post = shop.http.post(format!("{}/api/payment/webhook", shop.url));
        let answer = post.header("stripe-signature", signature).body(body);
        assert!(answer.send().await.unwrap().status().is_success());
    }
    shop.post("/api/payment/webhook", &json!({})).await;

    // Other tests of this process count as well.
    assert!(count(events, &["queued"]) >= queued + 2);
    assert!(count(events, &["ignored_other_mode"]) > other_mode);
    assert!(count(events, &["signature_verification_failed"]) > unsigned);
    eventually("the foreign event is counted", async || {
        count(jobs, &["not_ours_foreign"]) > foreign
            && count(jobs, &["outcome=\"booked\""]) > booked
    })
    .await;
    let text = metrics::render();
    assert!(
        text.contains("# TYPE bookonce_publish_seconds histogram"),
        "{text}"
    );
    assert!(
        !text.contains("cs_test_") && !text.contains("evt_"),
        "no ids: {text}"
    );
    shop.close().await;
}
