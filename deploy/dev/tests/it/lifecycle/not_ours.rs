//! Events of the same Stripe account that this shop has to ignore.

use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};
use shared::db::{booking, dispute, payment, refund, stripe_event};
use stripe_sim::Outcome;
use worker::{Fulfillment, NotOurs, run_job};

use super::{new_events, quiet_shop};
use crate::{
    books,
    shop::Shop,
    stack::{Stack, on_each_stack},
};

on_each_stack![what_is_somebody_elses_is_left_alone];

async fn rows(shop: &Shop) -> u64 {
    let db = &shop.stack.db;
    payment::Entity::find().count(db).await.unwrap()
        + booking::Entity::find().count(db).await.unwrap()
        + refund::Entity::find().count(db).await.unwrap()
        + dispute::Entity::find().count(db).await.unwrap()
        + stripe_event::Entity::find().count(db).await.unwrap()
}

/// A session that another site made with the same key, paid and refunded and disputed.
async fn foreign_session(shop: &Shop) {
    let form = [
        ("mode", "payment"),
        ("success_url", "https://another.example"),
        ("client_reference_id", "campaign-7"),
        ("line_items[0][quantity]", "1"),
        ("line_items[0][price_data][currency]", "eur"),
        ("line_items[0][price_data][unit_amount]", "500"),
        ("line_items[0][price_data][product_data][name]", "A mug"),
    ];
    let url = format!("{}/v1/checkout/sessions", shop.stripe.base_url());
    let request = shop.http.post(url).bearer_auth("sk_test_of_the_tests");
    let session: Value = request
        .form(&form)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let id = session["id"].as_str().unwrap();
    shop.stripe.pay(id, Outcome::Succeed).await.unwrap();
    shop.stripe.refund(id, Some(100)).unwrap();
    shop.stripe.dispute(id, false).unwrap();
}

async fn what_is_somebody_elses_is_left_alone(stack: Stack) {
    let shop = quiet_shop(stack).await;
    let context = shop.worker_context();
    let slot = shop.slot(1).await;
    let session = shop.create(slot).await;
    shop.pay(&session, Outcome::Succeed).await;
    let mut played = 0;
    let ours = new_events(&shop, &mut played).pop().unwrap();
    let with = |pointer: &str, value: Value| {
        let mut event = ours.clone();
        *event.pointer_mut(pointer).unwrap() = value;
        event
    };
    let run = async |event: &Value| run_job(&context, &shop.message(event)).await.unwrap();

    let other_mode = run(&with("/livemode", json!(true))).await;
    let setup = run(&with("/data/object/mode", json!("setup"))).await;
    let subscription = run(&with("/data/object/mode", json!("subscription"))).await;
    foreign_session(&shop).await;
    let foreign_events = new_events(&shop, &mut played);
    assert_eq!(foreign_events.len(), 5);
    for event in &foreign_events {
        let outcome = run(event).await;
        assert_eq!(outcome, Fulfillment::NotOurs(NotOurs::Foreign), "{event}");
    }

    // Ownership is checked first, completeness second.
    let mut incomplete = ours.clone();
    incomplete["id"] = json!("evt_incomplete");
    incomplete["data"]["object"] = json!({
        "id": "bpc_4711", "object": "checkout.session", "payment_status": "paid",
        "status": "complete", "metadata": { "order": null, "total": 7 }, "payment_intent": null,
    });
    assert_eq!(
        run(&incomplete).await,
        Fulfillment::NotOurs(NotOurs::Foreign)
    );
    incomplete["data"]["object"]["id"] = json!(session.id);
    incomplete["id"] = json!("evt_ours");
    let error = run_job(&context, &shop.message(&incomplete))
        .await
        .unwrap_err();
    assert_eq!(error.code(), worker::FailureCode::MalformedEvent);

    assert_eq!(other_mode, Fulfillment::NotOurs(NotOurs::OtherMode));
    assert_eq!(setup, Fulfillment::NotOurs(NotOurs::NotAPayment));
    assert_eq!(subscription, Fulfillment::NotOurs(NotOurs::NotAPayment));
    assert_eq!(rows(&shop).await, 0);
    assert_eq!(run(&ours).await, Fulfillment::Booked);
    let mut ledger = shop.stripe.ledger();
    ledger.retain(|entry| entry.session_id == session.id);
    books::assert_balance(&shop.stack.db, &ledger).await;
}
