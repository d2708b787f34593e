//! The pages as files: there, complete, and strict about what they may load.

use reqwest::StatusCode;
use serde_json::Value;

use crate::{shop::Shop, stack::Stack};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_nowhere_is_a_page_for_people_and_a_problem_for_programs() {
    let shop = Shop::without_worker(Stack::sqlite_embedded().await).await;
    let get = async |path: &str, accept: &str| {
        let request = shop.http.get(format!("{}{path}", shop.url));
        request.header("accept", accept).send().await.unwrap()
    };
    let browser = "text/html,application/xhtml+xml,*/*;q=0.8";

    let page = get("/nowhere", browser).await;
    let program = get("/nowhere", "*/*").await;
    let api = get("/api/nowhere", browser).await;
    let post = shop.http.post(format!("{}/nowhere", shop.url));
    let post = post.header("accept", browser).send().await.unwrap();

    assert_eq!(page.status(), StatusCode::NOT_FOUND);
    assert!(
        page.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/html")
    );
    assert!(page.headers().contains_key("content-security-policy"));
    assert!(page.text().await.unwrap().contains("Back to the shop"));
    for answer in [program, api, post] {
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_and_what_it_loads_is_served_under_a_strict_policy() {
    let shop = Shop::without_worker(Stack::sqlite_embedded().await).await;
    let get = async |path: &str| {
        shop.http
            .get(format!("{}{path}", shop.url))
            .send()
            .await
            .unwrap()
    };

    for page in [
        "/",
        "/booking",
        "/payment-success",
        "/payment-cancelled",
        "/docs",
    ] {
        let response = get(page).await;
        assert_eq!(response.status(), StatusCode::OK, "{page}");
        let headers = response.headers().clone();
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(headers["referrer-policy"], "no-referrer");
        let html = response.text().await.unwrap();
        assert!(
            !html.contains("http://") && !html.contains("https://"),
            "{page}"
        );
        for (_, rest) in html
            .match_indices("/assets/")
            .map(|(at, _)| html.split_at(at))
        {
            let asset = rest.split('"').next().unwrap();
            assert_eq!(
                get(asset).await.status(),
                StatusCode::OK,
                "{page} loads {asset}"
            );
        }
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openapi_document_lists_the_endpoints() {
    let shop = Shop::without_worker(Stack::sqlite_embedded().await).await;

    let url = format!("{}/api/openapi.json", shop.url);
    let document: Value = shop
        .http
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();

    let paths: Vec<_> = document["paths"].as_object().unwrap().keys().collect();
    let expected = [
        "/api/booking",
        "/api/booking/calendar",
        "/api/booking/cancel",
        "/api/checkout-sessions",
        "/api/create-checkout-session",
        "/api/offerings",
        "/api/offerings/{offering_id}/slots",
        "/api/payment/confirm",
        "/api/payment/webhook",
    ];
    assert_eq!(paths, expected);
    shop.close().await;
}
