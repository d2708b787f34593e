//! `POST /api/create-checkout-session`

use futures_util::future::join_all;
use reqwest::StatusCode;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};
use shared::{clock, db::checkout};
use stripe_sim::Faults;
use testkit::order;
use uuid::Uuid;

use crate::{
    idempotency_key::send,
    shop::Shop,
    stack::{Stack, on_each_stack},
};

on_each_stack![
    the_server_decides_about_price_and_addresses,
    a_hundred_buyers_share_ten_seats,
    bad_requests_get_a_clear_error,
    a_failure_of_stripe_gives_the_seats_back,
];

async fn the_server_decides_about_price_and_addresses(stack: Stack) {
    let shop = Shop::open(stack).await;
    let slot = shop.slot(5).await;
    let before = clock::system().unix_timestamp();

    for field in ["amount_total", "currency", "success_url", "qty"] {
        let mut order = order(slot, 3);
        order[field] = json!(1);
        let response = shop.post("/api/create-checkout-session", &order).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{field}");
    }
    let (_, created) = shop.try_create(slot, 3).await;

    assert_eq!(created["amount_total"], 3 * 4900);
    assert_eq!(created["currency"], "eur");
    let id = created["session_id"].as_str().unwrap();
    let session = at_stripe(&shop, id).await;
    assert_eq!(session["amount_total"], 3 * 4900);
    assert_eq!(session["customer_email"], "ada@example.com");
    assert_eq!(session["metadata"]["slot_id"], slot.to_string());
    assert_eq!(session["metadata"]["quantity"], "3");
    assert_eq!(
        session["metadata"]["checkout_id"],
        session["client_reference_id"]
    );
    assert_eq!(
        session["success_url"],
        format!(
            "{}/payment-success?session_id={{CHECKOUT_SESSION_ID}}",
            shop.url
        )
    );
    let minutes = (session["expires_at"].as_i64().unwrap() - before) / 60;
    assert!((31..=32).contains(&minutes), "{minutes}");
    assert_eq!(shop.seats_taken(slot).await, 3);
    shop.close().await;
}

async fn a_hundred_buyers_share_ten_seats(stack: Stack) {
    let shop = Shop::open(stack).await;
    let slot = shop.slot(10).await;

    let answers = join_all((0..100).map(|_| shop.try_create(slot, 1))).await;

    let with = |status| answers.iter().filter(|answer| answer.0 == status).count();
    assert_eq!(
        (with(StatusCode::CREATED), with(StatusCode::CONFLICT)),
        (10, 90)
    );
    let refused = answers
        .iter()
        .find(|answer| answer.0 == StatusCode::CONFLICT)
        .unwrap();
    assert_eq!(refused.1["code"], "slot_full");
    assert_eq!(shop.seats_taken(slot).await, 10);
    shop.close().await;
}

async fn bad_requests_get_a_clear_error(stack: Stack) {
    let shop = Shop::open(stack).await;
    let slot = shop.slot(2).await;
    let begun = shop.stack.slot_at(2, clock::system()).await;
    let with = |field: &str, value: Value| {
        let mut order = order(slot, 1);
        *order.pointer_mut(field).unwrap() = value;
        order
    };

    #[rustfmt::skip]
    let rows = [
        (json!([]), 400, "malformed_request", None),
        (json!({}), 422, "validation_failed", Some("slot_id")),
        (with("/slot_id", json!("7")), 422, "validation_failed", Some("slot_id")),
        (with("/slot_id", json!(7)), 400, "malformed_request", Some("slot_id")),
        (with("/customer", json!({ "nam": "Ada" })), 400, "malformed_request", Some("customer.nam")),
        (with("/quantity", json!(0)), 422, "validation_failed", Some("quantity")),
        (with("/quantity", json!(21)), 422, "validation_failed", Some("quantity")),
        (with("/quantity", json!(1.5)), 400, "malformed_request", Some("quantity")),
        (with("/customer", json!(null)), 422, "validation_failed", Some("customer.name")),
        (with("/customer/name", json!(" ")), 422, "validation_failed", Some("customer.name")),
        (with("/customer/email", json!("ada")), 422, "validation_failed", Some("customer.email")),
        (order(Uuid::now_v7(), 1), 404, "slot_not_found", None),
        (order(begun, 1), 409, "slot_closed", None),
        (order(slot, 3), 409, "slot_full", None),
    ];
    for (body, status, code, field) in rows {
        let response = shop.post("/api/create-checkout-session", &body).await;

        assert_eq!(response.status(), status, "{body}");
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["code"], code, "{body}");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["errors"][0]["field"].as_str(), field, "{body}");
    }

    let url = format!("{}/api/create-checkout-session", shop.url);
    let too_large = shop
        .post("/api/create-checkout-session", &json!("x".repeat(200_000)))
        .await;
    let no_order = shop
        .post("/api/payment/confirm", &json!("x".repeat(5000)))
        .await;
    let no_json = shop.http.post(&url).body("{}").send().await.unwrap();
    let broken = shop
        .http
        .post(&url)
        .header("content-type", "application/json")
        .body("{");
    let wrong_method = shop.http.get(&url).send().await.unwrap();
    assert_eq!(too_large.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(no_order.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(no_json.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(
        broken.send().await.unwrap().status(),
        StatusCode::BAD_REQUEST
    );
    assert_eq!(wrong_method.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(
        wrong_method.json::<Value>().await.unwrap()["code"],
        "method_not_allowed"
    );
    assert_eq!(shop.seats_taken(slot).await, 0);
    shop.close().await;
}

async fn a_failure_of_stripe_gives_the_seats_back(stack: Stack) {
    let shop = Shop::open(stack).await;
    let slot = shop.slot(1).await;
    let wish = order(slot, 1);

    shop.stripe.set_faults(Faults {
        api_status: Some(500),
        ..Faults::default()
    });
    let (status, problem) = send(&shop, "wish", &wish).await;
    let seats_after_failure = shop.seats_taken(slot).await;
    shop.stripe.set_faults(Faults::default());
    let (status_later, _) = send(&shop, "wish", &wish).await;

    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert_eq!(problem["code"], "stripe_unavailable");
    assert_eq!(seats_after_failure, 0);
    assert_eq!(status_later, StatusCode::CREATED);
    assert_eq!(
        checkout::Entity::find()
            .count(&shop.stack.db)
            .await
            .unwrap(),
        2
    );
    shop.close().await;
}

/// What Stripe knows of a session.
pub async fn at_stripe(shop: &Shop, id: &str) -> Value {
    let request = shop.http.get(format!(
        "{}/v1/checkout/sessions/{id}",
        shop.stripe.base_url()
    ));
    request
        .bearer_auth("sk_test_of_the_tests")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}
