//! What the site's function hears of refunds we owe, and what becomes of them when it refuses.

use worker::{refund_payments, run_job};

use super::{execute, paid, rows, site};
use crate::shop::{Session, Shop, undelivered};

/// The hold has ended, and its seats are others'. Whose is nowhere: these tests close no books.
const SOLD_TO_OTHERS: &str = "UPDATE checkout SET state = 'expired', seats_held = false; \
                              UPDATE slot SET seats_taken = capacity";

/// A payment of the site's that came too late.
async fn refund_owed() -> (Shop, Session) {
    let shop = Shop::without_worker(site().await).await;
    shop.stripe.set_faults(undelivered());
    let session = paid(&shop, "order-1").await;
    execute(&shop, SOLD_TO_OTHERS).await;
    let event = shop.stripe.events().pop().unwrap();
    let context = shop.worker_context();
    run_job(&context, &shop.message(&event)).await.unwrap();
    (shop, session)
}

/// A refund that Stripe refuses for good: nothing but maintenance hears of it.
#[tokio::test(flavor = "multi_thread")]
async fn it_is_told_of_a_refund_that_is_given_up() {
    let (shop, session) = refund_owed().await;
    let context = shop.worker_context();
    execute(&shop, "UPDATE payment SET payment_intent_id = NULL").await;

    refund_payments(&context).await.unwrap();

    let rows = rows(&shop).await;
    assert_eq!(rows[0]["status"], "needs_attention");
    assert_eq!(rows[0]["changes"], 2);
    let booking = &rows[0]["document"]["booking"];
    assert_eq!(booking["previous_status"], "refund_pending");
    assert_eq!(booking["reason"], "refund_failed");
    let (_, told) = shop.confirm(&session.id, 0).await;
    assert_eq!(told["status"], "needs_attention");
}

/// Stripe has given the money back before the function is asked: it must not be given up then.
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_it_refuses_to_write_down_is_neither_lost_nor_made_twice() {
    let (shop, session) = refund_owed().await;
    let context = shop.worker_context();
    let refuse = "ALTER TABLE public.bookings ADD CONSTRAINT no CHECK (status <> 'cancelled')";
    execute(&shop, refuse).await;

    for _ in 0..40 {
        let due =
            "UPDATE owed_refund SET due_at = now() - interval '1 second' WHERE done_at IS NULL";
        execute(&shop, due).await;
        refund_payments(&context).await.unwrap();
    }
    let meanwhile = shop.confirm(&session.id, 0).await.1["status"].clone();
    execute(
        &shop,
        "ALTER TABLE public.bookings DROP CONSTRAINT no; UPDATE owed_refund SET due_at = now()",
    )
    .await;
    refund_payments(&context).await.unwrap();

    assert_eq!(meanwhile, "refund_pending");
    assert_eq!(rows(&shop).await[0]["status"], "cancelled");
    assert_eq!(shop.stripe.ledger()[0].refunds.len(), 1);
    assert_eq!(shop.confirm(&session.id, 0).await.1["status"], "refunded");
}
