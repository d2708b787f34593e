//! Jobs that are done again: after a crash, a failure of Stripe, a lost connection.

use sea_orm::ConnectionTrait;
use shared::queue::{ConsumerSource, Lane};
use stripe_sim::{Faults, Outcome};
use tokio_util::sync::CancellationToken;
use worker::{Fulfillment, outage::dependency::Dependency, run_job};

use crate::{
    fulfill_checkout::paid_session,
    queue,
    shop::{PATIENCE, Shop, eventually, undelivered},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    a_crash_between_commit_and_ack_changes_nothing,
    a_failure_of_stripe_is_retried,
];

async fn a_crash_between_commit_and_ack_changes_nothing(stack: Stack) {
    let mut shop = Shop::without_worker(stack).await;
    let session = paid_session(&shop).await;
    let take = async || {
        let source = ConsumerSource::new(&shop.stack.queue, &shop.publisher, "crash");
        let mut consumer = source
            .consume(Lane::Events, 1, CancellationToken::new())
            .await
            .unwrap();
        // What the embedded queue has handed out comes back after half a minute.
        let delivery = tokio::time::timeout(2 * PATIENCE, consumer.next()).await;
        (source, consumer, delivery.unwrap().unwrap())
    };
    let context = shop.worker_context();

    // A worker commits and dies: its connection is gone, the delivery unanswered.
    let (source, consumer, delivery) = take().await;
    let first = run_job(&context, &delivery.message).await.unwrap();
    drop((delivery, consumer, source));
    let (_source, _consumer, delivery) = take().await;
    let second = run_job(&context, &delivery.message).await.unwrap();

    assert!(delivery.redelivered);
    assert_eq!(first, Fulfillment::Booked);
    assert_eq!(second, Fulfillment::AlreadyProcessed);
    delivery.ack().await.unwrap();
    shop.start_worker();
    assert_eq!(shop.confirm(&session.id, 0).await.1["status"], "confirmed");
    assert_eq!((shop.bookings().await, shop.payments().await), (1, 1));
    shop.close().await;
}

async fn a_failure_of_stripe_is_retried(stack: Stack) {
    let shop = Shop::open(stack).await;
    shop.stripe.set_faults(undelivered());
    let session = paid_session(&shop).await;

    shop.stripe.set_faults(Faults {
        api_status: Some(429),
        ..undelivered()
    });
    let (_, meanwhile) = shop.confirm(&session.id, 0).await;
    let breakers = shop.worker_context().breakers;
    eventually("the job has failed", async || {
        breakers.is_open(Dependency::Stripe)
    })
    .await;
    shop.stripe.set_faults(undelivered());

    assert_eq!(meanwhile["status"], "processing");
    // By the retry tier: no confirm asks again.
    shop.wait_for_bookings(1).await;
    assert_eq!(queue::dead(&shop.stack).await, 0);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_the_database_drops_cost_no_payment() {
    let mut shop = Shop::without_worker(Stack::postgres_rabbitmq().await).await;
    shop.start_worker();
    shop.start_worker();
    shop.stripe.set_faults(undelivered());
    let slot = shop.slot(100).await;
    for _ in 0..100 {
        let session = shop.create(slot).await;
        shop.pay(&session, Outcome::Succeed).await;
    }
    let drop_connections = async || {
        // This one goes as well; that is the point.
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE datname = current_database()";
        shop.stack.db.execute_unprepared(sql).await.ok();
    };

    for (index, event) in shop.stripe.events().iter().enumerate() {
        shop.publish(event).await;
        if index % 20 == 10 {
            drop_connections().await;
        }
    }

    shop.stack.connect_anew().await;
    shop.wait_for_bookings(100).await;
    assert_eq!(queue::dead(&shop.stack).await, 0);
    shop.close().await;
}
