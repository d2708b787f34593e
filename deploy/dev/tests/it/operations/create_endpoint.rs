//! `worker doctor --create-webhook-endpoint`

use std::process::Output;

use serde_json::{Value, json};
use shared::{
    clock,
    stripe::{event_type::HANDLED, signature},
};
use stripe_sim::Faults;

use super::command;
use crate::{shop::Shop, stack::Stack};

/// The command, with the address of the shop and without a secret, which there is not yet.
async fn create(shop: &Shop, public_url: &str, more: &[&str]) -> Output {
    let arguments = [&["doctor", "--create-webhook-endpoint"], more].concat();
    let mut command = command(shop, &arguments);
    command.env_remove("STRIPE_WEBHOOK_SECRET");
    command.env("PUBLIC_URL", public_url);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    output.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_made_once_and_its_secret_proves_what_stripe_posts() {
    let shop = Shop::without_worker(Stack::sqlite_embedded().await).await;
    shop.stripe.set_webhook_url(None);

    let made = create(&shop, &shop.url, &["--json"]).await;
    let complaint = String::from_utf8_lossy(&made.stderr);
    let made: Value = serde_json::from_slice(&made.stdout).expect(&complaint);
    assert_eq!(made["url"], format!("{}/api/payment/webhook", shop.url));
    assert_eq!(
        made["enabled_events"].as_array().unwrap().len(),
        HANDLED.len()
    );
    assert_eq!(made["api_version"], "2026-09-30.endive");

    let (header, body) = shop.stripe.sign(&json!({ "id": "evt_1" }));
    let secret = made["secret"].as_str().unwrap();
    let now = clock::system().unix_timestamp();
    assert!(signature::verify(body.as_bytes(), &header, [secret], now).is_ok());

    let again = create(&shop, &shop.url, &[]).await;
    assert!(!again.status.success());
    let complaint = String::from_utf8_lossy(&again.stderr);
    let id = made["id"].as_str().unwrap();
    assert!(
        complaint.contains(id) && !complaint.contains(secret),
        "{complaint}"
    );
    shop.stripe.set_webhook_url(None);
    let text = create(&shop, &shop.url, &[]).await;
    let text = String::from_utf8_lossy(&text.stdout);
    assert!(text.contains("STRIPE_WEBHOOK_SECRET=whsec_"), "{text}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_it_from_being_made_is_named() {
    let shop = Shop::without_worker(Stack::sqlite_embedded().await).await;
    shop.stripe.set_webhook_url(None);
    let denied = vec!["rak_webhook_endpoint_write".to_owned()];
    shop.stripe.set_faults(Faults {
        denied,
        ..Faults::default()
    });

    let denied = create(&shop, &shop.url, &[]).await;
    let nowhere = create(&shop, "", &[]).await;

    assert!(!denied.status.success() && !nowhere.status.success());
    let denied = String::from_utf8_lossy(&denied.stderr);
    assert!(denied.contains("rak_webhook_endpoint_write"), "{denied}");
    let nowhere = String::from_utf8_lossy(&nowhere.stderr);
    assert!(nowhere.contains("PUBLIC_URL: is not set"), "{nowhere}");
    shop.close().await;
}
