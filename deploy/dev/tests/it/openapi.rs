//! The OpenAPI document and the service agree: schemathesis makes requests of the one and judges
//! the answers of the other.

use std::process::Command;

use shared::config::Env;
use stripe_sim::Outcome;
use tempfile::TempDir;

use crate::{service::Service, shop::Shop, stack::Stack};

/// A webhook that Stripe has not signed is refused, whatever the document allows; and so is a name
/// that cannot be read, which no pattern says. What is far too long is too large.
const CONFIG: &str = r#"
[auth.openapi.site_key]
bearer = "site-api-key-of-the-tests-0123456789"

[[operations]]
include-path = "/api/payment/webhook"
[operations.checks]
positive_data_acceptance.enabled = false

[[operations]]
include-path = "/api/create-checkout-session"
[operations.checks]
positive_data_acceptance.expected-statuses = ["2xx", 404, 409, 422]
negative_data_rejection.expected-statuses = [400, 404, 409, 413, 415, 422]

[[operations]]
include-path = "/api/checkout-sessions"
[operations.checks]
positive_data_acceptance.expected-statuses = ["2xx", 404, 409, 422]
negative_data_rejection.expected-statuses = [400, 401, 404, 409, 413, 415, 422]

[[operations]]
include-path = "/api/booking"
[operations.checks]
negative_data_rejection.expected-statuses = [400, 404, 413, 415]

[[operations]]
include-path = "/api/booking/cancel"
[operations.checks]
negative_data_rejection.expected-statuses = [400, 404, 413, 415]
"#;

/// What is not here, and what cannot be, no pattern says.
const ADMIN_CONFIG: &str = r#"
[auth.openapi.admin_token]
bearer = "admin-token-of-the-tests-0123456789"

[checks]
positive_data_acceptance.expected-statuses = ["2xx", 400, 404, 409]
negative_data_rejection.expected-statuses = [400, 404, 405, 409]

[[operations]]
include-path = "/api/admin/session"
[operations.checks]
positive_data_acceptance.enabled = false
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_service_does_what_its_document_says() {
    let mut stack = Stack::sqlite_embedded().await;
    stack.variables.insert("ORDERS_PER_MINUTE", "0".to_owned());
    let key = "site-api-key-of-the-tests-0123456789".to_owned();
    stack.variables.insert("SITE_API_KEYS", key);
    let shop = Shop::open(stack).await;
    shop.slot(10_000).await;
    let document = format!("{}/api/openapi.json", shop.url);

    let report = judge(CONFIG, &[&document, "--max-examples", "60"]).await;

    assert!(report.contains("9/9"), "every operation is tried: {report}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_api_does_what_its_document_says() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    let slot = shop.slot(10).await;
    let session = shop.create(slot).await;
    shop.pay(&session, Outcome::Succeed).await;
    shop.wait_for_bookings(1).await;
    let mut variables = shop.variables();
    let token = "admin-token-of-the-tests-0123456789";
    variables.insert("ADMIN_TOKEN", token.to_owned());
    let worker = Service::start("worker", &variables);
    worker.wait_until_ready().await;
    let document = worker.url("/api/admin/openapi.json");
    let header = format!("Authorization: Bearer {token}");

    let arguments = [&document, "--max-examples", "20", "--header", &header];
    let report = judge(ADMIN_CONFIG, &arguments).await;

    assert!(
        report.contains("20/20"),
        "every operation is tried: {report}"
    );
    worker.terminate().await;
    shop.close().await;
}

/// Tries every operation of a document, and fails if an answer is not as it says.
async fn judge(config: &str, arguments: &[&str]) -> String {
    let env = Env::from_process();
    let schemathesis = env
        .required("TEST_SCHEMATHESIS", "deploy/test, which sets it")
        .unwrap();
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("schemathesis.toml"), config).unwrap();
    let mut command = Command::new(schemathesis);
    command
        .current_dir(folder.path())
        .arg("run")
        .args(arguments)
        .args(["--workers", "1", "--no-color"]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = output.await.unwrap();
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{report}{complaint}");
    report
}
