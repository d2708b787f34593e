//! The buyer books the same time again, meaning it or not.

use sea_orm::ConnectionTrait;
use serde_json::json;
use stripe_sim::{Faults, Outcome};
use testkit::order;

use super::{fill_in, go_to_payment, session_id};
use crate::{
    browser::Browser,
    shop::{Shop, eventually, undelivered},
    stack::Stack,
};

#[tokio::test(flavor = "multi_thread")]
async fn another_tab_asks_before_it_books_the_same_time_again() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    let slot = shop.slot(5).await;
    let browser = Browser::open().await;
    go_to_payment(&browser, &shop, 1).await;
    browser.click("button", "Pay").await;
    browser.read_heading("Your booking is confirmed").await;

    // It was looked at again in between.
    browser.driver.refresh().await.unwrap();
    browser.read_heading("Your booking is confirmed").await;
    let tab = browser.driver.new_tab().await.unwrap();
    browser.driver.switch_to_window(tab).await.unwrap();
    fill_in(&browser, &shop, 2).await;
    browser.click("#book", "Book now").await;
    browser
        .find("#order-error", "You have booked this time already")
        .await;
    assert_eq!(shop.seats_taken(slot).await, 1, "nothing is ordered yet");
    browser.click("#again", "Book again, in addition").await;
    browser.find("h1", "Pay 98.00").await;
    browser.click("button", "Pay").await;

    browser.read_heading("Your booking is confirmed").await;
    assert_eq!(
        (shop.bookings().await, shop.seats_taken(slot).await),
        (2, 3)
    );
    browser.close(&[]).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_pays_a_second_time_reads_why_the_money_goes_back() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    let slot = shop.slot(5).await;
    let browser = Browser::open().await;
    go_to_payment(&browser, &shop, 1).await;
    // On another device, with the same address; paid before we hear of either.
    let mut elsewhere = order(slot, 1);
    elsewhere["customer"]["email"] = json!("Ada@example.com");
    elsewhere["once_per_email"] = json!(true);
    let answer = shop.post("/api/create-checkout-session", &elsewhere).await;
    let answer: serde_json::Value = answer.json().await.unwrap();
    let elsewhere = answer["session_id"].as_str().unwrap();
    // Stripe ends no session, so that the page has time to pay, and refuses the refund, so that it has time
    // to be looked at.
    shop.stripe.set_faults(Faults {
        denied: vec!["rak_checkout_session_write".to_owned()],
        refund_refused: Some("insufficient_funds".to_owned()),
        ..undelivered()
    });
    shop.stripe.pay(elsewhere, Outcome::Succeed).await.unwrap();
    shop.confirm(elsewhere, 10).await;

    browser.click("button", "Pay").await;

    browser.read_heading("You have booked this already").await;
    let page = browser.text().await;
    assert!(page.contains("The first booking stays"), "{page}");
    assert!(page.contains("If you write to us, quote this"), "{page}");
    browser.assert_accessible().await;
    assert_eq!(shop.seats_taken(slot).await, 1);
    // The page said that the shop asks.
    let tab = browser.driver.new_tab().await.unwrap();
    let first_tab = browser.driver.window().await.unwrap();
    browser.driver.switch_to_window(tab).await.unwrap();
    fill_in(&browser, &shop, 1).await;
    browser.click("#book", "Book now").await;
    browser.find("#again", "Book again").await;
    browser.driver.switch_to_window(first_tab).await.unwrap();
    let second = session_id(&browser).await;
    shop.stripe.set_faults(Faults::default());
    eventually("the money went back", async || {
        let due = "UPDATE owed_refund SET due_at = created_at WHERE done_at IS NULL";
        shop.stack.patient_db.execute_unprepared(due).await.unwrap();
        shop.confirm(&second, 0).await.1["status"] == "refunded"
    })
    .await;
    browser.close(&[]).await;
    shop.close().await;
}
