//! What others are told: on the broker's exchange, and by webhooks.

mod catching_up;
mod consumers;
mod endpoints;
mod exchange;
mod handover;
mod kills;
mod official_packages;

use sea_orm::{ConnectionTrait, EntityTrait};
use serde_json::Value;
use shared::db::endpoint;
use stripe_sim::Outcome;
use testkit::{Received, Receiver};
use uuid::Uuid;

use crate::{
    operations::{command, worker},
    shop::{Session, Shop, eventually},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    what_happens_is_told_in_order_and_once,
    one_that_fails_is_tried_again_and_keeps_no_other_waiting,
    types_that_it_does_not_want_are_not_told,
];

/// An endpoint at `receiver`: its id and its secret.
pub async fn add_endpoint(shop: &Shop, url: &str, more: &[&str]) -> (String, String) {
    let mut arguments = vec!["endpoint", "add", url, "--json"];
    arguments.extend(more);
    let output = worker(shop, &arguments).await;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let added: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |field: &str| added[field].as_str().unwrap().to_owned();
    (text("id"), text("secret"))
}

/// What a command says, of whom nothing else is expected than that it succeeds.
async fn say(shop: &Shop, arguments: &[&str]) -> String {
    let output = worker(shop, arguments).await;
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {complaint}");
    String::from_utf8(output.stdout).unwrap()
}

pub async fn book(shop: &Shop, slot: Uuid) -> Session {
    let session = shop.create(slot).await;
    shop.pay(&session, Outcome::Succeed).await;
    assert_eq!(shop.told(&session.id).await.1["status"], "confirmed");
    session
}

fn documents(all: &[Received]) -> Vec<Value> {
    let documents = all.iter();
    documents
        .map(|it| serde_json::from_str(&it.body).unwrap())
        .collect()
}

fn types(all: &[Received]) -> Vec<String> {
    let documents = documents(all);
    let types = documents.iter().map(|it| it["type"].as_str().unwrap());
    types.map(str::to_owned).collect()
}

pub async fn arrived(receiver: &Receiver, number: usize) {
    eventually("it is told", async || receiver.received().len() >= number).await;
}

/// Has everything that waits for another try tried now.
async fn no_waiting(shop: &Shop) {
    let due = "UPDATE outbox_delivery SET due_at = (SELECT created_at FROM outbox WHERE id = outbox_id) \
         WHERE done_at IS NULL";
    shop.stack.patient_db.execute_unprepared(due).await.unwrap();
}

async fn endpoint_of(shop: &Shop, id: &str) -> endpoint::Model {
    let found = endpoint::Entity::find_by_id(id).one(&shop.stack.db).await;
    found.unwrap().unwrap()
}

async fn what_happens_is_told_in_order_and_once(stack: Stack) {
    let shop = Shop::open(stack).await;
    let receiver = Receiver::start().await.unwrap();
    add_endpoint(&shop, &receiver.url, &[]).await;
    let slot = shop.slot(5).await;
    let session = book(&shop, slot).await;
    arrived(&receiver, 1).await;

    shop.stripe.refund(&session.id, Some(900)).unwrap();
    arrived(&receiver, 2).await;
    shop.stripe.refund(&session.id, None).unwrap();
    arrived(&receiver, 4).await;

    let all = receiver.received();
    assert_eq!(
        types(&all),
        [
            "booking.confirmed",
            "payment.refunded",
            "payment.refunded",
            "booking.cancelled"
        ]
    );
    let told = documents(&all);
    let sequences: Vec<_> = told
        .iter()
        .map(|it| it["sequence"].as_i64().unwrap())
        .collect();
    assert_eq!(sequences, [1, 2, 3, 4]);
    assert_eq!(told[0]["version"], 1);
    assert_eq!(told[0]["booking"]["previous_status"], Value::Null);
    assert_eq!(told[0]["checkout"]["session_id"], session.id);
    assert_eq!(told[0]["checkout"]["customer"]["email"], "ada@example.com");
    assert_eq!(told[0]["slot"]["id"], slot.to_string());
    assert_eq!(told[1]["payment"]["amount_refunded"], 900);
    assert_eq!(told[1]["payment"]["status"], "partially_refunded");
    assert_eq!(told[3]["booking"]["previous_status"], "confirmed");
    for (it, document) in all.iter().zip(&told) {
        assert_eq!(document["id"], it.id);
    }
    shop.close().await;
}

async fn one_that_fails_is_tried_again_and_keeps_no_other_waiting(stack: Stack) {
    let shop = Shop::open(stack).await;
    let (bad, good) = (
        Receiver::start().await.unwrap(),
        Receiver::start().await.unwrap(),
    );
    bad.answer(500);
    let (bad_id, _) = add_endpoint(&shop, &bad.url, &[]).await;
    add_endpoint(&shop, &good.url, &[]).await;
    let slot = shop.slot(5).await;

    let session = book(&shop, slot).await;
    arrived(&bad, 1).await;
    arrived(&good, 1).await;
    shop.stripe.refund(&session.id, None).unwrap();
    arrived(&good, 3).await;

    // The later ones wait for the first.
    assert_eq!(types(&bad.received()), ["booking.confirmed"]);
    eventually("it is noted", async || {
        endpoint_of(&shop, &bad_id).await.failing_since.is_some()
    })
    .await;
    let listed = say(&shop, &["endpoint", "list"]).await;
    assert!(
        listed.contains("answered 500") && listed.contains("3 notifications waiting"),
        "{listed}"
    );
    bad.answer(200);
    no_waiting(&shop).await;
    arrived(&bad, 4).await;
    let all = bad.received();
    assert_eq!(
        types(&all),
        [
            "booking.confirmed",
            "booking.confirmed",
            "payment.refunded",
            "booking.cancelled"
        ]
    );
    assert_eq!(all[0].id, all[1].id);
    eventually("it works", async || {
        endpoint_of(&shop, &bad_id).await.failing_since.is_none()
    })
    .await;
    shop.close().await;
}

async fn types_that_it_does_not_want_are_not_told(stack: Stack) {
    let shop = Shop::open(stack).await;
    let receiver = Receiver::start().await.unwrap();
    add_endpoint(&shop, &receiver.url, &["--type", "booking.cancelled"]).await;
    let slot = shop.slot(5).await;

    let session = book(&shop, slot).await;
    shop.stripe.refund(&session.id, None).unwrap();

    arrived(&receiver, 1).await;
    assert_eq!(types(&receiver.received()), ["booking.cancelled"]);
    let wrong = worker(
        &shop,
        &[
            "endpoint",
            "add",
            "http://127.0.0.1:1/",
            "--type",
            "booking",
        ],
    )
    .await;
    let complaint = String::from_utf8_lossy(&wrong.stderr);
    assert!(
        complaint.contains("there is no type booking"),
        "{complaint}"
    );
    shop.close().await;
}

/// The command without what the shop sets for receivers on this machine.
async fn without_networks(shop: &Shop, arguments: &[&str]) -> String {
    let mut command = command(shop, arguments);
    command.env_remove("ENDPOINT_NETWORKS");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = output.await.unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}
