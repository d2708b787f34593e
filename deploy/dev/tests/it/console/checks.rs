//! Reconcile, audit and doctor: started, watched to their end.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use stripe_sim::{Faults, Outcome};

use super::Program;
use crate::{
    shop::{Shop, eventually},
    stack::{Stack, on_each_stack},
};

on_each_stack![the_books_are_compared_and_what_is_missing_is_asked_for];

/// The latest run, once it has ended.
async fn ended(console: &Program, id: &Value) -> Value {
    let find = async || {
        let runs = console.get("/runs").await;
        let runs = runs["runs"].as_array().unwrap().clone();
        runs.into_iter().find(|it| it["id"] == *id).unwrap()
    };
    eventually("it ends", async || !find().await["ended_at"].is_null()).await;
    find().await
}

async fn the_books_are_compared_and_what_is_missing_is_asked_for(stack: Stack) {
    let shop = Shop::without_worker(stack).await;
    let slot = shop.slot(3).await;
    shop.stripe.set_faults(Faults {
        deliver_webhooks: false,
        ..Faults::default()
    });
    let session = shop.create(slot).await;
    shop.pay(&session, Outcome::Succeed).await;
    let console = Program::open(&shop).await;
    let start = async |path: &str, body: Value| {
        let accepted = StatusCode::ACCEPTED;
        console
            .expect(accepted, Method::POST, path, Some(body))
            .await
    };

    let run = start("/audit", json!({ "since": "1h" })).await;
    assert_eq!(run["command"], "worker audit --since 1h");
    // Another one would find the same.
    let busy = json!({ "since": "1h" });
    let busy = console.expect(StatusCode::CONFLICT, Method::POST, "/audit", Some(busy));
    assert_eq!(busy.await["code"], "busy");
    let run = ended(&console, &run["id"]).await;
    assert_eq!(
        (&run["outcome"], &run["progress"]),
        (&json!("found"), &json!("1 session"))
    );
    assert!(
        run["text"].as_str().unwrap().contains("payment_missing"),
        "{run}"
    );

    let run = start("/reconcile", json!({ "since": "1h", "dry_run": true })).await;
    let run = ended(&console, &run["id"]).await;
    assert_eq!(run["outcome"], "found");
    assert_eq!(shop.bookings().await, 0, "it was only counted");
    let run = start("/reconcile", json!({ "since": "1h" })).await;
    ended(&console, &run["id"]).await;
    shop.wait_for_bookings(1).await;

    let run = start("/audit", json!({ "since": "1h" })).await;
    assert_eq!(ended(&console, &run["id"]).await["outcome"], "clean");
    let overview = console.get("/overview").await;
    assert!(
        overview["audit"]["last_success_at"].is_string(),
        "{overview}"
    );
    let doctor = console.get("/doctor").await;
    let checks = doctor["findings"].as_array().unwrap();
    assert!(
        checks
            .iter()
            .any(|it| it["check"] == "database" && it["status"] == "ok")
    );
    eventually("the queue is drawn", async || {
        let overview = console.get("/overview").await;
        let sample = overview["samples"]
            .as_array()
            .unwrap()
            .last()
            .unwrap()
            .clone();
        let queues = sample["queues"].as_array().unwrap().clone();
        queues
            .iter()
            .any(|it| it["queue"] == "events" && it["answered"] == 1)
    })
    .await;

    // What cannot be reached is said, in our words.
    shop.stripe.set_faults(Faults {
        api_status: Some(401),
        ..Faults::default()
    });
    let run = start("/audit", json!({ "since": "1h" })).await;
    let run = ended(&console, &run["id"]).await;
    assert_eq!(run["outcome"], "failed");
    assert!(
        run["text"]
            .as_str()
            .unwrap()
            .starts_with("stripe_unauthorized: "),
        "{run}"
    );
    let wrong = json!({ "since": "yesterday" });
    let wrong = console.expect(StatusCode::BAD_REQUEST, Method::POST, "/audit", Some(wrong));
    assert_eq!(wrong.await["code"], "malformed_request");
    console.close().await;
    shop.close().await;
}
