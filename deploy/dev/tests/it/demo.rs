//! `compose.demo.yaml`, as far as it goes without containers: the same commands with the same
//! environment, on a database and a broker of the test's own.

use std::{collections::BTreeMap, path::Path, process::Command};

use reqwest::StatusCode;
use serde_json::{Value, json};
use shared::config::Env;
use tempfile::TempDir;
use testkit::{Process, free_port, order};

use crate::{service, shop::eventually, stack::Stack};

const FILE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../docker/compose.demo.yaml"
);
const TO_JSON: &str =
    "import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1])), sys.stdout)";

/// The file, read by the YAML parser that schemathesis brings along.
fn compose() -> Value {
    let env = Env::from_process();
    let schemathesis = env.required("TEST_SCHEMATHESIS", "deploy/test, which sets it");
    let python = Path::new(schemathesis.unwrap()).with_file_name("python3");
    let json = Command::new(python).args(["-c", TO_JSON, FILE]).output();
    let json = json.unwrap();
    assert!(
        json.status.success(),
        "{}",
        String::from_utf8_lossy(&json.stderr)
    );
    serde_json::from_slice(&json.stdout).unwrap()
}

/// A service of the file, started as it says but for addresses that a test cannot have.
struct Demo {
    compose: Value,
    addresses: BTreeMap<&'static str, String>,
    folder: TempDir,
}

impl Demo {
    fn start(&self, service: &str) -> Process {
        let service = &self.compose["services"][service];
        let program = service["command"][0].as_str().unwrap();
        let mut command = service::command(program);
        command.current_dir(self.folder.path());
        for (name, value) in service["environment"].as_object().unwrap() {
            let instead = self.addresses.get(name.as_str());
            command.env(
                name,
                instead.map_or(value.as_str().unwrap(), String::as_str),
            );
        }
        for name in ["QUEUE_PREFIX", "STRIPE_SIM_ADDR"] {
            command.env(name, &self.addresses[name]);
        }
        Process::start(&mut command).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_shows_a_booked_page_over_one_port() {
    // Its one program makes tables, queues and offerings, so it has no user of its own.
    let stack = Stack::postgres_rabbitmq().await;
    let [shop, probes, sim, worker] = [(); 4].map(|()| free_port().unwrap());
    let url = format!("http://localhost:{shop}");
    let mut demo = Demo {
        compose: compose(),
        addresses: BTreeMap::from([
            ("DATABASE_URL", stack.admin["DATABASE_URL"].clone()),
            ("AMQP_URL", stack.admin["AMQP_URL"].clone()),
            ("QUEUE_PREFIX", stack.admin["QUEUE_PREFIX"].clone()),
            ("LISTEN_ADDR", format!("0.0.0.0:{shop}")),
            ("PUBLIC_URL", url.clone()),
            ("ADMIN_ADDR", format!("127.0.0.1:{probes}")),
            ("STRIPE_SIM_ADDR", format!("127.0.0.1:{sim}")),
            ("STRIPE_API_BASE", format!("http://127.0.0.1:{sim}")),
        ]),
        folder: TempDir::new().unwrap(),
    };
    let http = reqwest::Client::new();
    let is_ready = async |port: u16| {
        let answer = http
            .get(format!("http://127.0.0.1:{port}/readyz"))
            .send()
            .await;
        answer.is_ok_and(|answer| answer.status() == StatusCode::OK)
    };

    let _shop = demo.start("shop");
    eventually("the shop is ready", async || is_ready(probes).await).await;
    demo.addresses
        .insert("ADMIN_ADDR", format!("127.0.0.1:{worker}"));
    let _worker = demo.start("worker");
    eventually("the worker is ready", async || is_ready(worker).await).await;

    let offerings = http
        .get(format!("{url}/api/offerings"))
        .send()
        .await
        .unwrap();
    let offerings: Value = offerings.json().await.unwrap();
    let slot = &offerings["offerings"][0]["slots"][0]["id"];
    let slot = slot.as_str().unwrap().parse().unwrap();
    let create = http.post(format!("{url}/api/create-checkout-session"));
    let session = create.json(&order(slot, 1)).send().await.unwrap();
    let session: Value = session.json().await.unwrap();
    let page = session["checkout_url"].as_str().unwrap();
    assert!(page.starts_with(&url), "{page}");
    let pay = http.post(page).form(&[("outcome", "succeed")]);
    let back = pay.send().await.unwrap();
    assert_eq!(back.status(), StatusCode::OK);
    assert!(back.url().as_str().starts_with(&url), "{}", back.url());
    eventually("it is booked", async || {
        let confirm = http.post(format!("{url}/api/payment/confirm"));
        let confirm = confirm.json(&json!({ "session_id": session["session_id"] }));
        let told: Value = confirm.send().await.unwrap().json().await.unwrap();
        told["status"] == "confirmed"
    })
    .await;
}
