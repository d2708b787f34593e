//! Paid sessions that cannot be fulfilled: what becomes of their bookings.

use futures_util::future::join_all;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use serde_json::Value;
use shared::db::{
    checkout::{self, State},
    offering, owed_refund, seats,
};
use stripe_sim::Outcome;
use testkit::order;
use worker::{Fulfillment, OnUnfulfillable, refund_payments, run_job};

use super::{booking_of, checkout_of, play, quiet_shop, status};
use crate::{
    idempotency_key::send,
    shop::{Session, Shop},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    paid_after_the_hold_had_ended_is_booked_if_there_are_seats,
    what_cost_nothing_and_has_no_seats_is_cancelled_at_once,
    with_hold_the_money_waits_for_an_operator,
    what_does_not_fit_the_hold_waits_for_an_operator,
    the_second_payment_of_one_wish_is_refunded,
    five_hundred_buyers_for_one_seat,
];

/// Ends the hold on our side only, as if Stripe had been told too late.
pub(super) async fn release(shop: &Shop, session: &Session) {
    let mut checkout = checkout_of(shop, session).await;
    checkout::advance(&shop.stack.db, &mut checkout, State::Expired)
        .await
        .unwrap();
    seats::free(&shop.stack.db, &checkout).await.unwrap();
}

async fn paid_after_the_hold_had_ended_is_booked_if_there_are_seats(stack: Stack) {
    let shop = quiet_shop(stack).await;
    let slot = shop.slot(1).await;
    let session = shop.create(slot).await;
    release(&shop, &session).await;
    shop.pay(&session, Outcome::Succeed).await;

    let outcomes = play(&shop, &mut 0).await;

    assert_eq!(outcomes, [Fulfillment::Booked]);
    assert_eq!(shop.seats_taken(slot).await, 1);
    shop.close().await;
}

async fn what_cost_nothing_and_has_no_seats_is_cancelled_at_once(stack: Stack) {
    let shop = quiet_shop(stack).await;
    let slot = shop.slot(1).await;
    offering::Entity::update_many()
        .col_expr(offering::Column::UnitAmountMinorUnits, Expr::value(0))
        .exec(&shop.stack.patient_db)
        .await
        .unwrap();
    let late = shop.create(slot).await;
    release(&shop, &late).await;
    shop.create(slot).await;
    shop.pay(&late, Outcome::Succeed).await;

    assert_eq!(play(&shop, &mut 0).await, [Fulfillment::Cancelled]);
    assert_eq!(refund_payments(&shop.worker_context()).await.unwrap(), 0);
    assert_eq!(
        owed_refund::Entity::find()
            .all(&shop.stack.db)
            .await
            .unwrap(),
        []
    );
    shop.close().await;
}

async fn with_hold_the_money_waits_for_an_operator(stack: Stack) {
    let shop = quiet_shop(stack).await;
    let slot = shop.slot(1).await;
    let late = shop.create(slot).await;
    release(&shop, &late).await;
    shop.create(slot).await;
    shop.pay(&late, Outcome::Succeed).await;
    let context = worker::Context {
        on_unfulfillable: OnUnfulfillable::Hold,
        ..shop.worker_context()
    };

    let outcome = run_job(&context, &late.confirm_job()).await.unwrap();

    assert_eq!(outcome, Fulfillment::NeedsAttention);
    assert_eq!(refund_payments(&context).await.unwrap(), 0);
    assert_eq!(status(&shop, &late).await, "needs_attention");
    let reason = booking_of(&shop, &late).await.reason;
    assert_eq!(reason.as_deref(), Some("no_seats"));
    shop.close().await;
}

async fn what_does_not_fit_the_hold_waits_for_an_operator(stack: Stack) {
    let shop = quiet_shop(stack).await;
    let context = shop.worker_context();
    for (column, value, reason) in [
        (
            checkout::Column::AmountMinorUnits,
            Expr::value(5000),
            "amount_mismatch",
        ),
        (
            checkout::Column::Currency,
            Expr::value("usd"),
            "currency_mismatch",
        ),
    ] {
        let slot = shop.slot(1).await;
        let session = shop.create(slot).await;
        shop.pay(&session, Outcome::Succeed).await;
        checkout::Entity::update_many()
            .col_expr(column, value)
            .filter(checkout::Column::SessionId.eq(&session.id))
            .exec(&shop.stack.patient_db)
            .await
            .unwrap();

        let outcome = run_job(&context, &session.confirm_job()).await.unwrap();

        assert_eq!(outcome, Fulfillment::NeedsAttention);
        assert_eq!(
            booking_of(&shop, &session).await.reason.as_deref(),
            Some(reason)
        );
        assert_eq!(refund_payments(&context).await.unwrap(), 0);
        assert_eq!(shop.seats_taken(slot).await, 1, "the seat stays held, too");
        // The buyer is told, and the page has no reason to poll.
        let (_, told) = shop.confirm(&session.id, 0).await;
        assert_eq!(told["status"], "needs_attention");
        assert_eq!(told["retry_after_ms"], Value::Null);
        // An operator refunds the payment.
        shop.stripe.refund(&session.id, None).unwrap();
        play(&shop, &mut 0).await;
        assert_eq!(status(&shop, &session).await, "refunded");
        assert_eq!(shop.seats_taken(slot).await, 0);
    }
    shop.close().await;
}

