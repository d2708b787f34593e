//! Who may publish to the broker can say nothing in Stripe's name.

use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use serde_json::{Value, json};
use shared::{
    clock,
    config::EndpointSecrets,
    db::{dead_letter, owed_refund, payment},
    message::Envelope,
    queue::Lane,
    traceparent::Traceparent,
};
use stripe_sim::Outcome;
use worker::{refund_payments, run_job};

use crate::{
    shop::{Session, Shop, eventually, undelivered},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    a_forged_message_books_frees_and_refunds_nothing,
    nothing_that_is_not_this_checkouts_goes_back,
    a_secret_that_was_rolled_is_still_good_for_what_waits,
];

/// An event about `session` that Stripe has not sent.
pub fn event(kind: &str, session: &Session, change: &Value) -> Value {
    let mut object = json!({
        "id": session.id, "object": "checkout.session", "mode": "payment", "payment_status": "paid",
        "status": "complete", "amount_total": 4900, "currency": "eur", "livemode": false,
        "payment_intent": "pi_forged",
    });
    for (field, value) in change.as_object().unwrap() {
        object[field] = value.clone();
    }
    json!({
        "id": format!("evt_{}", uuid::Uuid::now_v7().simple()), "object": "event", "type": kind,
        "livemode": false, "data": { "object": object },
    })
}

pub fn unsigned(event: &Value) -> Envelope {
    Envelope {
        signature: None,
        ..signed_as("", event)
    }
}

fn signed_as(signature: &str, event: &Value) -> Envelope {
    let id = event["id"].as_str().unwrap();
    let (body, now) = (event.to_string(), clock::system());
    Envelope::stripe_event(id, body.into(), signature, now, &Traceparent::new())
}

async fn a_forged_message_books_frees_and_refunds_nothing(stack: Stack) {
    let mut shop = Shop::without_worker(stack).await;
    let slot = shop.slot(2).await;
    let session = shop.create(slot).await;
    let honest = shop.create(slot).await;
    shop.stripe.set_faults(undelivered());
    shop.pay(&honest, Outcome::Succeed).await;
    let paid = shop.stripe.events().pop().unwrap();
    let (good, _) = shop.stripe.sign(&paid);
    let completed = event("checkout.session.completed", &session, &json!({}));
    let over = json!({ "payment_status": "unpaid", "status": "expired" });
    let forgeries = [
        unsigned(&completed),
        unsigned(&event(
            "checkout.session.async_payment_succeeded",
            &session,
            &json!({}),
        )),
        unsigned(&event("checkout.session.expired", &session, &over)),
        unsigned(&event(
            "checkout.session.completed",
            &session,
            &json!({ "amount_total": 1 }),
        )),
        unsigned(
            &json!({ "id": "evt_refund", "object": "event", "type": "refund.created",
            "data": { "object": { "id": "re_1", "amount": 4900, "currency": "eur",
                "status": "succeeded", "payment_intent": paid["data"]["object"]["payment_intent"] } } }),
        ),
        unsigned(
            &json!({ "id": "evt_thin", "object": "v2.core.event", "livemode": false,
            "type": "v1.checkout.session.completed", "related_object": { "id": session.id } }),
        ),
        // A signature of another body, and of another secret.
        signed_as(&good, &completed),
        signed_as("t=1735689600,v1=00", &completed),
        signed_as("", &completed),
    ];

    // Many at once, so that they share a batch with each other and with what is honest.
    let (signature, body) = shop.stripe.sign(&paid);
    let id = paid["id"].as_str().unwrap();
    let honest_one = Envelope::stripe_event(
        id,
        body.into(),
        &signature,
        clock::system(),
        &Traceparent::new(),
    );
    for message in forgeries.iter().chain([&honest_one]) {
        for lane in [Lane::Events, Lane::Confirm] {
            shop.publisher.publish(lane, message).await.unwrap();
        }
    }
    shop.start_worker();
    shop.wait_for_bookings(1).await;
    let letters = async || {
        dead_letter::Entity::find()
            .all(&shop.stack.db)
            .await
            .unwrap()
    };
    eventually("all are set aside", async || {
        letters().await.iter().map(|it| it.times).sum::<i32>() >= 18
    })
    .await;

    assert!(letters().await.iter().all(|it| it.reason == "forged"));
    assert_eq!(shop.seats_taken(slot).await, 2);
    assert_eq!(shop.confirm(&session.id, 0).await.1["status"], "processing");
    // Not by a replay either.
    let operator = worker::operator::dead_letters::Statement {
        by: "ada".to_owned(),
        why: "a test".to_owned(),
    };
    for letter in letters().await {
        let replayed = worker::operator::dead_letters::replay(
            &shop.stack.db,
            &shop.publisher,
            &letter,
            &operator,
            clock::system(),
        );
        replayed.await.unwrap();
    }
    eventually("all are set aside again", async || {
        let letters = letters().await;
        letters
            .iter()
            .all(|it| it.resolution.is_none() && it.times >= 2)
    })
    .await;
    assert_eq!(shop.bookings().await, 1);
    shop.close().await;
}

