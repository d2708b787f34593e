//! Holds that end, and the sweep for those whose end no event reported.

use sea_orm::{EntityTrait, sea_query::Expr};
use shared::{
    clock::{self, Clock},
    config::QueueSettings,
    db::{
        self,
        checkout::{self, State},
    },
    queue::{Patience, Publisher},
};
use stripe_sim::Outcome;
use time::OffsetDateTime;
use worker::{Fulfillment, refund_payments, run_job, sweep_holds};

use super::{booking_of, checkout_of, new_events, play, quiet_shop, status};
use crate::{
    queue,
    shop::{Shop, eventually},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    every_end_of_a_hold_frees_its_seats_once,
    an_overdue_hold_is_expired_at_stripe_and_then_released,
    a_session_that_was_paid_in_the_last_second_is_booked,
    a_delayed_payment_that_failed_in_silence_frees_its_seats,
    a_hold_that_never_got_a_session_is_abandoned,
    sweeps_at_once_share_the_work,
    a_sweep_that_cannot_publish_is_made_up_for_by_the_next,
    a_hold_ends_when_its_slot_begins_and_who_pays_then_comes_too_late,
];

/// Time at which every hold of now has ended.
fn later() -> OffsetDateTime {
    clock::system().saturating_add(time::Duration::hours(2))
}

fn context(shop: &Shop, clock: Clock) -> worker::Context {
    worker::Context {
        clock,
        ..shop.worker_context()
    }
}

/// Sweeps once, two hours from now, and starts a worker for what is found.
async fn sweep(shop: &mut Shop) -> usize {
    let found = sweep_holds(&context(shop, later), &shop.publisher)
        .await
        .unwrap();
    shop.start_worker_at(later);
    found
}

async fn every_end_of_a_hold_frees_its_seats_once(stack: Stack) {
    let shop = quiet_shop(stack).await;
    let worker = shop.worker_context();
    let slot = shop.slot(10).await;
    let mut played = 0;

    let expired = shop.create(slot).await;
    shop.stripe.expire(&expired.id).unwrap();
    let failed = shop.create(slot).await;
    shop.pay(&failed, Outcome::Delay).await;
    shop.stripe.settle(&failed.id, false).await.unwrap();
    assert_eq!(shop.seats_taken(slot).await, 2);

    let events = new_events(&shop, &mut played);
    for event in events.iter().chain(events.iter().rev()) {
        let mut event = event.clone();
        // A new id, so that not only the inbox keeps repeats out.
        event["id"] = format!("{}{}", event["id"].as_str().unwrap(), rand_suffix()).into();
        run_job(&worker, &shop.message(&event)).await.unwrap();
        run_job(&worker, &expired.confirm_job()).await.unwrap();
        run_job(&worker, &failed.confirm_job()).await.unwrap();
    }

    assert_eq!(shop.seats_taken(slot).await, 0);
    assert_eq!(status(&shop, &expired).await, "expired");
    assert_eq!(status(&shop, &failed).await, "payment_failed");
    shop.close().await;
}

fn rand_suffix() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

async fn an_overdue_hold_is_expired_at_stripe_and_then_released(stack: Stack) {
    let mut shop = quiet_shop(stack).await;
    let slot = shop.slot(1).await;
    let session = shop.create(slot).await;

    assert_eq!(sweep(&mut shop).await, 1);

    eventually("the seat is free", async || {
        shop.seats_taken(slot).await == 0
    })
    .await;
    let at_stripe = shop.stripe.ledger().pop().unwrap();
    assert_eq!(at_stripe.status, "expired", "no buyer can pay it any more");
    assert_eq!(status(&shop, &session).await, "expired");
    shop.close().await;
}

async fn a_session_that_was_paid_in_the_last_second_is_booked(stack: Stack) {
    let mut shop = quiet_shop(stack).await;
    let slot = shop.slot(1).await;
    let session = shop.create(slot).await;
    shop.pay(&session, Outcome::Succeed).await;

    assert_eq!(sweep(&mut shop).await, 1);

    shop.wait_for_bookings(1).await;
    assert_eq!(status(&shop, &session).await, "confirmed");
    shop.close().await;
}

async fn a_delayed_payment_that_failed_in_silence_frees_its_seats(stack: Stack) {
    let mut shop = quiet_shop(stack).await;
    let slot = shop.slot(1).await;
    let session = shop.create(slot).await;
    shop.pay(&session, Outcome::Delay).await;
    run_job(&shop.worker_context(), &session.confirm_job())
        .await
        .unwrap();
    assert_eq!(status(&shop, &session).await, "payment_pending");
    shop.stripe.settle(&session.id, false).await.unwrap();

    assert_eq!(sweep(&mut shop).await, 1);

    eventually("the seat is free", async || {
        shop.seats_taken(slot).await == 0
    })
    .await;
    assert_eq!(status(&shop, &session).await, "payment_failed");
    shop.close().await;
}

