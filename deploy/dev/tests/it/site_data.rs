//! `client_reference` and `metadata`: the site's own data, from the order to Stripe and back.

use std::collections::BTreeMap;

use reqwest::StatusCode;
use sea_orm::{EntityTrait, sea_query::Expr};
use serde_json::{Value, json};
use shared::db::checkout;
use stripe_sim::Outcome;
use testkit::order;
use uuid::Uuid;

use crate::{
    create_checkout_session::at_stripe,
    idempotency_key::send,
    operations::worker,
    shop::{Session, Shop, undelivered},
    stack::{Stack, on_each_stack},
};

const PATH: &str = "/api/create-checkout-session";

on_each_stack![
    a_sites_data_goes_along_all_the_way,
    an_order_without_it_is_what_it_was,
    the_hold_is_found_whatever_the_site_calls_it,
    data_that_stripe_would_not_take_is_refused_by_name,
    it_is_part_of_what_a_key_stands_for,
];

fn theirs(slot: Uuid) -> Value {
    let mut order = order(slot, 1);
    order["client_reference"] = json!("order-1042");
    order["metadata"] = json!({ "user_id": "42", "note": "two\nlines, über" });
    order
}

async fn create(shop: &Shop, order: &Value) -> Session {
    let answer = shop.post(PATH, order).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    let answer: Value = answer.json().await.unwrap();
    let id = answer["session_id"].as_str().unwrap().to_owned();
    Session { id }
}

async fn a_sites_data_goes_along_all_the_way(stack: Stack) {
    let shop = Shop::open(stack).await;
    let slot = shop.slot(5).await;

    let session = create(&shop, &theirs(slot)).await;
    let before = shop.confirm(&session.id, 0).await.1;
    shop.pay(&session, Outcome::Succeed).await;
    // Until then what Stripe said before is passed on.
    shop.wait_for_bookings(1).await;
    let (_, told) = shop.confirm(&session.id, 0).await;

    let there = at_stripe(&shop, &session.id).await;
    assert_eq!(there["client_reference_id"], "order-1042");
    let intent = there["payment_intent"].as_str().unwrap();
    let url = format!("{}/v1/payment_intents/{intent}", shop.stripe.base_url());
    let intent = shop
        .http
        .get(url)
        .bearer_auth("sk_test_of_the_tests")
        .send();
    let intent: Value = intent.await.unwrap().json().await.unwrap();
    for metadata in [&there["metadata"], &intent["metadata"]] {
        assert_eq!(metadata["user_id"], "42");
        assert_eq!(metadata["note"], "two\nlines, über");
        assert_eq!(metadata["slot_id"], slot.to_string());
    }
    assert_eq!(before["client_reference"], "order-1042");
    assert_eq!(told["status"], "confirmed");
    assert_eq!(told["client_reference"], "order-1042");
    assert!(!told.to_string().contains("über"), "metadata is private");
    let row = checkout::Entity::find().one(&shop.stack.db).await.unwrap();
    let row = row.unwrap();
    assert_eq!(row.client_reference.as_deref(), Some("order-1042"));
    assert_eq!(row.metadata.unwrap()["user_id"], "42");

    let shown = worker(&shop, &["booking", "show", "order-1042"]).await;
    let shown = String::from_utf8(shown.stdout).unwrap();
    for part in ["order-1042", "user_id  42", "twolines, über", &session.id] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    shop.close().await;
}

async fn an_order_without_it_is_what_it_was(stack: Stack) {
    let shop = Shop::open(stack).await;
    let session = shop.create(shop.slot(5).await).await;

    let there = at_stripe(&shop, &session.id).await;
    let (_, told) = shop.confirm(&session.id, 0).await;

    assert_eq!(
        there["client_reference_id"],
        there["metadata"]["checkout_id"]
    );
    assert_eq!(there["metadata"].as_object().unwrap().len(), 3);
    assert!(told.get("client_reference").is_none(), "{told}");
    shop.close().await;
}

/// As if ingress had crashed between creating the session and storing its id: what leads back is our
/// own metadata, and not `client_reference_id`.
async fn the_hold_is_found_whatever_the_site_calls_it(stack: Stack) {
    let shop = Shop::open(stack).await;
    shop.stripe.set_faults(undelivered());
    let slot = shop.slot(5).await;
    let mut order = theirs(slot);
    order["client_reference"] = json!(Uuid::now_v7());
    let session = create(&shop, &order).await;
    checkout::Entity::update_many()
        .col_expr(checkout::Column::SessionId, Expr::value(None::<String>))
        .exec(&shop.stack.patient_db)
        .await
        .unwrap();

    shop.pay(&session, Outcome::Succeed).await;
    let event = shop.stripe.events().pop().unwrap();
    shop.deliver(&event).await;

    shop.wait_for_bookings(1).await;
    shop.close().await;
}

async fn data_that_stripe_would_not_take_is_refused_by_name(stack: Stack) {
    let shop = Shop::open(stack).await;
    let slot = shop.slot(5).await;
    let many: BTreeMap<String, &str> = (0..48).map(|it| (format!("key{it}"), "1")).collect();
    for (field, value, status) in [
        ("client_reference", json!(""), 422),
        ("client_reference", json!("  "), 422),
        ("client_reference", json!("a\nb"), 422),
        ("client_reference", json!("r".repeat(201)), 422),
        ("client_reference", json!(42), 400),
        ("metadata", json!(many), 422),
        ("metadata", json!({ "checkout_id": "1" }), 422),
        ("metadata", json!({ "a[b]": "1" }), 422),
        ("metadata", json!({ "": "1" }), 422),
        ("metadata", json!({ "k".repeat(41): "1" }), 422),
        ("metadata", json!({ "a": "" }), 422),
        ("metadata", json!({ "a": "\u{0}" }), 422),
        ("metadata", json!({ "a": "v".repeat(501) }), 422),
        ("metadata", json!({ "a": 1 }), 400),
        ("metadata", json!([]), 400),
    ] {
        let mut order = order(slot, 1);
        order[field] = value;
        let answer = shop.post(PATH, &order).await;
        assert_eq!(answer.status(), status, "{order}");
        let problem: Value = answer.json().await.unwrap();
        if status == 422 {
            assert_eq!(problem["code"], "validation_failed");
            assert_eq!(problem["errors"][0]["field"], field, "{problem}");
        }
    }
    assert_eq!(shop.seats_taken(slot).await, 0);

    // All that is allowed, in the characters that take the most room.
    let mut order = order(slot, 1);
    let key = |it| format!("{it:02}{}", "😀".repeat(38));
    let most: BTreeMap<String, String> = (0..47).map(|it| (key(it), "ü".repeat(500))).collect();
    order["metadata"] = json!(most);
    order["client_reference"] = json!("ü".repeat(200));
    let session = create(&shop, &order).await;
    let there = at_stripe(&shop, &session.id).await;
    assert_eq!(there["metadata"].as_object().unwrap().len(), 50);
    shop.close().await;
}

async fn it_is_part_of_what_a_key_stands_for(stack: Stack) {
    let shop = Shop::open(stack).await;
    let order = theirs(shop.slot(5).await);
    let mut other = order.clone();
    other["metadata"]["user_id"] = json!("43");

    let first = send(&shop, "one order", &order).await;
    let again = send(&shop, "one order", &order).await;
    let reused = send(&shop, "one order", &other).await;

    assert_eq!(first, again);
    assert_eq!(reused.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(reused.1["code"], "idempotency_key_reused");
    shop.close().await;
}
