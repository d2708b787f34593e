//! When workers reconcile by themselves, and which of them.

use futures_util::future::join_all;
use sea_orm::{EntityTrait, sea_query::Expr};
use shared::{clock, db::recurring_job, queue::Lane};
use worker::reconcile::{Cursor, Part};

use super::reconcile::paid;
use crate::{
    shop::{Shop, eventually, undelivered},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    one_worker_at_a_time_reconciles,
    a_worker_reconciles_by_itself,
    a_worker_reconciles_at_once_when_it_starts,
    a_backlog_arrives_by_itself,
];

async fn one_worker_at_a_time_reconciles(stack: Stack) {
    let now = clock::system() + time::Duration::HOUR;
    let lease_end = now + time::Duration::MINUTE;
    // The first `take` only makes the row, due a little later.
    let take = || recurring_job::take(&stack.db, recurring_job::RECONCILE, now, lease_end);
    let early = clock::system();
    let first = recurring_job::take(&stack.db, recurring_job::RECONCILE, early, early).await;
    assert_eq!(first.unwrap(), None);

    let taken = join_all((0..5).map(|_| take())).await;

    let taken = taken
        .into_iter()
        .filter(|it| it.as_ref().unwrap().is_some());
    assert_eq!(taken.count(), 1);
    let after_its_death =
        recurring_job::take(&stack.db, recurring_job::RECONCILE, lease_end, lease_end).await;
    assert!(after_its_death.unwrap().is_some());
}

async fn a_worker_reconciles_by_itself(stack: Stack) {
    let mut shop = Shop::without_worker(stack).await;
    shop.stripe.set_faults(undelivered());
    paid(&shop, 1).await;
    let now = clock::system();
    recurring_job::take(&shop.stack.db, recurring_job::RECONCILE, now, now)
        .await
        .unwrap();
    recurring_job::Entity::update_many()
        .col_expr(recurring_job::Column::DueAt, Expr::value(now))
        .exec(&shop.stack.patient_db)
        .await
        .unwrap();

    shop.start_worker();

    shop.wait_for_bookings(1).await;
    eventually("the success is written down", async || {
        let job = recurring_job::Entity::find_by_id("reconcile");
        let job = job.one(&shop.stack.db).await.unwrap().unwrap();
        job.last_success_at.is_some() && job.cursor.is_none() && job.due_at > now
    })
    .await;
    shop.close().await;
}

/// Holds after any last worker: its run ended just now, it never ran one, or its run died with it.
async fn a_worker_reconciles_at_once_when_it_starts(stack: Stack) {
    let mut shop = Shop::without_worker(stack).await;
    shop.stripe.set_faults(undelivered());
    let db = shop.stack.db.clone();
    let later = || clock::system().saturating_add(time::Duration::minutes(10));
    // The row of a deployment that has not reconciled yet.
    let now = clock::system();
    recurring_job::take(&db, recurring_job::RECONCILE, now, now)
        .await
        .unwrap();
    let due = async || {
        let job = recurring_job::Entity::find_by_id("reconcile");
        job.one(&db).await.unwrap().unwrap().due_at
    };
    assert!(due().await > clock::system());

    for left_behind in ["nothing", "a success", "a dead run"] {
        if left_behind != "nothing" {
            let job =
                recurring_job::finish(&db, recurring_job::RECONCILE, clock::system(), later());
            job.await.unwrap();
        }
        if left_behind == "a dead run" {
            let cursor = Cursor {
                started_at: clock::system(),
                sessions_since: clock::system() - time::Duration::HOUR,
                events_since: clock::system() - time::Duration::HOUR,
                part: Part::FIRST,
            };
            let cursor = serde_json::to_string(&cursor).unwrap();
            let job = recurring_job::keep(&db, recurring_job::RECONCILE, later(), &cursor);
            job.await.unwrap();
        }
        paid(&shop, 1).await;
        let booked = shop.bookings().await;

        shop.start_worker();

        shop.wait_for_bookings(booked + 1).await;
        shop.stop_workers().await;
    }
    shop.close().await;
}

/// A worker that starts with thousands of events on the queue asks Stripe about none of them: it
/// begins when no more than a hundred are left.
async fn a_backlog_arrives_by_itself(stack: Stack) {
    let mut shop = Shop::without_worker(stack).await;
    // The row of a deployment whose run is not due while this test runs, however slow the machine.
    let later = clock::system() + time::Duration::HOUR;
    recurring_job::take(&shop.stack.db, recurring_job::RECONCILE, later, later)
        .await
        .unwrap();
    // So that the worker does not take all events at once.
    shop.worker_config.limits.batch = 1;
    shop.worker_config.limits.concurrency = 1;
    paid(&shop, 150).await;
    eventually("all events wait", async || {
        shop.publisher.waiting(Lane::Events).await.unwrap() == 150
    })
    .await;
    let calls_before = shop.stripe.api_calls();

    shop.start_worker();

    eventually("all are booked", async || {
        // Read in this order: events get fewer, so as many waited when the calls were made. Up to ten
        // more may wait now: unacked ones return to the queue while the database is busy.
        let calls = shop.stripe.api_calls() - calls_before;
        let waiting = shop.publisher.waiting(Lane::Events).await.unwrap();
        assert!(
            calls == 0 || waiting <= 110,
            "{calls} calls, {waiting} wait"
        );
        shop.bookings().await >= 150
    })
    .await;
    shop.wait_for_bookings(150).await;
    shop.close().await;
}
