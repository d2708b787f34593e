//! How many orders one client may make.

use reqwest::{Response, StatusCode};
use serde_json::Value;
use testkit::order;
use uuid::Uuid;

use crate::{shop::Shop, stack::Stack};

async fn order_as(shop: &Shop, forwarded_for: &str, slot: Uuid) -> Response {
    let url = format!("{}/api/create-checkout-session", shop.url);
    let request = shop.http.post(url).json(&order(slot, 1));
    let request = request.header("x-forwarded-for", forwarded_for);
    request.send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_too_many_orders_is_told_when_to_come_back() {
    let mut stack = Stack::sqlite_embedded().await;
    stack.variables.extend([
        ("TRUSTED_PROXIES", "127.0.0.1".to_owned()),
        ("ORDERS_PER_MINUTE", "2".to_owned()),
    ]);
    let shop = Shop::open(stack).await;
    let slot = shop.slot(10).await;

    for _ in 0..2 {
        let admitted = order_as(&shop, "192.0.2.1", slot).await;
        assert_eq!(admitted.status(), StatusCode::CREATED);
    }
    // What it says of itself does not make it another one.
    let refused = order_as(&shop, "192.0.2.9, 192.0.2.1", slot).await;
    let other = order_as(&shop, "192.0.2.2", slot).await;

    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let seconds = refused.headers()["retry-after"].to_str().unwrap();
    assert!(
        (1..=31).contains(&seconds.parse::<u32>().unwrap()),
        "{seconds}"
    );
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["code"], "too_many_orders");
    assert_eq!(other.status(), StatusCode::CREATED);
    assert_eq!(shop.seats_taken(slot).await, 3);
    shop.close().await;
}

/// They may all come through one proxy that is not among the trusted ones, or that names no client.
#[tokio::test(flavor = "multi_thread")]
async fn clients_that_cannot_be_told_apart_have_a_limit_together() {
    for trusted in ["192.0.2.7", "127.0.0.1"] {
        let mut stack = Stack::sqlite_embedded().await;
        stack.variables.extend([
            ("TRUSTED_PROXIES", trusted.to_owned()),
            ("ORDERS_PER_MINUTE", "1".to_owned()),
        ]);
        let shop = Shop::open(stack).await;
        let slot = shop.slot(30).await;

        for _ in 0..20 {
            let admitted = order_as(&shop, "unknown", slot).await;
            assert_eq!(admitted.status(), StatusCode::CREATED);
        }
        let refused = order_as(&shop, "unknown", slot).await;

        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS, "{trusted}");
        shop.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_counts_for_each_of_its_seats() {
    let mut stack = Stack::sqlite_embedded().await;
    stack.variables.extend([
        ("TRUSTED_PROXIES", "127.0.0.1".to_owned()),
        ("ORDERS_PER_MINUTE", "10".to_owned()),
    ]);
    let shop = Shop::open(stack).await;
    let slot = shop.slot(30).await;
    let order = async |seats| {
        let url = format!("{}/api/create-checkout-session", shop.url);
        let request = shop.http.post(url).json(&order(slot, seats));
        let request = request.header("x-forwarded-for", "192.0.2.1");
        request.send().await.unwrap().status()
    };

    assert_eq!(order(6).await, StatusCode::CREATED);
    assert_eq!(order(6).await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(order(4).await, StatusCode::CREATED);
    assert_eq!(shop.seats_taken(slot).await, 10);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_buyers_together_have_a_limit() {
    let mut stack = Stack::sqlite_embedded().await;
    stack
        .variables
        .insert("SESSIONS_PER_MINUTE", "3".to_owned());
    let shop = Shop::open(stack).await;
    let slot = shop.slot(10).await;
    // What is refused for another reason opens no session.
    for _ in 0..5 {
        let answer = order_as(&shop, "192.0.2.1", Uuid::nil()).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    }

    let mut taken = 0;
    for client in 0..6 {
        let answer = order_as(&shop, &format!("192.0.2.{client}"), slot).await;
        taken += i32::from(answer.status() == StatusCode::CREATED);
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            assert!(answer.headers().contains_key("retry-after"));
        }
    }

    assert_eq!((taken, shop.seats_taken(slot).await), (3, 3));
    shop.close().await;
}
