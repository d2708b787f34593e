//! Refunds of disputed payments: money that the buyer's bank has taken neither pays for a booking
//! again nor can be refunded.

use sea_orm::{EntityTrait, sea_query::Expr};
use serde_json::{Value, json};
use shared::db::{booking, dispute, owed_refund, refund};
use stripe_sim::{Faults, Verdict};
use worker::{operator::audit, refund_payments, run_job};

use super::{booked, booking_of, new_events, payment_of, play, quiet_shop, status};
use crate::{
    lifecycle::owed_refunds::paid_without_seats,
    shop::Shop,
    stack::{Stack, on_each_stack},
};

on_each_stack![
    a_refund_that_fails_after_a_lost_dispute_books_nothing_again,
    a_refund_that_fails_while_the_bank_has_the_money_needs_a_person,
    a_verdict_that_is_overturned_and_an_amount_that_changes_are_followed,
    a_refund_we_owe_waits_for_the_verdict,
    a_refund_in_another_currency_is_not_added_up,
    a_charge_with_an_empty_list_of_refunds_is_asked_about,
    a_refund_refused_for_lack_of_funds_is_tried_again,
    a_confirmed_booking_that_was_charged_back_is_told_of,
];

async fn tell(shop: &Shop, kind: &str, object: &Value) {
    let event = json!({
        "id": format!("evt_{}", uuid::Uuid::now_v7().simple()), "object": "event", "type": kind,
        "livemode": false, "data": { "object": object },
    });
    run_job(&shop.worker_context(), &shop.message(&event))
        .await
        .unwrap();
}

async fn a_refund_that_fails_after_a_lost_dispute_books_nothing_again(stack: Stack) {
    let shop = quiet_shop(stack).await;
    for reversed in [false, true] {
        let (slot, mut played) = (shop.slot(1).await, shop.stripe.event_count());
        let session = booked(&shop, slot, &mut played).await;
        let refund = shop.stripe.refund(&session.id, None).unwrap();
        let dispute = shop.stripe.dispute(&session.id, false).unwrap();
        shop.stripe.close_dispute(&dispute, Verdict::Lost).unwrap();
        shop.stripe.fail_refund(&refund).unwrap();
        let mut events = new_events(&shop, &mut played);
        if reversed {
            events.reverse();
        }

        for event in &events {
            let context = shop.worker_context();
            run_job(&context, &shop.message(event)).await.unwrap();
        }

        assert_eq!(status(&shop, &session).await, "refunded");
        assert_eq!(shop.seats_taken(slot).await, 0);
    }
    shop.close().await;
}

async fn a_refund_that_fails_while_the_bank_has_the_money_needs_a_person(stack: Stack) {
    let shop = quiet_shop(stack).await;
    for (verdict, end) in [(Verdict::Won, "confirmed"), (Verdict::Lost, "refunded")] {
        let (slot, mut played) = (shop.slot(1).await, shop.stripe.event_count());
        let session = booked(&shop, slot, &mut played).await;
        let refund = shop.stripe.refund(&session.id, None).unwrap();
        let dispute = shop.stripe.dispute(&session.id, false).unwrap();
        shop.stripe.fail_refund(&refund).unwrap();
        play(&shop, &mut played).await;

        assert_eq!(status(&shop, &session).await, "needs_attention");
        let reason = booking_of(&shop, &session).await.reason;
        assert_eq!(reason.as_deref(), Some("disputed"));
        shop.stripe.close_dispute(&dispute, verdict).unwrap();
        play(&shop, &mut played).await;
        assert_eq!(status(&shop, &session).await, end);
    }
    shop.close().await;
}

async fn a_verdict_that_is_overturned_and_an_amount_that_changes_are_followed(stack: Stack) {
    let shop = quiet_shop(stack).await;
    let (slot, mut played) = (shop.slot(1).await, 0);
    let session = booked(&shop, slot, &mut played).await;
    let row = async |id: &str| {
        let found = dispute::Entity::find_by_id(id).one(&shop.stack.db).await;
        found.unwrap().unwrap()
    };

    let id = shop.stripe.dispute_part(&session.id, 2000).unwrap();
    shop.stripe.change_dispute(&id, 1500).unwrap();
    let mut events = new_events(&shop, &mut played);
    events.reverse();
    let context = shop.worker_context();
    for event in &events {
        run_job(&context, &shop.message(event)).await.unwrap();
    }
    assert_eq!(row(&id).await.amount_minor_units, 1500);
    shop.stripe.close_dispute(&id, Verdict::Won).unwrap();
    shop.stripe.close_dispute(&id, Verdict::Lost).unwrap();
    let mut events = new_events(&shop, &mut played);
    events.reverse();
    for event in &events {
        run_job(&context, &shop.message(event)).await.unwrap();
    }

    assert_eq!(row(&id).await.status, dispute::Status::Lost);
    assert_eq!(status(&shop, &session).await, "confirmed");
    // A dispute that Stripe no longer knows is as its event says.
    let gone = json!({
        "id": "du_ofAnotherTime", "object": "dispute", "amount": 100, "currency": "eur",
        "reason": null, "status": "won", "payment_intent": payment_of(&shop, &session).await.payment_intent_id,
    });
    tell(&shop, "charge.dispute.closed", &gone).await;
    let mut overturned = gone.clone();
    overturned["status"] = json!("lost");
    tell(&shop, "charge.dispute.closed", &overturned).await;
    assert_eq!(row("du_ofAnotherTime").await.status, dispute::Status::Lost);
    shop.close().await;
}

