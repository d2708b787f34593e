//! `POST /api/checkout-sessions`: what a site sells at its own price.

use std::collections::HashSet;

use futures_util::future::join_all;
use reqwest::{Response, StatusCode};
use sea_orm::{ConnectionTrait, EntityTrait};
use serde_json::{Value, json};
use shared::{
    clock,
    db::{checkout, slot},
};
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
    times_of_a_resource_use_it_up_for_each_other,
    the_last_seat_of_a_resource_is_sold_once,
    a_resource_is_as_large_as_the_site_said_last,
    a_late_payment_takes_what_is_left_of_a_resource,
    a_key_of_an_order_stands_for_all_of_it,
    an_order_that_takes_the_place_of_another_may_take_its_time,
    an_order_that_fails_takes_no_others_place,
    a_key_of_the_sites_is_no_buyers,
    only_the_site_may_set_a_price,
    each_wrong_field_is_named,
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

async fn times_of_a_resource_use_it_up_for_each_other(stack: Stack) {
    let shop = shop(stack).await;

    create(&shop, &hours(2, (10, 12), 1)).await;
    create(&shop, &hours(2, (12, 14), 1)).await;
    // One seat is left throughout, since the others follow each other.
    create(&shop, &hours(2, (10, 14), 1)).await;

    for within in [(9, 11), (11, 13), (13, 20), (10, 12)] {
        assert_eq!(refused(&shop, &hours(2, within, 1)).await, "slot_full");
    }
    create(&shop, &hours(2, (14, 16), 2)).await;
    let mut elsewhere = hours(2, (10, 12), 2);
    elsewhere["resource"] = json!("room 8");
    create(&shop, &elsewhere).await;
    // What could not be sold left nothing behind.
    let slots = slot::Entity::find().all(&shop.stack.db).await.unwrap();
    assert_eq!(slots.len(), 5);
    shop.close().await;
}

async fn the_last_seat_of_a_resource_is_sold_once(stack: Stack) {
    let shop = shop(stack).await;

    let orders: Vec<Value> = (0..12).map(|it| hours(1, (it, it + 12), 1)).collect();
    let answers = join_all(orders.iter().map(|order| send(&shop, order))).await;

    let mut statuses: Vec<_> = answers.iter().map(|it| it.status().as_u16()).collect();
    statuses.sort_unstable();
    let mut expected = [409; 12];
    // They have the twelfth hour in common.
    expected[0] = 201;
    assert_eq!(statuses, expected);
    shop.close().await;
}

async fn a_resource_is_as_large_as_the_site_said_last(stack: Stack) {
    let shop = shop(stack).await;

    create(&shop, &hours(1, (10, 12), 1)).await;
    let full = refused(&shop, &hours(1, (10, 12), 1)).await;
    create(&shop, &hours(2, (10, 12), 1)).await;
    let shrunk = refused(&shop, &hours(1, (11, 13), 1)).await;

    assert_eq!([full, shrunk], ["slot_full", "slot_full"]);
    create(&shop, &hours(1, (12, 13), 1)).await;
    shop.close().await;
}

/// The hold has ended, and another buyer took a time that overlaps it.
async fn a_late_payment_takes_what_is_left_of_a_resource(stack: Stack) {
    let shop = shop(stack).await;
    let late = create(&shop, &hours(2, (10, 12), 1)).await;
    let later = create(&shop, &hours(2, (14, 16), 1)).await;
    for session in [&late, &later] {
        give_up(&shop, session).await;
    }
    create(&shop, &hours(2, (11, 13), 2)).await;

    shop.pay(&late, Outcome::Succeed).await;
    shop.pay(&later, Outcome::Succeed).await;

    wait_for_status(&shop, &late.id, "refunded").await;
    wait_for_status(&shop, &later.id, "confirmed").await;
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

/// Though an order of our own pages has used the same one before.
async fn a_key_of_the_sites_is_no_buyers(stack: Stack) {
    let shop = shop(stack).await;
    let slot = shop.slot(5).await;
    let send = async |path: &str, order: &Value| {
        let request = shop.http.post(format!("{}{path}", shop.url)).json(order);
        let request = request.bearer_auth(KEY).header("Idempotency-Key", "1042");
        request.send().await.unwrap().status()
    };

    let of_a_buyer = send("/api/create-checkout-session", &testkit::order(slot, 1)).await;
    let of_the_site = send(PATH, &order()).await;

    assert_eq!([of_a_buyer, of_the_site], [StatusCode::CREATED; 2]);
    shop.close().await;
}

async fn only_the_site_may_set_a_price(stack: Stack) {
    let off = Shop::open(Stack::sqlite_embedded().await).await;
    let answer = send(&off, &order()).await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["code"], "site_api_off");
    off.close().await;

    let shop = shop(stack).await;
    let url = format!("{}{PATH}", shop.url);
    let long = "k".repeat(5000);
    for key in ["", "wrong", &KEY[1..], &format!("{KEY}x"), &long] {
        // Even for what is no order at all.
        let answer = shop.http.post(&url).bearer_auth(key).body("{").send();
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(answer.headers()["www-authenticate"], "Bearer");
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["code"], "invalid_api_key");
    }
    let without = shop.http.post(&url).json(&order()).send().await.unwrap();
    assert_eq!(without.status(), StatusCode::UNAUTHORIZED);
    let basic = shop.http.post(&url).basic_auth(KEY, Some("")).send();
    assert_eq!(basic.await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let rows = checkout::Entity::find().all(&shop.stack.db).await.unwrap();
    assert!(rows.is_empty());
    shop.close().await;
}

