//! Cancel, move, resolve.

mod refunds;

use sea_orm::{ConnectionTrait, EntityTrait};
use shared::db::{booking::Status, intervention};
use testkit::{insert_slot, tomorrow};

use super::{book, booking_of, checkout_of, payment_of, say, slot_of, told, types};
use crate::{
    shop::{Shop, eventually},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    a_cancellation_frees_the_seats_and_gives_the_money_back_once,
    a_move_takes_the_seats_along,
    each_reason_can_be_resolved,
];

const WHY: &str = "the guide is ill";

async fn a_cancellation_frees_the_seats_and_gives_the_money_back_once(stack: Stack) {
    let shop = Shop::open(stack).await;
    let slot = shop.slot(1).await;
    let (session, reference) = book(&shop, slot).await;

    let dry = say(
        &shop,
        &["booking", "cancel", &reference, "--why", WHY, "--dry-run"],
    )
    .await;
    assert_eq!(
        booking_of(&shop, &reference).await.status,
        Status::Confirmed
    );
    let first = say(
        &shop,
        &[
            "booking", "cancel", &reference, "--why", WHY, "--by", "grace",
        ],
    )
    .await;
    let freed = slot_of(&shop, slot).await.seats_taken;
    let second = say(&shop, &["booking", "cancel", &reference, "--why", WHY]).await;
    let moved = say(
        &shop,
        &[
            "booking",
            "move",
            &reference,
            &slot.to_string(),
            "--why",
            WHY,
        ],
    )
    .await;
    eventually("the money is back", async || {
        payment_of(&shop, &reference)
            .await
            .amount_refunded_minor_units
            == 4900
    })
    .await;

    assert!(dry.unwrap().contains("49.00 EUR would go back"));
    assert!(first.unwrap().contains("49.00 EUR goes back"));
    assert!(
        second
            .unwrap()
            .contains("nothing to do, it is cancelled already")
    );
    assert!(moved.unwrap().contains("it is cancelled already"));
    assert_eq!(freed, 0);
    let ended = booking_of(&shop, &reference).await;
    assert_eq!(
        (ended.status, ended.reason.as_deref()),
        (Status::Cancelled, Some("cancelled_by_merchant"))
    );
    assert_eq!(shop.stripe.ledger()[0].refunds.len(), 1);
    let told = told(&shop, &reference).await;
    assert_eq!(
        types(&told),
        ["booking.confirmed", "booking.cancelled", "payment.refunded"]
    );
    assert_eq!(told[1]["booking"]["reason"], "cancelled_by_merchant");
    let (_, confirm) = shop.told(&session.id).await;
    assert_eq!(confirm["status"], "cancelled");
    let kept = intervention::Entity::find()
        .all(&shop.stack.db)
        .await
        .unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(
        (kept[0].decided_by.as_str(), kept[0].why.as_str()),
        ("grace", WHY)
    );
    let story = say(&shop, &["booking", "show", &reference]).await.unwrap();
    assert!(
        story.contains("cancel, refund full, by grace: the guide is ill"),
        "{story}"
    );
    // The seat is for sale again.
    book(&shop, slot).await;
    shop.close().await;
}

async fn a_move_takes_the_seats_along(stack: Stack) {
    let shop = Shop::open(stack).await;
    let slot = shop.slot(2).await;
    let (session, reference) = book(&shop, slot).await;
    let offering = slot_of(&shop, slot).await.offering_id.unwrap();
    let full = insert_slot(&shop.stack.patient_db, offering, tomorrow(), (0, 0))
        .await
        .unwrap();
    let later = shop.stack.slot_after(slot, 120).await;
    let other = shop.slot(5).await;
    let to = async |slot: uuid::Uuid| {
        let slot = slot.to_string();
        say(&shop, &["booking", "move", &reference, &slot, "--why", WHY]).await
    };

    let refused = [
        to(full).await,
        to(other).await,
        to(uuid::Uuid::now_v7()).await,
    ];
    let first = to(later).await.unwrap();
    let second = to(later).await.unwrap();

    for (refusal, expected) in refused.into_iter().zip([
        "the slot has too few seats left",
        "the slot is of another offering",
        "there is no such slot",
    ]) {
        let refusal = refusal.unwrap_err();
        assert!(refusal.contains(expected), "{expected}: {refusal}");
    }
    assert!(
        first.contains("is moved") && second.contains("for this slot already"),
        "{first}{second}"
    );
    assert_eq!(slot_of(&shop, slot).await.seats_taken, 0);
    assert_eq!(slot_of(&shop, later).await.seats_taken, 1);
    assert_eq!(checkout_of(&shop, &reference).await.slot_id, Some(later));
    let told = told(&shop, &reference).await;
    assert_eq!(types(&told), ["booking.confirmed", "booking.moved"]);
    assert_eq!(told[1]["slot"]["id"], later.to_string());
    assert_eq!(told[1]["previous_slot"]["id"], slot.to_string());
    // The money goes back for the slot it is for now.
    shop.stripe.refund(&session.id, None).unwrap();
    eventually("it is cancelled", async || {
        booking_of(&shop, &reference).await.status == Status::Cancelled
    })
    .await;
    assert_eq!(slot_of(&shop, later).await.seats_taken, 0);
    shop.close().await;
}

/// Too little was paid, as the tables say: nothing else here leads to it.
async fn each_reason_can_be_resolved(stack: Stack) {
    let mut shop = Shop::open(stack).await;
    let slot = shop.slot(9).await;
    let mut references = Vec::new();
    for reason in ["amount_mismatch", "refund_failed", "no_seats"] {
        for resolution in ["--book", "--refund", "--end"] {
            let (_, reference) = book(&shop, slot).await;
            let set = format!(
                "UPDATE booking SET status = 'needs_attention', reason = '{reason}' WHERE reference = '{reference}'"
            );
            shop.stack
                .patient_db
                .execute_unprepared(&set)
                .await
                .unwrap();
            let resolve = ["booking", "resolve", &reference, resolution, "--why", WHY];
            say(&shop, &resolve).await.unwrap();
            let again = say(&shop, &resolve).await.unwrap();
            assert!(
                again.contains("nothing to do"),
                "{reason} {resolution}: {again}"
            );
            let other = if resolution == "--end" {
                "--book"
            } else {
                "--end"
            };
            let otherwise = ["booking", "resolve", &reference, other, "--why", WHY];
            let otherwise = say(&shop, &otherwise).await;
            assert!(
                otherwise.unwrap_err().contains("needs no attention"),
                "{reason} {resolution}"
            );
            references.push((reference, resolution));
        }
        for (reference, resolution) in references.drain(..) {
            eventually("it is resolved", async || {
                let booking = booking_of(&shop, &reference).await;
                let refunded = payment_of(&shop, &reference)
                    .await
                    .amount_refunded_minor_units;
                match resolution {
                    "--book" => booking.status == Status::Confirmed && refunded == 0,
                    "--refund" => booking.status == Status::Cancelled && refunded == 4900,
                    _ => booking.status == Status::Cancelled && refunded == 0,
                }
            })
            .await;
        }
    }
    shop.stop_workers().await;
    let audit = say(&shop, &["audit", "--since", "1d"]).await;
    assert!(audit.unwrap().contains("no difference"));
    shop.close().await;
}