async fn a_refund_we_owe_waits_for_the_verdict(stack: Stack) {
    let shop = quiet_shop(stack).await;
    let mut played = 0;
    let context = shop.worker_context();
    for (verdict, end) in [(Verdict::Won, 4900), (Verdict::Lost, 0)] {
        let late = paid_without_seats(&shop, &mut played).await;
        let dispute = shop.stripe.dispute(&late.id, false).unwrap();
        play(&shop, &mut played).await;

        assert_eq!(refund_payments(&context).await.unwrap(), 0);
        assert_eq!(status(&shop, &late).await, "refund_pending");
        shop.stripe.close_dispute(&dispute, verdict).unwrap();
        play(&shop, &mut played).await;
        make_due(&shop).await;
        refund_payments(&context).await.unwrap();
        play(&shop, &mut played).await;

        assert_eq!(status(&shop, &late).await, "refunded");
        let ledger = shop.stripe.ledger();
        let entry = ledger.iter().find(|it| it.session_id == late.id).unwrap();
        assert_eq!(entry.amount_refunded, end);
        let owed = owed_refund::Entity::find()
            .all(&shop.stack.db)
            .await
            .unwrap();
        assert!(owed.iter().all(|it| it.done_at.is_some()));
    }
    shop.close().await;
}

async fn make_due(shop: &Shop) {
    let past = shared::clock::system().saturating_sub(time::Duration::DAY);
    owed_refund::Entity::update_many()
        .col_expr(owed_refund::Column::DueAt, Expr::value(past))
        .exec(&shop.stack.patient_db)
        .await
        .unwrap();
}

async fn a_refund_in_another_currency_is_not_added_up(stack: Stack) {
    let shop = quiet_shop(stack).await;
    let (slot, mut played) = (shop.slot(1).await, 0);
    let session = booked(&shop, slot, &mut played).await;
    let intent = payment_of(&shop, &session).await.payment_intent_id;

    let refund = json!({
        "id": "re_inYen", "object": "refund", "amount": 4900, "currency": "jpy",
        "status": "succeeded", "payment_intent": intent,
    });
    tell(&shop, "refund.created", &refund).await;

    let payment = payment_of(&shop, &session).await;
    assert_eq!(payment.amount_refunded_minor_units, 0);
    assert_eq!(status(&shop, &session).await, "confirmed");
    // The refund is stored, and the audit says that Stripe has none like it.
    let row = refund::Entity::find_by_id("re_inYen").one(&shop.stack.db);
    assert!(row.await.unwrap().is_some());
    let since = shared::clock::system().saturating_sub(time::Duration::HOUR);
    let found = audit::audit(&shop.worker_context(), since, |_| ()).await;
    let found = found.unwrap().differences;
    assert!(found.iter().any(|it| it.subject == "re_inYen"), "{found:?}");
    shop.close().await;
}

async fn a_charge_with_an_empty_list_of_refunds_is_asked_about(stack: Stack) {
    let shop = quiet_shop(stack).await;
    let (slot, mut played) = (shop.slot(1).await, 0);
    let session = booked(&shop, slot, &mut played).await;
    shop.stripe.refund(&session.id, None).unwrap();
    let events = new_events(&shop, &mut played);
    let mut refunded = events
        .into_iter()
        .find(|it| it["type"] == "charge.refunded")
        .unwrap();
    refunded["data"]["object"]["refunds"] =
        json!({ "object": "list", "data": [], "has_more": false });

    run_job(&shop.worker_context(), &shop.message(&refunded))
        .await
        .unwrap();

    assert_eq!(status(&shop, &session).await, "refunded");
    shop.close().await;
}

async fn a_refund_refused_for_lack_of_funds_is_tried_again(stack: Stack) {
    let shop = quiet_shop(stack).await;
    let late = paid_without_seats(&shop, &mut 0).await;
    let context = shop.worker_context();
    shop.stripe.set_faults(Faults {
        refund_refused: Some("insufficient_funds".to_owned()),
        ..shop.stripe.faults()
    });

    for _ in 0..3 {
        assert_eq!(refund_payments(&context).await.unwrap(), 0);
        make_due(&shop).await;
    }

    assert_eq!(status(&shop, &late).await, "refund_pending");
    shop.stripe.set_faults(Faults {
        refund_refused: None,
        ..shop.stripe.faults()
    });
    assert_eq!(refund_payments(&context).await.unwrap(), 1);
    assert_eq!(status(&shop, &late).await, "refunded");
    shop.close().await;
}

async fn a_confirmed_booking_that_was_charged_back_is_told_of(stack: Stack) {
    let shop = quiet_shop(stack).await;
    let (slot, mut played) = (shop.slot(1).await, 0);
    let session = booked(&shop, slot, &mut played).await;
    let id = shop.stripe.dispute(&session.id, false).unwrap();
    play(&shop, &mut played).await;
    let since = shared::clock::system().saturating_sub(time::Duration::HOUR);
    let audited = async || {
        let audit = audit::audit(&shop.worker_context(), since, |_| ())
            .await
            .unwrap();
        assert_eq!(audit.differences, []);
        (audit.waiting.disputes_to_answer, audit.waiting.charged_back)
    };
    let open = audited().await;

    shop.stripe.close_dispute(&id, Verdict::Lost).unwrap();
    play(&shop, &mut played).await;

    assert_eq!(open, (1, 0));
    assert_eq!(audited().await, (0, 1));
    let booking = booking_of(&shop, &session).await.status;
    assert_eq!(
        booking,
        booking::Status::Confirmed,
        "a dispute deletes no booking"
    );
    shop.close().await;
}
