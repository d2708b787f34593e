//! A merchant's own front end, on another origin, that uses the shop's API.

use reqwest::{Method, StatusCode, header::HeaderMap};
use stripe_sim::Outcome;
use testkit::start_stripe;
use tokio_util::sync::CancellationToken;

use crate::{browser::Browser, shop::Shop, stack::Stack};

/// What the README tells people to copy.
const CONFIRM_JS: &str = include_str!("../../../../ingress/pages/confirm.js");

async fn shop_for(origins: &str) -> Shop {
    let mut stack = Stack::sqlite_embedded().await;
    stack.variables.insert("CORS_ORIGINS", origins.to_owned());
    Shop::open(stack).await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_listed_origins_may_call_the_shops_api() {
    let shop = shop_for("https://a.example, https://b.example").await;
    let preflight = async |path: &str, origin: &str| -> HeaderMap {
        let request = shop
            .http
            .request(Method::OPTIONS, format!("{}{path}", shop.url))
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "content-type,idempotency-key,prefer",
            );
        request.send().await.unwrap().headers().clone()
    };

    for path in ["/api/create-checkout-session", "/api/payment/confirm"] {
        let allowed = preflight(path, "https://b.example").await;
        let refused = preflight(path, "https://c.example").await;
        assert_eq!(allowed["access-control-allow-origin"], "https://b.example");
        let headers = allowed["access-control-allow-headers"].to_str().unwrap();
        assert!(headers.contains("idempotency-key") && headers.contains("prefer"));
        assert!(
            !refused.contains_key("access-control-allow-origin"),
            "{path}"
        );
    }
    let webhook = preflight("/api/payment/webhook", "https://a.example").await;
    assert!(!webhook.contains_key("access-control-allow-origin"));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_example_works_on_a_page_of_another_origin() {
    // Any page of another origin will do; a stand-in has one.
    let elsewhere = start_stripe(CancellationToken::new()).await.unwrap();
    let shop = shop_for(elsewhere.base_url()).await;
    let slot = shop.slot(1).await;
    let session = shop.create(slot).await;
    shop.pay(&session, Outcome::Succeed).await;
    let browser = Browser::open().await;
    browser
        .goto(&format!("{}/c/pay/none", elsewhere.base_url()))
        .await;

    let example = CONFIRM_JS.replace("export ", "");
    let script = format!(
        "{example}; const done = arguments[0];
         pollConfirm('{}', (answer) => answer.status === 'processing' || done(answer), {{ api: '{}' }})",
        session.id, shop.url
    );
    let answer = browser.run_async(&script).await;

    assert_eq!(answer["status"], "confirmed", "{answer}");
    browser
        .close(&[&StatusCode::NOT_FOUND.as_u16().to_string()])
        .await;
    shop.close().await;
}
