//! What `cargo run` starts, as a person would use it with curl.

use std::{
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    process::{Child, Command, Stdio},
};

use reqwest::StatusCode;
use serde_json::Value;
use tempfile::TempDir;
use testkit::order;
use tokio::time::timeout;

use crate::{
    service,
    shop::{PATIENCE, eventually},
};

struct LocalShop {
    process: Child,
    url: String,
}

impl LocalShop {
    /// Starts it in `folder` and reads the address it prints.
    fn start(folder: &TempDir) -> Self {
        let mut process = command(folder).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let url = line
            .trim()
            .strip_prefix("Bookonce shop: ")
            .unwrap()
            .to_owned();
        Self { process, url }
    }
}

fn command(folder: &TempDir) -> Command {
    let mut command = service::command("local");
    command
        .current_dir(folder.path())
        .env("LISTEN_ADDR", "127.0.0.1:0")
        .env("ADMIN_ADDR", "127.0.0.1:0")
        .env("STRIPE_SIM_ADDR", "127.0.0.1:0");
    command
}

impl Drop for LocalShop {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_books_pays_and_sees_it_also_after_a_crash() {
    let folder = TempDir::new().unwrap();
    let http = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let shop = LocalShop::start(&folder);

    let offerings: Value = http
        .get(format!("{}/api/offerings", shop.url))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let offerings = offerings["offerings"].as_array().unwrap();
    let currencies: std::collections::HashSet<_> = offerings
        .iter()
        .map(|it| it["currency"].as_str().unwrap())
        .collect();
    assert!(
        offerings.len() >= 4 && currencies.len() >= 3,
        "{offerings:?}"
    );
    let slots = || {
        offerings
            .iter()
            .flat_map(|it| it["slots"].as_array().unwrap())
    };
    assert!(
        slots().any(|slot| slot["seats_left"] == 1),
        "one nearly full slot"
    );
    let slot = slots().next().unwrap()["id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();

    let request = http.post(format!("{}/api/create-checkout-session", shop.url));
    let session: Value = request
        .json(&order(slot, 1))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let page = session["checkout_url"].as_str().unwrap();
    assert!(page.starts_with(&shop.url), "one port is enough: {page}");
    let pay = http.post(page);
    let paid = pay.form(&[("outcome", "succeed")]).send().await.unwrap();
    assert_eq!(paid.status(), StatusCode::SEE_OTHER);
    let id = session["session_id"].as_str().unwrap();
    let back = paid.headers()["location"].to_str().unwrap();
    assert_eq!(
        back,
        format!("{}/payment-success?session_id={id}", shop.url)
    );
    assert_eq!(
        http.get(back).send().await.unwrap().status(),
        StatusCode::OK
    );

    let confirmed = async |url: &str| {
        let request = http
            .post(format!("{url}/api/payment/confirm"))
            .header("prefer", "wait=10");
        let body = serde_json::json!({ "session_id": id });
        let answer: Value = request
            .json(&body)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        answer["status"] == "confirmed"
    };
    eventually("it is confirmed", async || confirmed(&shop.url).await).await;

    // Names and addresses are in it.
    for name in [
        "bookonce.sqlite",
        "bookonce.sqlite-wal",
        "bookonce.sqlite-shm",
    ] {
        let file = std::fs::metadata(folder.path().join(name)).unwrap();
        let mode = file.permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name} may be read by others");
    }
    drop(shop); // SIGKILL
    let shop = LocalShop::start(&folder);
    assert!(confirmed(&shop.url).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_one_in_the_same_folder_says_why_it_does_not_start() {
    let folder = TempDir::new().unwrap();
    let _first = LocalShop::start(&folder);

    let mut second = tokio::process::Command::from(command(&folder));
    let second = second.stderr(Stdio::piped()).kill_on_drop(true).output();
    let second = timeout(PATIENCE, second).await;
    let second = second.expect("does not start").unwrap();

    assert!(!second.status.success());
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(
        said.contains("bookonce.sqlite.stripe-sim.json is in use by another process"),
        "{said}"
    );
}

/// The bank's answer is due 15 s after the payment, and the shop is killed before.
#[tokio::test(flavor = "multi_thread")]
async fn a_delayed_payment_arrives_also_after_a_crash() {
    let folder = TempDir::new().unwrap();
    let http = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let shop = LocalShop::start(&folder);
    let offerings = http.get(format!("{}/api/offerings", shop.url)).send().await;
    let offerings: Value = offerings.unwrap().json().await.unwrap();
    let slot = offerings["offerings"][0]["slots"][0]["id"]
        .as_str()
        .unwrap();
    let create = http.post(format!("{}/api/create-checkout-session", shop.url));
    let create = create.json(&order(slot.parse().unwrap(), 1)).send().await;
    let session: Value = create.unwrap().json().await.unwrap();
    let page = session["checkout_url"].as_str().unwrap();
    let paid = http.post(page).form(&[("outcome", "delay")]).send().await;
    assert_eq!(paid.unwrap().status(), StatusCode::SEE_OTHER);
    drop(shop);

    let shop = LocalShop::start(&folder);

    let confirm = format!("{}/api/payment/confirm", shop.url);
    let body = serde_json::json!({ "session_id": session["session_id"] });
    eventually("the bank has answered", async || {
        let answer = http.post(&confirm).json(&body).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        answer["status"] == "confirmed"
    })
    .await;
}
