//! `worker dead`: dead letters are listed, replayed or discarded.

use serde_json::{Value, json as value};
use shared::{clock, db::dead_letter, message::Envelope, queue::Lane, traceparent::Traceparent};
use stripe_sim::Outcome;

use super::{json, worker};
use crate::{
    forged::event,
    queue::dead,
    shop::{Shop, eventually, undelivered},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    what_is_set_aside_is_listed_with_advice_and_kept_when_discarded,
    what_dies_again_is_open_again,
    replaying_twice_books_once,
    an_id_that_is_none_of_stripes_is_set_aside_at_once,
];

fn signed(shop: &Shop, id: &str, event: &Value) -> Envelope {
    let (signature, body) = shop.stripe.sign(event);
    let now = clock::system();
    Envelope::stripe_event(id, body.into(), &signature, now, &Traceparent::new())
}

async fn shop_with_poison(stack: Stack) -> Shop {
    let shop = Shop::open(stack).await;
    let poison = signed(&shop, "evt_poison", &value!("no event"));
    shop.publisher.publish(Lane::Events, &poison).await.unwrap();
    eventually("the message is dead-lettered", async || {
        !letters(&shop, &[]).await.is_empty()
    })
    .await;
    shop
}

async fn letters(shop: &Shop, arguments: &[&str]) -> Vec<Value> {
    let arguments = [&["dead", "list", "--json"], arguments].concat();
    json(shop, &arguments).await.as_array().unwrap().clone()
}

async fn what_is_set_aside_is_listed_with_advice_and_kept_when_discarded(stack: Stack) {
    let shop = shop_with_poison(stack).await;
    let found = letters(
        &shop,
        &["--reason", "malformed_event", "--kind", "stripe.event"],
    )
    .await;
    assert_eq!(found[0]["message_id"], "evt_poison");
    assert!(found[0]["advice"].as_str().unwrap().contains("discard"));
    assert!(letters(&shop, &["--reason", "panicked"]).await.is_empty());
    let id = found[0]["id"].as_str().unwrap();
    let shown = json(&shop, &["dead", "show", id, "--body", "--json"]).await;
    assert_eq!(shown["body"], r#""no event""#);

    let unsaid = worker(&shop, &["dead", "discard", "--why", "no reason"]).await;
    let dry = [
        "dead",
        "discard",
        id,
        "--why",
        "a test",
        "--dry-run",
        "--json",
    ];
    let dry = json(&shop, &dry).await;
    let still_open = letters(&shop, &[]).await.len();
    let done = worker(&shop, &["dead", "discard", id, "--why", "a test"]).await;

    assert!(!unsaid.status.success(), "discard needs to know which");
    assert_eq!(dry["letters"], value!([id]));
    assert_eq!(still_open, 1);
    assert!(done.status.success());
    assert!(letters(&shop, &[]).await.is_empty());
    let kept = letters(&shop, &["--all"]).await;
    assert_eq!(kept[0]["resolution"], "discarded");
    assert_eq!(kept[0]["resolved_by"], "ada");
    assert_eq!(kept[0]["resolved_why"], "a test");
    shop.close().await;
}

async fn what_dies_again_is_open_again(stack: Stack) {
    let shop = shop_with_poison(stack).await;

    let replay = ["dead", "replay", "--all", "--why", "perhaps now", "--json"];
    let done = json(&shop, &replay).await;

    assert_eq!(done["letters"].as_array().unwrap().len(), 1);
    eventually("the message died again", async || {
        let found = letters(&shop, &[]).await;
        found.len() == 1 && found[0]["times"] == 2
    })
    .await;
    shop.close().await;
}

/// A good event that was dead-lettered for a fault that is repaired since.
async fn replaying_twice_books_once(stack: Stack) {
    let shop = Shop::open(stack).await;
    shop.stripe.set_faults(undelivered());
    let slot = shop.slot(1).await;
    let session = shop.create(slot).await;
    shop.pay(&session, Outcome::Succeed).await;
    let event = shop.stripe.events().pop().unwrap();
    let good = Envelope {
        last_error: Some("panicked".to_owned()),
        ..signed(&shop, "evt_good", &event)
    };
    for _ in 0..2 {
        dead_letter::put_aside(&shop.stack.db, "events", &good, clock::system())
            .await
            .unwrap();
        let replay = ["dead", "replay", "--all", "--why", "repaired", "--json"];
        json(&shop, &replay).await;
    }

    shop.wait_for_bookings(1).await;
    eventually("nothing waits", async || {
        crate::queue::waiting(&shop.stack, "events").await == 0
    })
    .await;
    assert!(letters(&shop, &[]).await.is_empty());
    assert_eq!(dead(&shop.stack).await, 1, "the row is kept");
    shop.close().await;
}

async fn an_id_that_is_none_of_stripes_is_set_aside_at_once(stack: Stack) {
    let shop = Shop::open(stack).await;
    let session = shop.create(shop.slot(1).await).await;
    for id in ["pi_\0", "pi_/../refunds", "ch_1"] {
        let change = value!({ "payment_intent": id });
        let event = event("checkout.session.completed", &session, &change);
        let message = signed(&shop, event["id"].as_str().unwrap(), &event);
        shop.publisher
            .publish(Lane::Events, &message)
            .await
            .unwrap();
    }

    eventually("all are set aside", async || {
        letters(&shop, &[]).await.len() == 3
    })
    .await;

    let found = letters(&shop, &["--reason", "malformed_event"]).await;
    assert_eq!(found.len(), 3);
    shop.pay(&session, Outcome::Succeed).await;
    shop.wait_for_bookings(1).await;
    shop.close().await;
}
