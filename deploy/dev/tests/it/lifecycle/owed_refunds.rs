//! Refunds that we owe: made once, later, or not at all.

use futures_util::future::join_all;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use shared::{
    db::{booking::Status, owed_refund, refund},
    queue::Lane,
};
use stripe_sim::{Faults, Outcome};
use tokio_util::sync::CancellationToken;
use worker::{Fulfillment, outage::probe, refund_payments, run_job};

use super::{booking_of, checkout_of, play, quiet_shop, status, unfulfillable::release};
use crate::{
    shop::{Session, Shop},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    paid_without_seats_is_refunded_once_whatever_crashes,
    a_refund_we_owe_that_fails_needs_a_person_in_any_order,
    a_refund_that_stripe_cannot_make_now_is_made_later,
];

/// A session that is paid although its only seat belongs to another buyer by now.
pub(super) async fn paid_without_seats(shop: &Shop, played: &mut usize) -> Session {
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

async fn paid_without_seats_is_refunded_once_whatever_crashes(stack: Stack) {
    let shop = quiet_shop(stack).await;
    let mut played = 0;
    let late = paid_without_seats(&shop, &mut played).await;
    assert_eq!(status(&shop, &late).await, "refund_pending");
    let context = shop.worker_context();

    // A worker calls Stripe and dies before it can store the outcome.
    let url = format!("{}/v1/refunds", shop.stripe.base_url());
    let intent = shop
        .stripe
        .ledger()
        .into_iter()
        .find(|it| it.session_id == late.id);
    let intent = intent.unwrap().payment_intent.unwrap();
    let call = shop.http.post(url).bearer_auth("sk_test_of_the_tests");
    let call = call.header("idempotency-key", "of another attempt");
    let answer = call
        .form(&[("payment_intent", intent)])
        .send()
        .await
        .unwrap();
    assert!(answer.status().is_success());
    let rounds = join_all((0..5).map(|_| refund_payments(&context))).await;

    let kept: usize = rounds.into_iter().map(Result::unwrap).sum();
    assert_eq!(kept, 1);
    assert_eq!(refunded(&shop, &late), 4900, "refunded once");
    assert_eq!(status(&shop, &late).await, "refunded");
    // Stripe's own events about the refund change nothing more.
    play(&shop, &mut played).await;
    assert_eq!(refund_payments(&context).await.unwrap(), 0);
    assert_eq!(booking_of(&shop, &late).await.status, Status::Cancelled);
    shop.close().await;
}

/// Holds also if an operator refunded a part before, and if the seats are free again since.
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
        // The buyer who had the seat gives it back.
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
            run_job(&context, &shop.message(event)).await.unwrap();
        }

        assert_eq!(status(&shop, &late).await, "needs_attention");
        let reason = booking_of(&shop, &late).await.reason;
        assert_eq!(reason.as_deref(), Some("refund_failed"));
        assert_eq!(refund_payments(&context).await.unwrap(), 0);
    }
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
    tokio::join!(probe::keep_probing(&context, &probing), up_again);
    let promise = owed_refund::Entity::find()
        .one(&shop.stack.db)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        refund_payments(&context).await.unwrap(),
        0,
        "the refund is not due yet"
    );
    assert_eq!(promise.attempts, 0, "an outage is not charged");
    owed_refund::Entity::update_many()
        .col_expr(owed_refund::Column::DueAt, Expr::value(promise.created_at))
        .exec(&shop.stack.patient_db)
        .await
        .unwrap();

    assert_eq!(promise.last_error.as_deref(), Some("stripe_unavailable"));
    assert_eq!(refund_payments(&context).await.unwrap(), 1);
    assert_eq!(status(&shop, &late).await, "refunded");
    shop.close().await;
}