/// Stripe was slow, the shop gave up and the buyer tried again: both sessions exist.
async fn the_second_payment_of_one_wish_is_refunded(stack: Stack) {
    let shop = quiet_shop(stack).await;
    let slot = shop.slot(5).await;
    let wish = order(slot, 2);
    let open = async || {
        let (_, answer) = send(&shop, "one wish", &wish).await;
        Session {
            id: answer["session_id"].as_str().unwrap().to_owned(),
        }
    };
    let first = open().await;
    release(&shop, &first).await;
    let second = open().await;
    assert_ne!(first.id, second.id);
    shop.pay(&first, Outcome::Succeed).await;
    shop.pay(&second, Outcome::Succeed).await;
    let context = shop.worker_context();
    let (job, other) = (first.confirm_job(), second.confirm_job());

    let outcomes = join_all([&job, &other, &job, &other].map(|job| run_job(&context, job))).await;
    refund_payments(&context).await.unwrap();

    let booked = outcomes
        .iter()
        .filter(|it| matches!(it, Ok(Fulfillment::Booked)));
    assert_eq!(booked.count(), 1, "{outcomes:?}");
    let mut told = [status(&shop, &first).await, status(&shop, &second).await];
    told.sort();
    assert_eq!(told, ["confirmed", "refunded"]);
    assert_eq!(shop.seats_taken(slot).await, 2);
    shop.close().await;
}

async fn five_hundred_buyers_for_one_seat(stack: Stack) {
    let shop = quiet_shop(stack).await;
    let context = shop.worker_context();
    let mut played = 0;
    for _ in 0..crate::stack::scale("TEST_ROUNDS", 3) {
        let slot = shop.slot(1).await;
        let rush = async || -> Vec<Session> {
            let answers = join_all((0..250).map(|_| shop.click(slot))).await;
            let winners = answers.into_iter().filter_map(|(status, body)| {
                assert!(status == 201 || status == 409, "{status} {body}");
                (status == 201).then(|| Session {
                    id: body["session_id"].as_str().unwrap().to_owned(),
                })
            });
            winners.collect()
        };
        // Half of the buyers come early; the winner's hold ends on our side only. Then the rest.
        let early = rush().await;
        assert_eq!(early.len(), 1);
        release(&shop, &early[0]).await;
        let late = rush().await;
        assert_eq!(late.len(), 1);
        for session in early.iter().chain(&late) {
            shop.pay(session, Outcome::Succeed).await;
        }
        let events = shop.stripe.events_after(played);
        let jobs: Vec<_> = events.iter().map(|event| shop.message(event)).collect();
        for outcome in join_all(jobs.iter().map(|job| run_job(&context, job))).await {
            outcome.unwrap();
        }
        refund_payments(&context).await.unwrap();
        played = shop.stripe.event_count();

        let mut told = [
            status(&shop, &early[0]).await,
            status(&shop, &late[0]).await,
        ];
        told.sort();
        assert_eq!(told, ["confirmed", "refunded"]);
        assert_eq!(shop.seats_taken(slot).await, 1);
    }
    shop.close().await;
}

/// Stripe makes no PaymentIntent for a price of zero.
#[tokio::test(flavor = "multi_thread")]
async fn what_costs_nothing_is_booked_without_a_payment_intent() {
    let shop = quiet_shop(Stack::sqlite_embedded().await).await;
    let slot = shop.slot(1).await;
    offering::Entity::update_many()
        .col_expr(offering::Column::UnitAmountMinorUnits, Expr::value(0))
        .exec(&shop.stack.patient_db)
        .await
        .unwrap();
    let session = shop.create(slot).await;
    shop.pay(&session, Outcome::Succeed).await;

    assert_eq!(play(&shop, &mut 0).await, [Fulfillment::Booked]);
    let (_, told) = shop.confirm(&session.id, 0).await;
    assert_eq!(told["status"], "confirmed");
    assert_eq!(told["payment"]["amount_total"], 0);
    shop.close().await;
}
