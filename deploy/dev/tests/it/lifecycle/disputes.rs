//! Disputes and inquiries that buyers open with their bank.

use sea_orm::EntityTrait;
use shared::db::{booking, dispute};
use stripe_sim::{Outcome, Verdict};
use worker::run_job;

use super::{booked, booking_of, new_events, payment_of, play, quiet_shop, status};
use crate::stack::{Stack, on_each_stack};

on_each_stack![
    a_dispute_is_seen_on_the_payment_and_leaves_the_booking,
    an_inquiry_moves_no_money,
    a_dispute_may_arrive_before_its_payment_and_backwards,
];

async fn a_dispute_is_seen_on_the_payment_and_leaves_the_booking(stack: Stack) {
    let shop = quiet_shop(stack).await;
    for (verdict, end, reinstated) in [
        (Verdict::Won, dispute::Status::Won, true),
        (Verdict::Lost, dispute::Status::Lost, false),
    ] {
        let (slot, mut played) = (shop.slot(1).await, shop.stripe.event_count());
        let session = booked(&shop, slot, &mut played).await;
        let id = shop.stripe.dispute(&session.id, false).unwrap();
        play(&shop, &mut played).await;
        let open = payment_of(&shop, &session).await.dispute_status;

        shop.stripe.close_dispute(&id, verdict).unwrap();
        play(&shop, &mut played).await;

        assert_eq!(open, Some(dispute::Status::NeedsResponse));
        assert_eq!(payment_of(&shop, &session).await.dispute_status, Some(end));
        let row = dispute::Entity::find_by_id(&id).one(&shop.stack.db).await;
        let row = row.unwrap().unwrap();
        assert!(row.funds_withdrawn);
        assert_eq!(row.funds_reinstated, reinstated);
        assert_eq!(
            booking_of(&shop, &session).await.status,
            booking::Status::Confirmed
        );
        assert_eq!(status(&shop, &session).await, "confirmed");
        assert_eq!(shop.seats_taken(slot).await, 1);
    }
    shop.close().await;
}

async fn an_inquiry_moves_no_money(stack: Stack) {
    let shop = quiet_shop(stack).await;
    let (slot, mut played) = (shop.slot(1).await, 0);
    let session = booked(&shop, slot, &mut played).await;

    let id = shop.stripe.dispute(&session.id, true).unwrap();
    shop.stripe.close_dispute(&id, Verdict::Won).unwrap();
    play(&shop, &mut played).await;

    let row = dispute::Entity::find_by_id(&id).one(&shop.stack.db).await;
    let row = row.unwrap().unwrap();
    assert!(!row.funds_withdrawn && !row.funds_reinstated);
    assert_eq!(row.status, dispute::Status::WarningClosed);
    shop.close().await;
}

async fn a_dispute_may_arrive_before_its_payment_and_backwards(stack: Stack) {
    let shop = quiet_shop(stack).await;
    let (slot, mut played) = (shop.slot(1).await, 0);
    let session = shop.create(slot).await;
    shop.pay(&session, Outcome::Succeed).await;
    let id = shop.stripe.dispute(&session.id, false).unwrap();
    shop.stripe.close_dispute(&id, Verdict::Won).unwrap();
    let context = shop.worker_context();

    for event in new_events(&shop, &mut played).iter().rev() {
        run_job(&context, &shop.message(event)).await.unwrap();
    }

    let payment = payment_of(&shop, &session).await;
    assert_eq!(payment.dispute_status, Some(dispute::Status::Won));
    assert_eq!(status(&shop, &session).await, "confirmed");
    shop.close().await;
}
