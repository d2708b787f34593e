//! What logs do not say, however much they say.

use std::{collections::BTreeSet, fs};

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};
use shared::{booking_link::LinkSecrets, db::booking};
use stripe_sim::Outcome;
use testkit::{ENDPOINT_SECRET, MailServer, Receiver, Variables};

use uuid::Uuid;

use crate::{
    deployment::Deployment,
    service::{EVERYTHING, Service, run},
    shop::eventually,
    stack::Stack,
    tls::Servers,
};

const DATABASE_PASSWORD: &str = "password-of-the-database-0123";
const LINK_SECRET: &str = "secret-of-the-tests-for-links-in-mails";
const SITE_KEY: &str = "site-api-key-of-the-tests-0123456789";
const ADMIN_TOKEN: &str = "admin-token-of-the-tests-0123456789";
const ADDRESS: &str = "203.0.113.77";
const AGENT: &str = "Browser-of-Ada/1.0";

/// Beside what a shop needs, all that has a secret or tells a person something.
fn variables(mail: &MailServer) -> Variables {
    [
        ("LINK_SECRET", LINK_SECRET),
        ("SITE_API_KEYS", SITE_KEY),
        ("ADMIN_TOKEN", ADMIN_TOKEN),
        ("TRUSTED_PROXIES", "127.0.0.0/8"),
        ("ORDERS_PER_MINUTE", "100"),
        ("HELD_SEATS_PER_CLIENT", "100"),
        ("SMTP_URL", &mail.url),
        ("MAIL_FROM", "Harbour Kayak <book@kayak.example>"),
        ("MAIL_MERCHANT", "owner@kayak.example"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into()
}

/// As a browser behind a proxy does.
async fn post(shop: &Deployment, path: &str, body: &Value) -> Value {
    let request = shop.http.post(format!("{}{path}", shop.url)).json(body);
    let request = request
        .header("x-forwarded-for", ADDRESS)
        .header("user-agent", AGENT)
        .header("idempotency-key", "key-of-ada");
    let answer = request.bearer_auth(SITE_KEY).send().await.unwrap();
    answer.json().await.unwrap()
}

/// Buys, asks, is told, mistypes, and cancels by the link.
async fn everything(shop: &Deployment, worker: &Service) -> String {
    let slot = shop.stack.slot(3).await;
    let policy = "UPDATE offering SET cancellation_free_hours = 1, cancellation_late_percent = 0";
    shop.stack.db.execute_unprepared(policy).await.unwrap();
    let order = testkit::order(slot, 1);
    let created = post(shop, "/api/create-checkout-session", &order).await;
    let session = created["session_id"].as_str().unwrap();
    shop.stripe.pay(session, Outcome::Succeed).await.unwrap();
    shop.wait_for_bookings(1).await;
    let asked = json!({ "session_id": session });
    let confirmed = post(shop, "/api/payment/confirm", &asked).await;
    let reference = confirmed["booking"]["reference"].as_str().unwrap();

    for (path, field) in [
        ("/api/create-checkout-session", "slot_id"),
        ("/api/checkout-sessions", "line_items"),
        ("/api/payment/webhook", "object"),
    ] {
        let mut wrong = order.clone();
        wrong[field] = json!({ "name": "Ada Lovelace", "email": "ada@example.com" });
        post(shop, path, &wrong).await;
    }
    let api = worker.url("/api/admin/bookings?q=ada@example.com");
    for token in [ADMIN_TOKEN, "admin-token-that-someone-guesses-0123"] {
        shop.http.get(&api).bearer_auth(token).send().await.unwrap();
    }

    let id = booking_id(shop, reference).await;
    let secrets = [("LINK_SECRET", LINK_SECRET)].into_iter().collect();
    let token = LinkSecrets::from_env(&secrets).unwrap().token(id).unwrap();
    let link = json!({ "reference": reference, "token": token });
    let shown = post(shop, "/api/booking", &link).await;
    let amount = &shown["cancellation"]["refund_amount"];
    let cancel = json!({ "reference": reference, "token": token, "refund_amount": amount });
    post(shop, "/api/booking/cancel", &cancel).await;
    token
}

async fn booking_id(shop: &Deployment, reference: &str) -> Uuid {
    let query = booking::Entity::find().filter(booking::Column::Reference.eq(reference));
    query.one(&shop.stack.db).await.unwrap().unwrap().id
}

/// The database speaks TLS and wants a password, and each library says all it can.
#[tokio::test(flavor = "multi_thread")]
async fn no_log_has_a_secret_or_a_person_in_it() {
    let servers = Servers::start();
    let mut addresses = servers.trusted();
    let url = addresses.get_mut("DATABASE_URL").unwrap();
    *url = url.replacen('@', &format!(":{DATABASE_PASSWORD}@"), 1);
    let (mail, receiver) = (
        MailServer::start().unwrap(),
        Receiver::start().await.unwrap(),
    );
    let mut shop = Deployment::new(Stack::on_servers(addresses).await).await;
    shop.variables.extend(variables(&mail));
    let add = ["endpoint", "add", receiver.url.as_str(), "--json"];
    let added = run("worker", &add, &shop.variables).await;
    let added: Value = serde_json::from_slice(&added.stdout).unwrap();
    let folder = testkit::folder("bookonce-secrecy").unwrap();
    let file = |name: &str| folder.path().join(name);
    let ingress = Service::start_at_trace("ingress", &shop.variables, &file("ingress"));
    ingress.wait_until_ready().await;
    let worker = Service::start_at_trace("worker", &shop.variables, &file("worker"));
    worker.wait_until_ready().await;

    let token = everything(&shop, &worker).await;
    eventually("all are told of booking, refund and end", async || {
        mail.count().unwrap() >= 4 && receiver.received().len() >= 3
    })
    .await;
    for service in [ingress, worker] {
        assert!(service.terminate().await.success());
    }

    let mut logs: Vec<(&str, Vec<u8>)> = ["ingress", "worker"]
        .map(|name| (name, fs::read(file(name)).unwrap()))
        .into();
    let says_much = |log: &[u8]| String::from_utf8_lossy(log).contains("TRACE");
    assert!(logs.iter().all(|(_, log)| says_much(log)));
    // They connect in another way.
    shop.variables.insert("RUST_LOG", EVERYTHING.to_owned());
    for (program, arguments) in [
        ("migrations", &["up"][..]),
        ("worker", &["doctor"]),
        ("worker", &["audit", "--since", "1h"]),
        ("worker", &["reconcile", "--since", "1h"]),
    ] {
        let output = run(program, arguments, &shop.variables).await;
        logs.push((arguments[0], [output.stdout, output.stderr].concat()));
    }

    let secret = added["secret"].as_str().unwrap();
    let signature = &receiver.received()[0].signature;
    let words = [
        DATABASE_PASSWORD,
        LINK_SECRET,
        SITE_KEY,
        ADMIN_TOKEN,
        ENDPOINT_SECRET,
        secret,
        signature,
        &token,
        "sk_test_of_the_testkit",
        "guest:guest",
        "guest\\0guest",
        "guest\0guest",
        "someone-guesses",
        "Lovelace",
        "ada@",
        "@kayak.example",
        "key-of-ada",
        ADDRESS,
        AGENT,
    ];
    for (name, log) in logs {
        let said = said(&String::from_utf8_lossy(&log), &words);
        assert!(said.is_empty(), "{name} says {said:#?}");
    }
    shop.close().await;
}

/// Lines that have one of `words`, without what makes them many.
fn said(log: &str, words: &[&str]) -> BTreeSet<String> {
    let has_one = |line: &&str| words.iter().any(|word| line.contains(word));
    let lines = log.lines().filter(has_one);
    let short = lines.map(|line| line.chars().skip(28).take(400).collect());
    short.collect()
}
