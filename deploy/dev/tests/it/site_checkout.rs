//! `POST /api/checkout-sessions`: what a site sells at its own price.

mod resources;
mod wrong_orders;

use std::collections::HashSet;

use reqwest::{Response, StatusCode};
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use shared::clock;
use stripe_sim::Outcome;
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    create_checkout_session::at_stripe,
    operations::worker,
    shop::{Session, Shop, eventually},
    stack::{Stack, on_each_stack},
};

const PATH: &str = "/api/checkout-sessions";
const KEY: &str = "site-api-key-of-the-tests-0123456789";
const NEW_KEY: &str = "the-key-after-that-which-is-as-long-as-it";

on_each_stack![
    what_has_no_place_is_sold_at_the_sites_price,
    seats_of_a_slot_are_sold_at_the_sites_price,
    a_key_of_an_order_stands_for_all_of_it,
    an_order_that_takes_the_place_of_another_may_take_its_time,
    an_order_that_fails_takes_no_others_place,
];

pub async fn shop(mut stack: Stack) -> Shop {
    let keys = format!("{KEY},{NEW_KEY}");
    stack.variables.insert("SITE_API_KEYS", keys);
    let origins = "https://site.example,http://localhost:3000";
    stack.variables.insert("RETURN_ORIGINS", origins.to_owned());
    Shop::open(stack).await
}

pub fn order() -> Value {
    json!({
        "currency": "eur",
        "line_items": [
            { "name": "Gift card", "unit_amount": 2500, "quantity": 2 },
            { "name": "Ribbon", "unit_amount": 199 },
        ],
        "customer": { "name": "Ada Lovelace", "email": "ada@example.com" },
        "client_reference": "order-1042",
        "metadata": { "user_id": "42" },
        "success_url": "https://site.example/done?session_id={CHECKOUT_SESSION_ID}",
        "cancel_url": "http://localhost:3000/cart",
    })
}

fn rfc3339(time: OffsetDateTime) -> String {
    time.format(&Rfc3339).unwrap()
}

/// An order of some hours of tomorrow.
fn hours(capacity: i32, (from, until): (i64, i64), quantity: i32) -> Value {
    let midnight = (clock::system() + Duration::days(2)).truncate_to_day();
    let mut order = order();
    order["resource"] = json!("room 7");
    order["capacity"] = json!(capacity);
    order["starts_at"] = json!(rfc3339(midnight + Duration::hours(from)));
    order["ends_at"] = json!(rfc3339(midnight + Duration::hours(until)));
    order["quantity"] = json!(quantity);
    order
}

pub async fn send(shop: &Shop, order: &Value) -> Response {
    let request = shop.http.post(format!("{}{PATH}", shop.url));
    request.bearer_auth(KEY).json(order).send().await.unwrap()
}

pub async fn create(shop: &Shop, order: &Value) -> Session {
    let answer = send(shop, order).await;
    let status = answer.status();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    let id = answer["session_id"].as_str().unwrap().to_owned();
    Session { id }
}

/// The code of a refusal.
pub async fn refused(shop: &Shop, order: &Value) -> String {
    let answer: Value = send(shop, order).await.json().await.unwrap();
    answer["code"].as_str().unwrap().to_owned()
}

pub async fn wait_for_status(shop: &Shop, session_id: &str, status: &str) {
    eventually(status, async || {
        shop.confirm(session_id, 0).await.1["status"] == status
    })
    .await;
}

/// The hold is over, though the session can still be paid.
pub async fn give_up(shop: &Shop, session: &Session) {
    let id = &session.id;
    for sql in [
        format!(
            "UPDATE slot SET seats_taken = seats_taken - 1 \
             WHERE id = (SELECT slot_id FROM checkout WHERE session_id = '{id}')"
        ),
        format!(
            "UPDATE checkout SET state = 'expired', seats_held = false WHERE session_id = '{id}'"
        ),
    ] {
        let done = shop.stack.patient_db.execute_unprepared(&sql).await;
        done.unwrap();
    }
}

