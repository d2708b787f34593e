//! `POST /api/payment/confirm`

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};
use stripe_sim::Outcome;

use crate::{
    queue,
    shop::{Shop, undelivered},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    each_state_of_a_session_has_its_word,
    a_waiting_request_is_answered_as_soon_as_the_booking_is_there,
    who_asks_at_the_same_time_hears_of_their_own,
    polling_enqueues_one_job,
    unknown_and_malformed_ids_go_nowhere,
];

async fn each_state_of_a_session_has_its_word(stack: Stack) {
    let shop = Shop::open(stack).await;
    let slot = shop.slot(10).await;
    let status = async |id: &str| {
        let (http, body) = shop.told(id).await;
        (http.as_u16(), body["status"].as_str().unwrap().to_owned())
    };
    let expect = |http: u16, word: &str| (http, word.to_owned());

    let open = shop.create(slot).await;
    assert_eq!(status(&open.id).await, expect(200, "awaiting_payment"));

    let declined = shop.create(slot).await;
    shop.pay(&declined, Outcome::Decline).await;
    assert_eq!(status(&declined.id).await, expect(200, "awaiting_payment"));
    shop.pay(&declined, Outcome::Succeed).await;
    shop.wait_for_bookings(1).await;
    assert_eq!(status(&declined.id).await, expect(200, "confirmed"));

    let delayed = shop.create(slot).await;
    shop.pay(&delayed, Outcome::Delay).await;
    assert_eq!(status(&delayed.id).await, expect(200, "payment_pending"));
    shop.stripe.settle(&delayed.id, true).await.unwrap();
    shop.wait_for_bookings(2).await;
    assert_eq!(status(&delayed.id).await, expect(200, "confirmed"));

    let failing = shop.create(slot).await;
    shop.pay(&failing, Outcome::Delay).await;
    shop.stripe.settle(&failing.id, false).await.unwrap();
    crate::shop::eventually("the failure is known", async || {
        status(&failing.id).await == expect(200, "payment_failed")
    })
    .await;

    let expired = shop.create(slot).await;
    let expire = format!(
        "{}/v1/checkout/sessions/{}/expire",
        shop.stripe.base_url(),
        expired.id
    );
    shop.http
        .post(expire)
        .bearer_auth("sk_test_of_the_tests")
        .send()
        .await
        .unwrap();
    assert_eq!(status(&expired.id).await, expect(200, "expired"));

    // Open, and two confirmed.
    assert_eq!(shop.seats_taken(slot).await, 3);
    shop.close().await;
}

async fn a_waiting_request_is_answered_as_soon_as_the_booking_is_there(stack: Stack) {
    let mut shop = Shop::without_worker(stack).await;
    shop.stripe.set_faults(undelivered());
    let slot = shop.slot(10).await;
    let session = shop.create(slot).await;
    shop.pay(&session, Outcome::Succeed).await;

    let (status, body) = shop.confirm(&session.id, 0).await;
    assert_eq!(
        (status, &body["status"]),
        (StatusCode::ACCEPTED, &json!("processing"))
    );
    assert!(body["retry_after_ms"].as_u64().unwrap() > 0);
    let start = Instant::now();
    let (status, _) = shop.confirm(&session.id, 1).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert!(
        start.elapsed() >= Duration::from_secs(1),
        "it waited {:?}",
        start.elapsed()
    );

    shop.start_worker();
    let start = Instant::now();
    let (status, body) = shop.confirm(&session.id, 20).await;
    let waited = start.elapsed();

    assert_eq!(
        (status, &body["status"]),
        (StatusCode::OK, &json!("confirmed"))
    );
    assert!(waited < Duration::from_secs(20), "{waited:?}");
    assert_eq!(body["booking"]["offering"], "Harbour kayak tour");
    assert_eq!(body["booking"]["quantity"], 1);
    assert_eq!(
        body["payment"],
        json!({ "amount_total": 4900, "amount_refunded": 0, "currency": "eur", "status": "paid" })
    );
    // The id travels in URLs, so the answer to it must not tell who booked.
    for private in ["ada", "Ada", "pi_", "cs_"] {
        assert!(!body.to_string().contains(private), "{body}");
    }
    shop.close().await;
}