async fn a_hold_that_never_got_a_session_is_abandoned(stack: Stack) {
    let mut shop = quiet_shop(stack).await;
    let slot = shop.slot(1).await;
    let session = shop.create(slot).await;
    let checkout = checkout_of(&shop, &session).await;
    checkout::Entity::update_many()
        .col_expr(checkout::Column::SessionId, Expr::value(None::<String>))
        .exec(&shop.stack.patient_db)
        .await
        .unwrap();

    assert_eq!(sweep(&mut shop).await, 1);

    assert_eq!(shop.seats_taken(slot).await, 0);
    let row = checkout::Entity::find_by_id(checkout.id)
        .one(&shop.stack.db)
        .await;
    assert_eq!(row.unwrap().unwrap().state, State::Abandoned);
    assert_eq!(queue::waiting(&shop.stack, "confirm").await, 0);
    // If the session exists after all and is paid, it is booked.
    shop.pay(&session, Outcome::Succeed).await;
    let event = shop.stripe.events().pop().unwrap();
    run_job(&shop.worker_context(), &shop.message(&event))
        .await
        .unwrap();
    assert_eq!(status(&shop, &session).await, "confirmed");
    shop.close().await;
}

async fn sweeps_at_once_share_the_work(stack: Stack) {
    let mut shop = quiet_shop(stack).await;
    let slot = shop.slot(30).await;
    for _ in 0..30 {
        shop.create(slot).await;
    }
    // Holds that have not ended are left alone.
    assert_eq!(
        sweep_holds(&shop.worker_context(), &shop.publisher)
            .await
            .unwrap(),
        0
    );

    let context = context(&shop, later);
    let sweeps = (0..5).map(|_| sweep_holds(&context, &shop.publisher));
    let found = futures_util::future::join_all(sweeps).await;

    let found: usize = found.into_iter().map(Result::unwrap).sum();
    assert_eq!(found, 30);
    shop.start_worker_at(later);
    eventually("all seats are free", async || {
        shop.seats_taken(slot).await == 0
    })
    .await;
    shop.close().await;
}

async fn a_sweep_that_cannot_publish_is_made_up_for_by_the_next(stack: Stack) {
    let mut shop = quiet_shop(stack).await;
    let slot = shop.slot(2).await;
    let open = shop.create(slot).await;
    let pending = shop.create(slot).await;
    shop.pay(&pending, Outcome::Delay).await;
    run_job(&shop.worker_context(), &pending.confirm_job())
        .await
        .unwrap();
    shop.stripe.settle(&pending.id, false).await.unwrap();
    let gone = db::connect(&shop.stack.database).await.unwrap();
    gone.clone().close().await.unwrap();
    let nowhere = Publisher::open(&QueueSettings::Embedded, &gone, "test", Patience::Wait);
    let nowhere = nowhere.await.unwrap();

    let swept = sweep_holds(&context(&shop, later), &nowhere).await;
    let error = swept.expect_err("nothing was published");
    let soon_after = || later().saturating_add(time::Duration::seconds(31));
    let found = sweep_holds(&context(&shop, soon_after), &shop.publisher).await;

    assert_eq!(found.unwrap(), 2, "{error}");
    // What reached the queue is left alone for longer.
    let much_later = || later().saturating_add(time::Duration::minutes(2));
    let again = sweep_holds(&context(&shop, much_later), &shop.publisher).await;
    assert_eq!(again.unwrap(), 0);
    shop.start_worker_at(soon_after);
    eventually("the seats are free", async || {
        shop.seats_taken(slot).await == 0
    })
    .await;
    assert_eq!(status(&shop, &open).await, "expired");
    assert_eq!(status(&shop, &pending).await, "payment_failed");
    shop.close().await;
}

async fn a_hold_ends_when_its_slot_begins_and_who_pays_then_comes_too_late(stack: Stack) {
    let shop = quiet_shop(stack).await;
    let soon = clock::system().saturating_add(time::Duration::seconds(3));
    let begun = || clock::system() > soon.saturating_add(time::Duration::SECOND);
    let slots = [
        shop.stack.slot_at(1, soon).await,
        shop.stack.slot_at(1, soon).await,
    ];
    let [late, in_time] = [shop.create(slots[0]).await, shop.create(slots[1]).await];
    let held = checkout_of(&shop, &late).await.expires_at;
    assert!(held <= soon, "{held}");
    shop.pay(&in_time, Outcome::Succeed).await;
    eventually("the slot has begun", async || begun()).await;
    shop.pay(&late, Outcome::Succeed).await;

    let outcomes = play(&shop, &mut 0).await;

    // What counts is when the buyer paid, not when the event arrives.
    assert_eq!(outcomes, [Fulfillment::Booked, Fulfillment::RefundPending]);
    let reason = booking_of(&shop, &late).await.reason;
    assert_eq!(reason.as_deref(), Some("slot_started"));
    assert_eq!(shop.seats_taken(slots[0]).await, 0);
    assert_eq!(refund_payments(&shop.worker_context()).await.unwrap(), 1);
    assert_eq!(status(&shop, &late).await, "refunded");
    // The same holds when the worker asks Stripe.
    let slot = shop
        .stack
        .slot_at(1, clock::system() + time::Duration::seconds(2))
        .await;
    let asked = shop.create(slot).await;
    let begins = checkout_of(&shop, &asked).await.expires_at;
    eventually("the slot has begun", async || {
        clock::system() > begins.saturating_add(time::Duration::seconds(2))
    })
    .await;
    shop.pay(&asked, Outcome::Succeed).await;
    run_job(&shop.worker_context(), &asked.confirm_job())
        .await
        .unwrap();
    assert_eq!(status(&shop, &asked).await, "refund_pending");
    refund_payments(&shop.worker_context()).await.unwrap();
    play(&shop, &mut 0).await;
    shop.close().await;
}
