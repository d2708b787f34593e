//! What a buyer reads whose money goes back, or waits for an operator.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use shared::db::{checkout, seats};
use stripe_sim::{Faults, Outcome};

use super::{go_to_payment, session_id};
use crate::{
    browser::Browser,
    shop::{Shop, eventually},
    stack::Stack,
};

#[tokio::test(flavor = "multi_thread")]
async fn refunds_are_said_in_the_buyers_words() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    shop.slot(5).await;
    let browser = Browser::open().await;
    go_to_payment(&browser, &shop, 1).await;
    browser.click("button", "Pay").await;
    browser.read_heading("Your booking is confirmed").await;
    let session = session_id(&browser).await;
    let refunded = async |minor_units: i64| {
        eventually("the refund is known", async || {
            let (_, body) = shop.confirm(&session, 0).await;
            body["payment"]["amount_refunded"] == minor_units
        })
        .await;
        browser.driver.refresh().await.unwrap();
    };

    shop.stripe.refund(&session, Some(1000)).unwrap();
    refunded(1000).await;
    browser.read_heading("Your booking is confirmed").await;
    browser
        .find("#paid", "€49.00, of which €10.00 went back")
        .await;
    shop.stripe.refund(&session, None).unwrap();
    refunded(4900).await;

    browser.read_heading("Your payment was refunded").await;
    browser.assert_accessible().await;
    browser.close(&[]).await;
    shop.close().await;
}

/// A payment after the seats were gone is refunded by itself. A payment of another amount than
/// the hold says waits for an operator.
#[tokio::test(flavor = "multi_thread")]
async fn who_paid_for_nothing_reads_that_the_money_is_safe() {
    let mut shop = Shop::open(Stack::sqlite_embedded().await).await;
    let slot = shop.slot(1).await;
    let browser = Browser::open().await;
    shop.stop_workers().await;
    let late = shop.create(slot).await;
    let db = shop.stack.db.clone();
    let mut hold = checkout::Entity::find().one(&db).await.unwrap().unwrap();
    checkout::advance(&db, &mut hold, checkout::State::Expired)
        .await
        .unwrap();
    seats::free(&db, &hold).await.unwrap();
    shop.create(slot).await;
    shop.pay(&late, Outcome::Succeed).await;
    // The worker books, and Stripe's API fails: the refund has to wait.
    let page = format!("{}/payment-success?session_id=", shop.url);
    shop.stripe.set_faults(Faults {
        api_status: Some(500),
        ..Faults::default()
    });
    shop.start_worker();
    // Until then the page is told that the checkout has expired, which is final.
    shop.wait_for_bookings(1).await;

    browser.goto(&format!("{page}{}", late.id)).await;
    browser.read_heading("Your payment is being refunded").await;
    browser.find("#quote-id", &late.id).await;
    browser.assert_accessible().await;

    shop.stripe.set_faults(Faults::default());
    let other = shop.create(shop.slot(1).await).await;
    checkout::Entity::update_many()
        .col_expr(checkout::Column::AmountMinorUnits, Expr::value(5000))
        .filter(checkout::Column::SessionId.eq(&other.id))
        .exec(&shop.stack.patient_db)
        .await
        .unwrap();
    shop.pay(&other, Outcome::Succeed).await;
    browser.goto(&format!("{page}{}", other.id)).await;
    browser.read_heading("We have your payment").await;
    browser.find("#quote-id", &other.id).await;
    browser.assert_accessible().await;
    browser.close(&[]).await;
    eventually("the late payment is refunded", async || {
        shop.told(&late.id).await.1["status"] == "refunded"
    })
    .await;
    shop.close().await;
}
