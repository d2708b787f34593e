//! What goes back of the money with a decision.

use sea_orm::{ConnectionTrait, EntityTrait};
use shared::db::{booking::Status, owed_refund};

use super::{
    super::{book, booking_of, payment_of, say, slot_of},
    WHY,
};
use crate::{
    shop::{Shop, eventually},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    a_part_goes_back_once_whatever_crashes,
    a_part_that_cannot_go_back_needs_attention,
    without_a_refund_no_money_moves,
];

async fn a_part_goes_back_once_whatever_crashes(stack: Stack) {
    let mut shop = Shop::open(stack).await;
    let slot = shop.slot(1).await;
    let (_, reference) = book(&shop, slot).await;
    shop.stop_workers().await;

    let too_much = say(
        &shop,
        &[
            "booking", "cancel", &reference, "--refund", "50", "--why", WHY,
        ],
    )
    .await;
    let no_amount = say(
        &shop,
        &[
            "booking", "cancel", &reference, "--refund", "1.234", "--why", WHY,
        ],
    )
    .await;
    say(
        &shop,
        &[
            "booking", "cancel", &reference, "--refund", "12.50", "--why", WHY,
        ],
    )
    .await
    .unwrap();
    // Stripe made it, and the worker that asked for it died before it was written down.
    let context = shop.worker_context();
    let before = owed_refund::Entity::find()
        .one(&shop.stack.db)
        .await
        .unwrap()
        .unwrap();
    worker::refund_payments(&context).await.unwrap();
    let again = format!(
        "UPDATE owed_refund SET done_at = NULL, refund_id = NULL, due_at = created_at WHERE amount_minor_units = {}",
        before.amount_minor_units.unwrap()
    );
    shop.stack
        .patient_db
        .execute_unprepared(&again)
        .await
        .unwrap();
    worker::refund_payments(&context).await.unwrap();

    assert!(too_much.unwrap_err().contains("at most 49.00 EUR is left"));
    assert!(
        no_amount
            .unwrap_err()
            .contains("expected full, none, policy or an amount")
    );
    let refunds = &shop.stripe.ledger()[0].refunds;
    assert_eq!(refunds.len(), 1);
    assert_eq!(
        payment_of(&shop, &reference)
            .await
            .amount_refunded_minor_units,
        1250
    );
    assert_eq!(
        booking_of(&shop, &reference).await.status,
        Status::Cancelled
    );
    shop.start_worker();
    shop.close().await;
}

async fn a_part_that_cannot_go_back_needs_attention(stack: Stack) {
    let shop = Shop::open(stack).await;
    let slot = shop.slot(1).await;
    let (_, reference) = book(&shop, slot).await;
    say(
        &shop,
        &[
            "booking", "cancel", &reference, "--refund", "12.50", "--why", WHY,
        ],
    )
    .await
    .unwrap();
    eventually("the part is back", async || {
        payment_of(&shop, &reference)
            .await
            .amount_refunded_minor_units
            == 1250
    })
    .await;

    let refund = shop.stripe.ledger()[0].refunds[0].id.clone();
    shop.stripe.fail_refund(&refund).unwrap();
    eventually("it needs attention", async || {
        booking_of(&shop, &reference).await.status == Status::NeedsAttention
    })
    .await;
    let listed = say(&shop, &["booking", "list", "--status", "needs_attention"])
        .await
        .unwrap();
    let resolved = say(
        &shop,
        &[
            "booking",
            "resolve",
            &reference,
            "--end",
            "--why",
            "paid in cash",
        ],
    )
    .await;

    assert!(
        listed.contains(&format!("worker booking resolve {reference}")),
        "{listed}"
    );
    assert!(resolved.unwrap().contains("is ended"));
    let ended = booking_of(&shop, &reference).await;
    assert_eq!(
        (ended.status, ended.reason.as_deref()),
        (Status::Cancelled, Some("settled"))
    );
    assert_eq!(slot_of(&shop, slot).await.seats_taken, 0);
    shop.close().await;
}

async fn without_a_refund_no_money_moves(stack: Stack) {
    let shop = Shop::open(stack).await;
    let slot = shop.slot(1).await;
    let (session, reference) = book(&shop, slot).await;

    say(
        &shop,
        &[
            "booking", "cancel", &reference, "--refund", "none", "--why", WHY,
        ],
    )
    .await
    .unwrap();
    // A refund by hand afterwards is kept, and the booking stays what it is.
    shop.stripe.refund(&session.id, Some(100)).unwrap();
    eventually("it is noted", async || {
        payment_of(&shop, &reference)
            .await
            .amount_refunded_minor_units
            == 100
    })
    .await;

    let ended = booking_of(&shop, &reference).await;
    assert_eq!(ended.reason.as_deref(), Some("cancelled_by_merchant"));
    assert_eq!(
        owed_refund::Entity::find()
            .all(&shop.stack.db)
            .await
            .unwrap(),
        []
    );
    shop.close().await;
}
