//! Orders that are refused: by whom, and for what.

use reqwest::StatusCode;
use sea_orm::EntityTrait;
use serde_json::{Value, json};
use shared::db::checkout;

use super::{KEY, PATH, hours, order, refused, send, shop};
use crate::{
    shop::Shop,
    stack::{Stack, on_each_stack},
};

on_each_stack![
    a_key_of_the_sites_is_no_buyers,
    only_the_site_may_set_a_price,
    each_wrong_field_is_named,
];

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
