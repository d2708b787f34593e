//! Paid, and there is nothing for the money.

use futures_util::future::join_all;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use serde_json::Value;
use shared::db::{
    booking::Status,
    checkout::{self, State},
    offering, outbox, refund,
};
use shared::queue::Lane;
use stripe_sim::{Faults, Outcome};
use tokio_util::sync::CancellationToken;
use worker::{Fulfillment, OnUnfulfillable, breaker, refund_payments, run_job};

use super::{booking_of, checkout_of, confirm_job, message, play, quiet_shop, status};
use crate::{
    shop::{Session, Shop, order},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    paid_after_the_hold_had_ended_is_booked_if_there_are_seats,
    paid_without_seats_is_refunded_once_whatever_crashes,
    a_refund_we_owe_that_fails_needs_a_person_in_any_order,
    what_cost_nothing_and_has_no_seats_is_cancelled_at_once,
    a_refund_that_stripe_cannot_make_now_is_made_later,
    with_hold_the_money_waits_for_an_operator,
    what_does_not_fit_the_hold_waits_for_an_operator,
    the_second_payment_of_one_wish_is_refunded,
    five_hundred_buyers_for_one_seat,
];

/// The hold ends on our side only, as if Stripe had been told too late.
async fn release(shop: &Shop, session: &Session) {
    let mut checkout = checkout_of(shop, session).await;
    checkout::advance(&shop.stack.db, &mut checkout, State::Expired)
        .await
        .unwrap();
    checkout::free_seats(&shop.stack.db, &checkout)
        .await
        .unwrap();
}

/// A session that is paid although its only seat belongs to somebody else by now.
async fn paid_without_seats(shop: &Shop, played: &mut usize) -> Session {
    let slot = shop.slot(1).await;
    let late = shop.create(slot).await;
    release(shop, &late).await;
    let quick = shop.create(slot).await;
    shop.pay(&quick, Outcome::Succeed).await;
    shop.pay(&late, Outcome::Succeed).await;
    let outcomes = play(shop, played).await;
    assert_eq!(outcomes, [Fulfillment::Booked, Fulfillment::RefundPending]);
    late
}