async fn what_has_no_place_is_sold_at_the_sites_price(stack: Stack) {
    let shop = shop(stack).await;

    let session = create(&shop, &order()).await;
    shop.pay(&session, Outcome::Succeed).await;
    shop.wait_for_bookings(1).await;

    let (_, told) = shop.confirm(&session.id, 0).await;
    assert_eq!(told["status"], "confirmed");
    assert_eq!(told["client_reference"], "order-1042");
    assert_eq!(told["booking"]["offering"], "Gift card, Ribbon");
    assert!(told["booking"].get("starts_at").is_none(), "{told}");
    assert_eq!(told["payment"]["amount_total"], 5199);
    let there = at_stripe(&shop, &session.id).await;
    assert_eq!(there["amount_total"], 5199);
    assert_eq!(there["client_reference_id"], "order-1042");
    assert_eq!(there["metadata"]["user_id"], "42");
    assert!(there["metadata"].get("slot_id").is_none());
    assert_eq!(
        there["success_url"],
        "https://site.example/done?session_id={CHECKOUT_SESSION_ID}"
    );
    assert_eq!(there["cancel_url"], "http://localhost:3000/cart");
    let shown = worker(&shop, &["booking", "show", "order-1042"]).await;
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("Gift card, Ribbon"), "{shown}");
    let audit = worker(&shop, &["audit", "--json"]).await;
    assert!(audit.status.success());

    shop.stripe.refund(&session.id, None).unwrap();
    wait_for_status(&shop, &session.id, "refunded").await;
    shop.close().await;
}

async fn seats_of_a_slot_are_sold_at_the_sites_price(stack: Stack) {
    let shop = shop(stack).await;
    let slot = shop.slot(3).await;
    let mut order = order();
    order["slot_id"] = json!(slot);
    order["quantity"] = json!(2);

    let session = create(&shop, &order).await;
    let too_many = refused(&shop, &order).await;
    shop.pay(&session, Outcome::Succeed).await;
    shop.wait_for_bookings(1).await;

    assert_eq!(too_many, "slot_full");
    let (_, told) = shop.confirm(&session.id, 0).await;
    assert_eq!(told["booking"]["offering"], "Harbour kayak tour");
    assert_eq!(told["booking"]["quantity"], 2);
    assert_eq!(told["payment"]["amount_total"], 5199);
    let there = at_stripe(&shop, &session.id).await;
    assert_eq!(there["metadata"]["slot_id"], slot.to_string());
    assert_eq!(shop.seats_taken(slot).await, 2);
    shop.close().await;
}

async fn a_key_of_an_order_stands_for_all_of_it(stack: Stack) {
    let shop = shop(stack).await;
    let request = |order: &Value| {
        let request = shop.http.post(format!("{}{PATH}", shop.url));
        let request = request.bearer_auth(NEW_KEY).json(order);
        request.header("Idempotency-Key", "click-1").send()
    };

    let mut ids = HashSet::new();
    for _ in 0..2 {
        let answer: Value = request(&order()).await.unwrap().json().await.unwrap();
        ids.insert(answer["session_id"].as_str().unwrap().to_owned());
    }
    for (field, value) in [
        ("currency", json!("usd")),
        (
            "line_items",
            json!([{ "name": "Gift card", "unit_amount": 100 }]),
        ),
        ("success_url", json!("https://site.example/other")),
        ("hold_minutes", json!(60)),
        ("client_reference", json!("order-1043")),
    ] {
        let mut other = order();
        other[field] = value;
        let answer: Value = request(&other).await.unwrap().json().await.unwrap();
        assert_eq!(answer["code"], "idempotency_key_reused", "{field}");
    }
    assert_eq!(ids.len(), 1);
    shop.close().await;
}

async fn an_order_that_takes_the_place_of_another_may_take_its_time(stack: Stack) {
    let shop = shop(stack).await;
    let first = create(&shop, &hours(1, (10, 12), 1)).await;
    let mut longer = hours(1, (10, 13), 1);

    let beside = refused(&shop, &longer).await;
    longer["replaces"] = json!(first.id);
    longer["replaces_key"] = json!("another's");
    let of_a_stranger = refused(&shop, &longer).await;
    longer["replaces_key"] = json!(null);
    create(&shop, &longer).await;

    assert_eq!(beside, "slot_full");
    assert_eq!(of_a_stranger, "validation_failed");
    assert_eq!(at_stripe(&shop, &first.id).await["status"], "expired");
    shop.close().await;
}

/// Neither because there is no room nor because it costs too little.
async fn an_order_that_fails_takes_no_others_place(stack: Stack) {
    let shop = shop(stack).await;
    let mine = create(&shop, &hours(1, (10, 12), 1)).await;
    create(&shop, &hours(1, (14, 16), 1)).await;
    let mut cheap = order();
    cheap["line_items"] = json!([{ "name": "Card", "unit_amount": 49 }]);

    for (mut order, code) in [
        (hours(1, (14, 16), 1), "slot_full"),
        (hours(1, (11, 15), 1), "slot_full"),
        (cheap, "validation_failed"),
    ] {
        order["replaces"] = json!(mine.id);
        assert_eq!(refused(&shop, &order).await, code);
    }

    assert_eq!(at_stripe(&shop, &mine.id).await["status"], "open");
    shop.close().await;
}