async fn who_asks_at_the_same_time_hears_of_their_own(stack: Stack) {
    let shop = Shop::open(stack).await;
    let mut sessions = Vec::new();
    for _ in 0..20 {
        let session = shop.create(shop.slot(1).await).await;
        shop.pay(&session, Outcome::Succeed).await;
        sessions.push(session.id);
    }
    shop.wait_for_bookings(20).await;
    let mut alone = Vec::new();
    for id in &sessions {
        alone.push(shop.confirm(id, 0).await);
    }
    let references: HashSet<_> = alone
        .iter()
        .map(|(_, answer)| answer["booking"]["reference"].to_string())
        .collect();
    assert_eq!(references.len(), 20);
    // One of them does not exist, and everyone asks twice.
    sessions.push("cs_test_ofSomebodyElse".to_owned());
    let asked = || sessions.iter().map(|id| shop.confirm(id, 0));

    let (together, unknown): (Vec<_>, Vec<_>) = join_all(asked().chain(asked()))
        .await
        .into_iter()
        .partition(|(status, _)| *status == StatusCode::OK);

    assert_eq!(together, [alone.clone(), alone].concat());
    assert_eq!(unknown.len(), 2);
    assert_eq!(unknown[0].0, StatusCode::NOT_FOUND);
    shop.close().await;
}

async fn polling_enqueues_one_job(stack: Stack) {
    let mut shop = Shop::without_worker(stack).await;
    shop.stripe.set_faults(undelivered());
    let slot = shop.slot(10).await;
    let session = shop.create(slot).await;
    shop.pay(&session, Outcome::Succeed).await;

    let answers = join_all((0..40).map(|_| shop.confirm(&session.id, 0))).await;

    assert!(
        answers
            .iter()
            .all(|(status, _)| *status == StatusCode::ACCEPTED)
    );
    assert_eq!(queue::waiting(&shop.stack, "confirm").await, 1);
    shop.start_worker();
    shop.wait_for_bookings(1).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_keeps_an_answer() {
    let shop = Shop::without_worker(Stack::sqlite_embedded().await).await;
    let session = shop.create(shop.slot(1).await).await;
    for id in [session.id.as_str(), "cs_test_ofSomebodyElse", "malformed"] {
        let body = json!({ "session_id": id });
        let response = shop.post("/api/payment/confirm", &body).await;
        assert_eq!(response.headers()["cache-control"], "no-store", "{id}");
        assert_eq!(response.headers()["referrer-policy"], "no-referrer");
    }
    shop.close().await;
}

async fn unknown_and_malformed_ids_go_nowhere(stack: Stack) {
    let shop = Shop::without_worker(stack).await;
    let confirm = async |body: Value| {
        let response = shop.post("/api/payment/confirm", &body).await;
        let status = response.status().as_u16();
        (
            status,
            response.json::<Value>().await.unwrap()["code"].clone(),
        )
    };

    for malformed in [
        "",
        "cs_test_",
        "pi_a1B2c3D4e5",
        "cs_test_a1B2c3D4e5/../refunds",
    ] {
        let answer = confirm(json!({ "session_id": malformed })).await;
        assert_eq!(answer, (400, json!("malformed_session_id")), "{malformed}");
    }
    assert_eq!(confirm(json!({})).await, (400, json!("malformed_request")));
    for unknown in ["cs_test_a1B2c3D4e5f6", "cs_live_a1B2c3D4e5f6"] {
        let answer = confirm(json!({ "session_id": unknown })).await;
        assert_eq!(answer, (404, json!("session_not_found")), "{unknown}");
    }
    assert_eq!(queue::waiting(&shop.stack, "confirm").await, 0);
    assert_eq!(shop.stripe.api_calls(), 0);
    shop.close().await;
}