fn refunded(shop: &Shop, session: &Session) -> i64 {
    let ledger = shop.stripe.ledger();
    let entry = ledger.iter().find(|entry| entry.session_id == session.id);
    entry.unwrap().amount_refunded
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

async fn paid_without_seats_is_refunded_once_whatever_crashes(stack: Stack) {
    let shop = quiet_shop(stack).await;
    let mut played = 0;
    let late = paid_without_seats(&shop, &mut played).await;
    assert_eq!(status(&shop, &late).await, "refund_pending");
    let context = shop.worker_context();

    // A worker calls Stripe and dies before it can write down what came of it.
    let url = format!("{}/v1/refunds", shop.stripe.base_url());
    let intent = shop
        .stripe
        .ledger()
        .into_iter()
        .find(|it| it.session_id == late.id);
    let intent = intent.unwrap().payment_intent.unwrap();
    let call = shop.http.post(url).bearer_auth("sk_test_of_the_tests");
    let call = call.header("idempotency-key", format!("refund:{}", late.id));
    let answer = call
        .form(&[("payment_intent", intent)])
        .send()
        .await
        .unwrap();
    assert!(answer.status().is_success());
    let rounds = join_all((0..5).map(|_| refund_payments(&context))).await;

    let kept: usize = rounds.into_iter().map(Result::unwrap).sum();
    assert_eq!(kept, 1);
    assert_eq!(refunded(&shop, &late), 4900, "once");
    assert_eq!(status(&shop, &late).await, "refunded");
    // Stripe's own events about it change nothing more.
    play(&shop, &mut played).await;
    assert_eq!(refund_payments(&context).await.unwrap(), 0);
    assert_eq!(booking_of(&shop, &late).await.status, Status::Cancelled);
    shop.close().await;
}

/// Also if part of the money went back by hand before, and if the seats are free again since.
async fn a_refund_we_owe_that_fails_needs_a_person_in_any_order(stack: Stack) {
    let shop = quiet_shop(stack).await;
    let context = shop.worker_context();
    for reversed in [false, true] {
        let mut played = shop.stripe.event_count();
        let late = paid_without_seats(&shop, &mut played).await;
        shop.stripe.refund(&late.id, Some(1000)).unwrap();
        play(&shop, &mut played).await;
        assert_eq!(status(&shop, &late).await, "refund_pending");
        assert_eq!(refund_payments(&context).await.unwrap(), 1);
        assert_eq!(status(&shop, &late).await, "refunded");
        // Whoever had the seat gives it back.
        let winner = shop.stripe.ledger().into_iter().find(|entry| {
            entry.session_id != late.id && entry.amount_refunded == 0 && entry.status == "complete"
        });
        shop.stripe
            .refund(&winner.unwrap().session_id, None)
            .unwrap();
        play(&shop, &mut played).await;
        let rest = refund::Entity::find()
            .filter(refund::Column::CheckoutId.eq(checkout_of(&shop, &late).await.id))
            .filter(refund::Column::AmountMinorUnits.eq(3900))
            .one(&shop.stack.db)
            .await
            .unwrap();
        shop.stripe.fail_refund(&rest.unwrap().id).unwrap();

        let mut events = shop.stripe.events_after(played - 2);
        if reversed {
            events.reverse();
        }
        for event in &events {
            run_job(&context, &message(&shop, event)).await.unwrap();
        }

        assert_eq!(status(&shop, &late).await, "needs_attention");
        let reason = booking_of(&shop, &late).await.reason;
        assert_eq!(reason.as_deref(), Some("refund_failed"));
        assert_eq!(refund_payments(&context).await.unwrap(), 0);
    }
    shop.close().await;
}

async fn what_cost_nothing_and_has_no_seats_is_cancelled_at_once(stack: Stack) {
    let shop = quiet_shop(stack).await;
    let slot = shop.slot(1).await;
    offering::Entity::update_many()
        .col_expr(offering::Column::UnitAmountMinorUnits, Expr::value(0))
        .exec(&shop.stack.db)
        .await
        .unwrap();
    let late = shop.create(slot).await;
    release(&shop, &late).await;
    shop.create(slot).await;
    shop.pay(&late, Outcome::Succeed).await;

    assert_eq!(play(&shop, &mut 0).await, [Fulfillment::Cancelled]);
    assert_eq!(refund_payments(&shop.worker_context()).await.unwrap(), 0);
    assert_eq!(
        outbox::Entity::find().all(&shop.stack.db).await.unwrap(),
        []
    );
    shop.close().await;
}

async fn a_refund_that_stripe_cannot_make_now_is_made_later(stack: Stack) {
    let shop = quiet_shop(stack).await;
    let late = paid_without_seats(&shop, &mut 0).await;
    let context = shop.worker_context();
    let faults = shop.stripe.faults();

    shop.stripe.set_faults(Faults {
        api_status: Some(500),
        ..faults.clone()
    });
    assert_eq!(refund_payments(&context).await.unwrap(), 0);
    shop.stripe.set_faults(faults);
    let probing = CancellationToken::new();
    let up_again = async {
        context.breakers.closed(Lane::Confirm).await;
        probing.cancel();
    };
    tokio::join!(breaker::keep_probing(&context, &probing), up_again);
    let promise = outbox::Entity::find()
        .one(&shop.stack.db)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        refund_payments(&context).await.unwrap(),
        0,
        "it is not due yet"
    );
    assert_eq!(promise.attempts, 0, "an outage is not charged");
    outbox::Entity::update_many()
        .col_expr(outbox::Column::DueAt, Expr::value(promise.created_at))
        .exec(&shop.stack.db)
        .await
        .unwrap();

    assert_eq!(promise.last_error.as_deref(), Some("stripe_unavailable"));
    assert_eq!(refund_payments(&context).await.unwrap(), 1);
    assert_eq!(status(&shop, &late).await, "refunded");
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

    let outcome = run_job(&context, &confirm_job(&late)).await.unwrap();

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
            .exec(&shop.stack.db)
            .await
            .unwrap();

        let outcome = run_job(&context, &confirm_job(&session)).await.unwrap();

        assert_eq!(outcome, Fulfillment::NeedsAttention);
        assert_eq!(
            booking_of(&shop, &session).await.reason.as_deref(),
            Some(reason)
        );
        assert_eq!(refund_payments(&context).await.unwrap(), 0);
        assert_eq!(shop.seats_taken(slot).await, 1, "the seat waits as well");
        // The buyer is told, and polling leads nowhere.
        let (_, told) = shop.confirm(&session.id, 0).await;
        assert_eq!(told["status"], "needs_attention");
        assert_eq!(told["retry_after_ms"], Value::Null);
        // An operator gives it back.
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
    let send = async || {
        let url = format!("{}/api/create-checkout-session", shop.url);
        let request = shop.http.post(url).header("idempotency-key", "one wish");
        let answer: Value = request
            .json(&wish)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        Session {
            id: answer["session_id"].as_str().unwrap().to_owned(),
        }
    };
    let first = send().await;
    release(&shop, &first).await;
    let second = send().await;
    assert_ne!(first.id, second.id);
    shop.pay(&first, Outcome::Succeed).await;
    shop.pay(&second, Outcome::Succeed).await;
    let context = shop.worker_context();
    let (job, other) = (confirm_job(&first), confirm_job(&second));

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
            let answers = join_all((0..250).map(|_| shop.try_create(slot, 1))).await;
            let winners = answers.into_iter().filter_map(|(status, body)| {
                assert!(status == 201 || status == 409, "{status} {body}");
                (status == 201).then(|| Session {
                    id: body["session_id"].as_str().unwrap().to_owned(),
                })
            });
            winners.collect()
        };
        // Half of them come early; the winner's hold ends on our side only. Then the others.
        let early = rush().await;
        assert_eq!(early.len(), 1);
        release(&shop, &early[0]).await;
        let late = rush().await;
        assert_eq!(late.len(), 1);
        for session in early.iter().chain(&late) {
            shop.pay(session, Outcome::Succeed).await;
        }
        let events = shop.stripe.events_after(played);
        let jobs: Vec<_> = events.iter().map(|event| message(&shop, event)).collect();
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

/// A price of nothing is paid with nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_costs_nothing_is_booked_without_a_payment_intent() {
    let shop = quiet_shop(Stack::sqlite_embedded().await).await;
    let slot = shop.slot(1).await;
    offering::Entity::update_many()
        .col_expr(offering::Column::UnitAmountMinorUnits, Expr::value(0))
        .exec(&shop.stack.db)
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
