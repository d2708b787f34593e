//! Refunds: full ones, partial ones, and ones that fail.

use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::json;
use shared::db::{booking, payment, refund};
use stripe_sim::Outcome;
use worker::{Fulfillment, run_job};

use super::{booked, booking_of, new_events, payment_of, play, quiet_shop, status};
use crate::stack::{Stack, on_each_stack};

on_each_stack![
    a_full_refund_cancels_the_booking_and_frees_the_seats,
    partial_refunds_keep_the_booking_until_nothing_is_left,
    a_refund_that_fails_is_taken_back,
    a_refund_that_arrives_before_its_payment_is_kept,
    charge_events_of_every_api_version_are_understood,
];

async fn a_full_refund_cancels_the_booking_and_frees_the_seats(stack: Stack) {
    let shop = quiet_shop(stack).await;
    let (slot, mut played) = (shop.slot(1).await, 0);
    let session = booked(&shop, slot, &mut played).await;

    shop.stripe.refund(&session.id, None).unwrap();
    let outcomes = play(&shop, &mut played).await;

    assert_eq!(outcomes, [Fulfillment::Cancelled, Fulfillment::Recorded]);
    assert_eq!(
        booking_of(&shop, &session).await.status,
        booking::Status::Cancelled
    );
    assert_eq!(
        payment_of(&shop, &session).await.status,
        payment::Status::Refunded
    );
    assert_eq!(shop.seats_taken(slot).await, 0);
    assert_eq!(status(&shop, &session).await, "refunded");
    // The seat is for sale again.
    booked(&shop, slot, &mut played).await;
    shop.close().await;
}

async fn partial_refunds_keep_the_booking_until_nothing_is_left(stack: Stack) {
    let shop = quiet_shop(stack).await;
    let (slot, mut played) = (shop.slot(1).await, 0);
    let session = booked(&shop, slot, &mut played).await;

    shop.stripe.refund(&session.id, Some(1000)).unwrap();
    shop.stripe.refund(&session.id, Some(2000)).unwrap();
    play(&shop, &mut played).await;
    let partly = payment_of(&shop, &session).await;
    let (_, told) = shop.confirm(&session.id, 0).await;
    shop.stripe.refund(&session.id, None).unwrap();
    play(&shop, &mut played).await;

    assert_eq!(partly.amount_refunded_minor_units, 3000);
    assert_eq!(partly.status, payment::Status::PartiallyRefunded);
    assert_eq!(told["status"], "confirmed");
    assert_eq!(told["payment"]["amount_refunded"], 3000);
    assert_eq!(status(&shop, &session).await, "refunded");
    assert_eq!(
        refund::Entity::find().count(&shop.stack.db).await.unwrap(),
        3
    );
    shop.close().await;
}

async fn a_refund_that_fails_is_taken_back(stack: Stack) {
    let shop = quiet_shop(stack).await;
    let (slot, mut played) = (shop.slot(1).await, 0);
    let session = booked(&shop, slot, &mut played).await;
    let refund = shop.stripe.refund(&session.id, None).unwrap();
    play(&shop, &mut played).await;
    assert_eq!(shop.seats_taken(slot).await, 0);

    shop.stripe.fail_refund(&refund).unwrap();
    play(&shop, &mut played).await;

    assert_eq!(status(&shop, &session).await, "confirmed");
    assert_eq!(
        payment_of(&shop, &session)
            .await
            .amount_refunded_minor_units,
        0
    );
    assert_eq!(shop.seats_taken(slot).await, 1);

    // Unless another buyer has the seat by now: then an operator has to decide.
    let refund = shop.stripe.refund(&session.id, None).unwrap();
    play(&shop, &mut played).await;
    booked(&shop, slot, &mut played).await;
    shop.stripe.fail_refund(&refund).unwrap();
    play(&shop, &mut played).await;
    assert_eq!(status(&shop, &session).await, "needs_attention");
    let reason = booking_of(&shop, &session).await.reason;
    assert_eq!(reason.as_deref(), Some("refund_failed"));
    shop.close().await;
}

async fn a_refund_that_arrives_before_its_payment_is_kept(stack: Stack) {
    let shop = quiet_shop(stack).await;
    let (slot, mut played) = (shop.slot(1).await, 0);
    let session = shop.create(slot).await;
    shop.pay(&session, Outcome::Succeed).await;
    shop.stripe.refund(&session.id, None).unwrap();
    let mut events = new_events(&shop, &mut played);
    let context = shop.worker_context();
    events.reverse();

    let mut outcomes = Vec::new();
    for event in &events {
        outcomes.push(run_job(&context, &shop.message(event)).await.unwrap());
    }

    let expected = [
        Fulfillment::StillOpen,
        Fulfillment::StillOpen,
        Fulfillment::Cancelled,
    ];
    assert_eq!(outcomes, expected);
    assert_eq!(shop.seats_taken(slot).await, 0);
    shop.close().await;
}

async fn charge_events_of_every_api_version_are_understood(stack: Stack) {
    let shop = quiet_shop(stack).await;
    let context = shop.worker_context();
    for embedded in [false, true] {
        let (slot, mut played) = (shop.slot(1).await, shop.stripe.event_count());
        let session = booked(&shop, slot, &mut played).await;
        shop.stripe.refund(&session.id, Some(1500)).unwrap();
        let events = new_events(&shop, &mut played);
        let (created, mut refunded) = (&events[0], events[1].clone());
        assert_eq!(refunded["type"], "charge.refunded");
        if embedded {
            let refund = created["data"]["object"].clone();
            refunded["data"]["object"]["refunds"] =
                json!({ "object": "list", "data": [refund], "has_more": false });
        }
        let calls = shop.stripe.api_calls();

        run_job(&context, &shop.message(&refunded)).await.unwrap();

        let asked = shop.stripe.api_calls() - calls;
        assert_eq!(
            asked,
            u64::from(!embedded),
            "an event that says all needs no call to Stripe"
        );
        let payment = payment_of(&shop, &session).await;
        assert_eq!(payment.amount_refunded_minor_units, 1500);
    }
    shop.close().await;
}