/// Whatever a message has said: Stripe is asked before money goes back.
async fn nothing_that_is_not_this_checkouts_goes_back(stack: Stack) {
    let shop = Shop::without_worker(stack).await;
    shop.stripe.set_faults(undelivered());
    let slot = shop.slot(1).await;
    let late = shop.create(slot).await;
    shop.pay(&late, Outcome::Succeed).await;
    let foreign = shop.create(shop.slot(1).await).await;
    shop.pay(&foreign, Outcome::Succeed).await;
    let events = shop.stripe.events();
    let context = shop.worker_context();
    for event in &events {
        let (signature, body) = shop.stripe.sign(event);
        let id = event["id"].as_str().unwrap();
        let now = clock::system();
        let message = Envelope::stripe_event(id, body.into(), &signature, now, &Traceparent::new());
        run_job(&context, &message).await.unwrap();
    }
    let payments = payment::Entity::find().all(&shop.stack.db).await.unwrap();
    let of = |session: &Session| {
        payments
            .iter()
            .find(|it| it.session_id == session.id)
            .unwrap()
    };
    let (mine, theirs) = (of(&late), of(&foreign));
    // The row names a PaymentIntent of another checkout, and a refund is owed.
    for (id, intent) in [
        (theirs.id, Some("pi_moved".to_owned())),
        (mine.id, theirs.payment_intent_id.clone()),
    ] {
        payment::Entity::update_many()
            .col_expr(payment::Column::PaymentIntentId, Expr::value(intent))
            .filter(payment::Column::Id.eq(id))
            .exec(&shop.stack.patient_db)
            .await
            .unwrap();
    }
    let owed = owed_refund::Model::new(mine.checkout_id, clock::system());
    owed_refund::Entity::insert(owed_refund::ActiveModel::from(owed).reset_all())
        .exec_without_returning(&shop.stack.patient_db)
        .await
        .unwrap();

    assert_eq!(refund_payments(&context).await.unwrap(), 0);

    let ledger = shop.stripe.ledger();
    assert!(ledger.iter().all(|entry| entry.amount_refunded == 0));
    let owed = owed_refund::Entity::find().one(&shop.stack.db).await;
    let owed = owed.unwrap().unwrap();
    assert_eq!(owed.last_error.as_deref(), Some("payment_not_ours"));
    assert!(owed.done_at.is_some(), "an operator has to look");
    shop.close().await;
}

async fn a_secret_that_was_rolled_is_still_good_for_what_waits(stack: Stack) {
    let shop = Shop::without_worker(stack).await;
    shop.stripe.set_faults(undelivered());
    let session = shop.create(shop.slot(1).await).await;
    shop.pay(&session, Outcome::Succeed).await;
    let event = shop.stripe.events().pop().unwrap();
    let (signature, body) = shop.stripe.sign(&event);
    let id = event["id"].as_str().unwrap();
    let now = clock::system();
    let message = Envelope::stripe_event(id, body.into(), &signature, now, &Traceparent::new());
    let with = |secrets: &str| {
        let variable = ("STRIPE_WEBHOOK_SECRET".to_owned(), secrets.to_owned());
        worker::Context {
            endpoint_secrets: EndpointSecrets::from_env(&[variable].into_iter().collect()).unwrap(),
            ..shop.worker_context()
        }
    };
    let old = testkit::ENDPOINT_SECRET;

    let without = run_job(&with("whsec_new_secret"), &message)
        .await
        .unwrap_err();
    let both = run_job(&with(&format!("whsec_new_secret,{old}")), &message).await;

    assert_eq!(without.code(), worker::FailureCode::Forged);
    assert_eq!(both.unwrap(), worker::Fulfillment::Booked);
    shop.close().await;
}
