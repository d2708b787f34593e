//! One paid session, one booking and one payment: whether webhook or browser brings the news, how
//! often and in which order.

use futures_util::{StreamExt, future::join_all, stream};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, sea_query::Expr};
use shared::{
    db::{checkout, stripe_event},
    message::Envelope,
};
use stripe_sim::{Faults, Outcome};
use worker::{Fulfillment, JobError, run_job};

use crate::{
    queue,
    shop::{Session, Shop, eventually, undelivered},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    confirm_alone_leads_to_the_booking,
    the_webhook_alone_leads_to_the_booking,
    webhook_and_confirm_racing_book_once,
    payments_made_while_no_worker_runs_are_booked_later,
    two_workers_on_one_session_book_once,
    two_workers_that_look_for_the_hold_at_once_both_find_it,
    every_order_of_a_delayed_payments_events_books_once,
];

pub async fn paid_session(shop: &Shop) -> Session {
    let slot = shop.slot(1).await;
    let session = shop.create(slot).await;
    shop.pay(&session, Outcome::Succeed).await;
    session
}

/// The latest event as ingress would queue it.
fn latest_event(shop: &Shop) -> Envelope {
    shop.message(&shop.stripe.events().pop().unwrap())
}

async fn confirm_alone_leads_to_the_booking(stack: Stack) {
    let shop = Shop::open(stack).await;
    shop.stripe.set_faults(undelivered());
    let session = paid_session(&shop).await;

    assert_eq!(shop.told(&session.id).await.1["status"], "confirmed");
    shop.close().await;
}

async fn the_webhook_alone_leads_to_the_booking(stack: Stack) {
    let shop = Shop::open(stack).await;
    let slot = shop.slot(1).await;
    let session = shop.create(slot).await;
    let calls_before = shop.stripe.api_calls();

    shop.pay(&session, Outcome::Succeed).await;

    shop.wait_for_bookings(1).await;
    assert_eq!(shop.stripe.api_calls(), calls_before);
    shop.close().await;
}

async fn webhook_and_confirm_racing_book_once(stack: Stack) {
    let mut shop = Shop::open(stack).await;
    shop.start_worker();
    shop.stripe.set_faults(Faults {
        duplicate_percent: 30,
        ..Faults::default()
    });
    let slot = shop.slot(200).await;

    let buyer = async |_buyer: u32| {
        let session = shop.create(slot).await;
        let ((), (_, answer)) = tokio::join!(
            shop.pay(&session, Outcome::Succeed),
            shop.confirm(&session.id, 20)
        );
        // A job that ran before the payment may have found the session open.
        if answer["status"] != "confirmed" {
            eventually("the buyer is told", async || {
                shop.confirm(&session.id, 5).await.1["status"] == "confirmed"
            })
            .await;
        }
    };
    stream::iter(0..200)
        .map(buyer)
        .buffer_unordered(16)
        .collect::<Vec<()>>()
        .await;

    shop.wait_for_bookings(200).await;
    assert_eq!(shop.payments().await, 200);
    assert_eq!(queue::dead(&shop.stack).await, 0);
    shop.close().await;
}

async fn payments_made_while_no_worker_runs_are_booked_later(stack: Stack) {
    let mut shop = Shop::open(stack).await;
    shop.stop_workers().await;
    let slot = shop.slot(50).await;
    for _ in 0..50 {
        let session = shop.create(slot).await;
        shop.pay(&session, Outcome::Succeed).await;
    }
    assert_eq!(shop.bookings().await, 0);

    for _ in 0..3 {
        shop.start_worker();
    }

    shop.wait_for_bookings(50).await;
    shop.close().await;
}

async fn two_workers_on_one_session_book_once(stack: Stack) {
    let shop = Shop::without_worker(stack).await;
    shop.stripe.set_faults(undelivered());
    let session = paid_session(&shop).await;
    let (context, event, job) = (
        shop.worker_context(),
        latest_event(&shop),
        session.confirm_job(),
    );

    let runs = (0..20).map(|run| run_job(&context, if run % 2 == 0 { &event } else { &job }));
    let outcomes = join_all(runs).await;

    let created = |it: &&Result<_, JobError>| matches!(it, Ok(Fulfillment::Booked));
    assert_eq!(outcomes.iter().filter(created).count(), 1, "{outcomes:?}");
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!((shop.bookings().await, shop.payments().await), (1, 1));
    shop.close().await;
}

/// The session's id was never stored, so that both find the hold by its own id, while the
/// first one stores the session's.
async fn two_workers_that_look_for_the_hold_at_once_both_find_it(stack: Stack) {
    let shop = Shop::without_worker(stack).await;
    shop.stripe.set_faults(undelivered());
    let context = shop.worker_context();
    for _ in 0..20 {
        let session = paid_session(&shop).await;
        checkout::Entity::update_many()
            .col_expr(checkout::Column::SessionId, Expr::value(None::<String>))
            .filter(checkout::Column::SessionId.eq(session.id.as_str()))
            .exec(&shop.stack.patient_db)
            .await
            .unwrap();
        let (event, job) = (latest_event(&shop), session.confirm_job());

        let runs = (0..4).map(|run| run_job(&context, if run % 2 == 0 { &event } else { &job }));
        let outcomes = join_all(runs).await;

        for outcome in outcomes {
            assert!(!matches!(outcome.unwrap(), Fulfillment::NotOurs(_)));
        }
    }
    assert_eq!(shop.bookings().await, 20);
    shop.close().await;
}

async fn every_order_of_a_delayed_payments_events_books_once(stack: Stack) {
    let shop = Shop::without_worker(stack).await;
    shop.stripe.set_faults(undelivered());
    let context = shop.worker_context();

    for order in [[0, 1, 0], [1, 0, 1], [0, 0, 1], [1, 1, 0]] {
        let slot = shop.slot(1).await;
        let session = shop.create(slot).await;
        shop.pay(&session, Outcome::Delay).await;
        let completed = latest_event(&shop);
        shop.stripe.settle(&session.id, true).await.unwrap();
        let events = [completed, latest_event(&shop)];

        for index in order {
            let event: &Envelope = &events[index];
            run_job(&context, event).await.unwrap();
        }

        assert_eq!(
            shop.confirm(&session.id, 0).await.1["status"],
            "confirmed",
            "{order:?}"
        );
        let inbox = stripe_event::Entity::find()
            .filter(stripe_event::Column::Kind.starts_with("checkout.session."))
            .count(&shop.stack.db)
            .await
            .unwrap();
        assert_eq!(inbox, shop.bookings().await * 2, "one row per event");
    }
    shop.close().await;
}
