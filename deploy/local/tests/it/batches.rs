//! Events that share one transaction.

use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};
use shared::{
    clock,
    db::{dead_letter, stripe_event},
    message::Envelope,
    queue::Lane,
    traceparent::Traceparent,
};
use stripe_sim::{Faults, Outcome};

use crate::{
    queue::waiting,
    shop::{Shop, eventually},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    a_backlog_is_booked_once_whatever_is_in_it_twice,
    one_bad_event_does_not_hold_up_the_others,
];

/// A shop with so many paid sessions, whose events nobody has heard of yet.
async fn backlog(stack: Stack, count: i32) -> (Shop, Vec<Value>) {
    let shop = Shop::without_worker(stack).await;
    shop.stripe.set_faults(Faults {
        deliver_webhooks: false,
        ..Faults::default()
    });
    let slot = shop.slot(count).await;
    for _ in 0..count {
        let session = shop.create(slot).await;
        shop.pay(&session, Outcome::Succeed).await;
    }
    let events = shop.stripe.events();
    (shop, events)
}

async fn publish(shop: &Shop, event: &Value) {
    let (_, body) = shop.stripe.sign(event);
    let id = event["id"].as_str().unwrap();
    let message = Envelope::stripe_event(id, body.into(), clock::system(), &Traceparent::new());
    shop.publisher
        .publish(Lane::Events, &message)
        .await
        .unwrap();
}

async fn a_backlog_is_booked_once_whatever_is_in_it_twice(stack: Stack) {
    let (mut shop, events) = backlog(stack, 40).await;
    for event in &events {
        publish(&shop, event).await;
        // Again, and by another event about the same session.
        publish(&shop, event).await;
        let mut other = event.clone();
        other["id"] = json!(format!("{}_other", event["id"].as_str().unwrap()));
        other["type"] = json!("checkout.session.async_payment_succeeded");
        publish(&shop, &other).await;
    }

    shop.start_worker();

    shop.wait_for_bookings(40).await;
    eventually("everything is done", async || {
        waiting(&shop.stack, "events").await == 0
    })
    .await;
    shop.stop_workers().await;
    let inbox = stripe_event::Entity::find().count(&shop.stack.db).await;
    assert_eq!(inbox.unwrap(), 80, "one row for each event id");
    shop.close().await;
}

/// It cannot be written: its payment has the PaymentIntent of another one.
async fn one_bad_event_does_not_hold_up_the_others(stack: Stack) {
    let (mut shop, mut events) = backlog(stack, 30).await;
    let intent = events[0]["data"]["object"]["payment_intent"].clone();
    events[15]["data"]["object"]["payment_intent"] = intent;
    for event in &events {
        publish(&shop, event).await;
    }

    shop.start_worker();

    shop.wait_for_bookings(29).await;
    eventually("the bad one is set aside", async || {
        let letters = dead_letter::Entity::find().all(&shop.stack.db).await;
        matches!(&letters.unwrap()[..], [letter] if letter.reason == "constraint_violated")
    })
    .await;
    shop.stop_workers().await;
}
