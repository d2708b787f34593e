//! Dead letters: shown without a person, replayed and discarded, as the commands do it.

use reqwest::{Method, StatusCode};
use serde_json::json;
use shared::{clock, message::Envelope, queue::Lane, traceparent::Traceparent};

use super::{Program, typed};
use crate::{
    operations,
    shop::{Shop, eventually},
    stack::{Stack, on_each_stack},
};

on_each_stack![dead_letters_are_shown_without_a_person_and_decided_about];

async fn dead_letters_are_shown_without_a_person_and_decided_about(stack: Stack) {
    let shop = Shop::without_worker(stack).await;
    let console = Program::open(&shop).await;
    for id in ["evt_poison1", "evt_poison2"] {
        let poison = json!({ "id": id, "object": "event", "customer": { "name": "Ada Lovelace" } });
        let (signature, body) = shop.stripe.sign(&poison);
        let trace = Traceparent::new();
        let message = Envelope::stripe_event(id, body.into(), &signature, clock::system(), &trace);
        shop.publisher
            .publish(Lane::Events, &message)
            .await
            .unwrap();
    }
    eventually("both are set aside", async || {
        console.get("/dead-letters").await["letters"]
            .as_array()
            .unwrap()
            .len()
            == 2
    })
    .await;

    let listed = console
        .get("/dead-letters?reason=malformed_event&since=1h")
        .await;
    let letters = listed["letters"].as_array().unwrap();
    let id = letters[0]["id"].as_str().unwrap();
    assert!(typed(&shop, &listed["command"], "").await.contains(id));
    let shown = console.get(&format!("/dead-letters/{id}")).await;
    let body = shown["body"].as_str().unwrap();
    assert!(
        body.contains("\"event\"") && !body.contains("Ada"),
        "{body}"
    );
    let by_command = typed(&shop, &shown["command"], "").await;
    assert!(by_command.contains("\"event\"") && !by_command.contains("Ada"));

    let mut discard = json!({ "ids": [id], "by": "Grace", "why": "not ours", "dry_run": true });
    let seen = console.post("/dead-letters/discard", discard.clone()).await;
    assert_eq!(seen["text"], "1 would be discarded");
    assert!(
        typed(&shop, &seen["command"], "--dry-run")
            .await
            .contains("1 would be discarded")
    );
    discard["dry_run"] = json!(false);
    let done = console.post("/dead-letters/discard", discard.clone()).await;
    assert_eq!(done["text"], "1 discarded");
    let again = console.expect(
        StatusCode::NOT_FOUND,
        Method::POST,
        "/dead-letters/discard",
        Some(discard),
    );
    assert!(
        again.await["detail"]
            .as_str()
            .unwrap()
            .contains("is not open")
    );
    let stale = json!({ "reason": "malformed_event", "number": 2, "by": "Grace", "why": "both" });
    let stale = console.expect(
        StatusCode::CONFLICT,
        Method::POST,
        "/dead-letters/discard",
        Some(stale),
    );
    assert!(
        stale.await["detail"]
            .as_str()
            .unwrap()
            .contains("1 are open by now")
    );
    let nothing = json!({ "by": "Grace", "why": "no reason" });
    console
        .expect(
            StatusCode::CONFLICT,
            Method::POST,
            "/dead-letters/replay",
            Some(nothing),
        )
        .await;

    let replay = json!({ "reason": "malformed_event", "by": "Grace", "why": "fixed" });
    let done = console.post("/dead-letters/replay", replay).await;
    assert_eq!(done["text"], "1 replayed");
    eventually("it dies again", async || {
        let letters = console.get("/dead-letters").await;
        letters["letters"]
            .as_array()
            .unwrap()
            .first()
            .is_some_and(|it| it["times"] == 2)
    })
    .await;
    let all = console.get("/dead-letters?all=true").await;
    assert_eq!(all["letters"].as_array().unwrap().len(), 2);
    let letters = operations::worker(&shop, &["dead", "list"]).await.stdout;
    let letters = String::from_utf8(letters).unwrap();
    assert!(letters.contains("set aside 2 times"), "{letters}");
    console.close().await;
    shop.close().await;
}
