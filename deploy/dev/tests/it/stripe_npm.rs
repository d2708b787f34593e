//! Stripe's own client for Node.js against the stand-in, and its signatures against ingress:
//! proof that neither is shaped to our own code.

use std::process::Command;

use reqwest::StatusCode;
use serde_json::Value;
use shared::config::Env;
use testkit::ENDPOINT_SECRET;

use crate::{shop::Shop, stack::Stack};

/// Runs `script`, which finds the npm packages of `deploy/test`, and reads the JSON it prints.
pub fn node(script: &str, arguments: &[&str]) -> Value {
    let env = Env::from_process();
    let modules = env
        .required(
            "TEST_NODE_MODULES",
            "run the tests with deploy/test, which installs it",
        )
        .unwrap_or_else(|error| panic!("{error}"));
    let output = Command::new("node")
        .args(["--input-type=commonjs", "-e", script, "--"])
        .args(arguments)
        .env("NODE_PATH", modules)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_client_creates_and_retrieves_a_session_at_the_stand_in() {
    let shop = Shop::without_worker(Stack::sqlite_embedded().await).await;
    let script = r"
        const [port] = process.argv.slice(1);
        const stripe = require('stripe')('sk_test_1', { host: '127.0.0.1', port, protocol: 'http', maxNetworkRetries: 0 });
        const line_items = [{ quantity: 2, price_data: { currency: 'jpy', unit_amount: 500, product_data: { name: 'Tea & cake' } } }];
        const wish = { mode: 'payment', line_items, success_url: 'https://shop.example/ok', client_reference_id: 'r1', metadata: { a: 'b' } };
        (async () => {
          const created = await stripe.checkout.sessions.create(wish, { idempotencyKey: 'k1' });
          const again = await stripe.checkout.sessions.create(wish, { idempotencyKey: 'k1' });
          const retrieved = await stripe.checkout.sessions.retrieve(created.id);
          const listed = await stripe.checkout.sessions.list({ limit: 1 });
          const missing = await stripe.checkout.sessions.retrieve('cs_test_missing').catch((error) => error);
          const reused = await stripe.checkout.sessions.create({ ...wish, client_reference_id: 'r2' }, { idempotencyKey: 'k1' }).catch((error) => error);
          const refused = await require('stripe')('sk_live_1', { host: '127.0.0.1', port, protocol: 'http' }).checkout.sessions.list().catch((error) => error);
          const expired = await stripe.checkout.sessions.expire(created.id);
          console.log(JSON.stringify({ created, retrieved, same: again.id === created.id, listed: listed.data[0].id,
            missing: missing.code, reused: reused.type, refused: refused.type, expired: expired.status }));
        })();
    ";
    let port = shop.stripe.address().port().to_string();

    let seen = tokio::task::block_in_place(|| node(script, &[&port]));

    assert_eq!(seen["created"]["amount_total"], 1000);
    assert_eq!(seen["created"]["status"], "open");
    assert_eq!(seen["retrieved"]["metadata"]["a"], "b");
    assert_eq!(seen["retrieved"]["client_reference_id"], "r1");
    assert_eq!(seen["same"], true);
    assert_eq!(seen["listed"], seen["created"]["id"]);
    assert_eq!(seen["missing"], "resource_missing");
    assert_eq!(seen["reused"], "StripeIdempotencyError");
    assert_eq!(seen["refused"], "StripeAuthenticationError");
    assert_eq!(seen["expired"], "expired");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_made_by_the_official_client_is_accepted() {
    let shop = Shop::without_worker(Stack::sqlite_embedded().await).await;
    let script = r"
        const [secret] = process.argv.slice(1);
        const payload = JSON.stringify({ id: 'evt_1', object: 'event', type: 'customer.created', livemode: false, data: { object: { name: 'Žofie' } } });
        const sign = (secret) => require('stripe')('sk_test_1').webhooks.generateTestHeaderString({ payload, secret });
        console.log(JSON.stringify({ payload, good: sign(secret), bad: sign('whsec_another') }));
    ";

    let signed = tokio::task::block_in_place(|| node(script, &[ENDPOINT_SECRET]));
    let post = async |signature: &Value| {
        let request = shop.http.post(format!("{}/api/payment/webhook", shop.url));
        let request = request.header("stripe-signature", signature.as_str().unwrap());
        let payload = signed["payload"].as_str().unwrap().to_owned();
        request.body(payload).send().await.unwrap().status()
    };

    assert_eq!(post(&signed["good"]).await, StatusCode::OK);
    assert_eq!(post(&signed["bad"]).await, StatusCode::BAD_REQUEST);
    shop.close().await;
}
