//! The Standard Webhooks packages of others verify what we sign.

use std::process::Command;

use serde_json::{Value, json};
use shared::{config::Env, traceparent::Traceparent};
use testkit::{Received, Receiver};

use super::{add_endpoint, arrived, book, say};
use crate::{shop::Shop, stack::Stack, stripe_npm::node};

const IN_NODE: &str = r"
    const { Webhook } = require('standardwebhooks');
    const { secrets, headers, body } = JSON.parse(process.argv[1]);
    const verdicts = secrets.map((secret) => {
      try { return new Webhook(secret).verify(body, headers).type; } catch (error) { return error.name; }
    });
    console.log(JSON.stringify(verdicts));
";
const IN_PYTHON: &str = r"
import json, sys
from standardwebhooks.webhooks import Webhook
it = json.loads(sys.argv[1])
def verdict(secret):
    try:
        return Webhook(secret).verify(it['body'], it['headers'])['type']
    except Exception as error:
        return type(error).__name__
print(json.dumps([verdict(secret) for secret in it['secrets']]))
";

/// What both packages say about `received`, by each of `secrets`.
fn verdicts(received: &Received, body: &str, secrets: &[&str]) -> (Value, Value) {
    assert!(Traceparent::parse(&received.traceparent).is_some());
    let headers = json!({
        "webhook-id": received.id,
        "webhook-timestamp": received.timestamp,
        "webhook-signature": received.signature,
    });
    let input = json!({ "secrets": secrets, "headers": headers, "body": body }).to_string();
    let env = Env::from_process();
    let python = env.required("TEST_PYTHON", "run the tests with deploy/test");
    let output = Command::new(python.unwrap())
        .args(["-c", IN_PYTHON, &input])
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    let in_python = serde_json::from_slice(&output.stdout);
    (
        node(IN_NODE, &[&input]),
        in_python.unwrap_or_else(|_| panic!("{complaint}")),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn they_verify_it_by_the_old_secret_and_by_the_new_one() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    let receiver = Receiver::start().await.unwrap();
    let (id, old) = add_endpoint(&shop, &receiver.url, &[]).await;
    let said = say(&shop, &["endpoint", "rotate", &id]).await;
    let new = said.split_whitespace().nth(1).unwrap().to_owned();
    let own = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let slot = shop.slot(5).await;
    book(&shop, slot).await;
    arrived(&receiver, 1).await;

    let told = &receiver.received()[0];
    let secrets = [old.as_str(), new.as_str(), own];
    let (node, python) = tokio::task::block_in_place(|| verdicts(told, &told.body, &secrets));
    let changed = told.body.replace("confirmed", "cancelled");
    let (node_changed, python_changed) =
        tokio::task::block_in_place(|| verdicts(told, &changed, &secrets[..2]));

    let refused = "WebhookVerificationError";
    assert_eq!(
        node,
        json!(["booking.confirmed", "booking.confirmed", refused])
    );
    assert_eq!(python, node);
    assert_eq!(node_changed, json!([refused, refused]));
    assert_eq!(python_changed, node_changed);

    // Without time for both, the old one is no good from now on.
    say(
        &shop,
        &[
            "endpoint",
            "rotate",
            &id,
            "--keep-old",
            "0s",
            "--secret",
            own,
        ],
    )
    .await;
    book(&shop, slot).await;
    arrived(&receiver, 2).await;
    let told = &receiver.received()[1];
    let (node, _) = tokio::task::block_in_place(|| verdicts(told, &told.body, &secrets));
    assert_eq!(node, json!([refused, refused, "booking.confirmed"]));
    shop.close().await;
}