async fn each_wrong_field_is_named(stack: Stack) {
    let shop = shop(stack).await;
    let item = |name: &str, amount: i64| json!([{ "name": name, "unit_amount": amount }]);
    let many = vec![json!({ "name": "Card", "unit_amount": 100 }); 21];
    for (field, value) in [
        ("currency", Value::Null),
        ("currency", json!("euro")),
        ("line_items", Value::Null),
        ("line_items", json!([])),
        ("line_items", json!(many)),
        ("line_items", item("", 100)),
        ("line_items", item("a\nb", 100)),
        ("line_items", item(&"n".repeat(201), 100)),
        ("line_items", item("Card", -1)),
        ("line_items", item("Card", 49)),
        ("line_items", item("Card", 100_000_000)),
        ("line_items", json!([{ "name": "Card" }])),
        (
            "line_items",
            json!([{ "name": "Card", "unit_amount": 1, "quantity": 0 }]),
        ),
        (
            "line_items",
            json!([{ "name": "Card", "unit_amount": 99_999_999, "quantity": 1000 }]),
        ),
        ("success_url", json!("https://evil.example/done")),
        ("success_url", json!("/done")),
        ("cancel_url", json!("javascript:alert(1)")),
        ("hold_minutes", json!(29)),
        ("hold_minutes", json!(1440)),
        ("quantity", json!(2)),
        ("quantity", json!(1001)),
        ("capacity", json!(1)),
        ("starts_at", json!("2099-05-01T10:00:00Z")),
        ("slot_id", json!("room 7")),
        ("client_reference", json!("")),
        ("metadata", json!({ "slot_id": "1" })),
        ("replaces", json!("cs_1")),
    ] {
        let mut order = order();
        order[field] = value.clone();
        let answer = send(&shop, &order).await;
        assert_eq!(answer.status(), 422, "{field}: {value}");
        let answer: Value = answer.json().await.unwrap();
        let named = answer["errors"][0]["field"].as_str().unwrap();
        assert_eq!(named.split('[').next(), Some(field), "{answer}");
    }
    for (field, value) in [
        ("resource", json!("")),
        ("resource", json!("r".repeat(201))),
        ("capacity", json!(0)),
        ("capacity", Value::Null),
        ("starts_at", Value::Null),
        ("starts_at", json!("tomorrow")),
        ("ends_at", json!("2026-01-01T00:00:00Z")),
        ("ends_at", json!("2099-01-01T00:00:00Z")),
        ("quantity", json!(0)),
    ] {
        let mut order = hours(1, (10, 12), 1);
        order[field] = value.clone();
        let answer: Value = send(&shop, &order).await.json().await.unwrap();
        assert_eq!(answer["errors"][0]["field"], field, "{value}: {answer}");
    }
    let mut both = hours(1, (10, 12), 1);
    both["slot_id"] = json!(shop.slot(1).await);
    assert_eq!(refused(&shop, &both).await, "validation_failed");
    let begun = hours(1, (-72, 0), 1);
    assert_eq!(refused(&shop, &begun).await, "slot_closed");
    let mut unknown = order();
    unknown["price"] = json!(1);
    assert_eq!(refused(&shop, &unknown).await, "malformed_request");
    let mut second = order();
    second["line_items"][1]["name"] = json!(" ");
    let answer: Value = send(&shop, &second).await.json().await.unwrap();
    assert_eq!(answer["errors"][0]["field"], "line_items[1].name");
    second["line_items"][1]["nam"] = json!("Ribbon");
    let answer: Value = send(&shop, &second).await.json().await.unwrap();
    assert_eq!(answer["errors"][0]["field"], "line_items[1].nam");
    shop.close().await;
}
