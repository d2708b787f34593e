//! The buyer leaves the payment page without paying.

use super::{checkouts, fill_in, go_to_payment};
use crate::{browser::Browser, shop::Shop, stack::Stack};

#[tokio::test(flavor = "multi_thread")]
async fn who_turns_back_can_go_on_with_the_same_seats() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    let slot = shop.slot(3).await;
    let browser = Browser::open().await;
    go_to_payment(&browser, &shop, 2).await;

    browser.click("button", "Back to the shop").await;
    browser.read_heading("Not paid").await;
    browser.find("dd", "Harbour kayak tour, 2 seats").await;
    browser.find("dd", "€98.00").await;
    browser.find("#minutes", "30 more minutes").await;
    browser.assert_accessible().await;
    // In the shop the seats are gone for others, and said to be the buyer's.
    browser.click("a", "Back to the shop").await;
    browser.find("#held", "You have 2 seats on hold").await;
    browser.find(".slots button", "1 seat left").await;
    browser.assert_accessible().await;

    // The same wish again leads to the same session, by the form as by the link.
    go_to_payment(&browser, &shop, 2).await;
    browser.driver.back().await.unwrap();
    browser.find("#book", "Book now").await;
    browser.click("#held a", "Go on with it").await;
    browser.click("a", "Go on to the payment").await;
    browser.click("button", "Pay").await;

    browser.read_heading("Your booking is confirmed").await;
    assert_eq!(
        (checkouts(&shop).await, shop.seats_taken(slot).await),
        (1, 2)
    );
    // Paid: the shop does not invite to pay again, and neither does the page for turning back.
    browser.click("a", "Back to the shop").await;
    browser.find(".slots button", "1 seat left").await;
    assert!(!browser.text().await.contains("on hold"));
    browser
        .goto(&format!("{}/payment-cancelled", shop.url))
        .await;
    browser.read_heading("Not paid").await;
    assert!(!browser.text().await.contains("Go on"));
    browser.close(&[]).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_back_button_does_not_hold_more_seats() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    let slot = shop.slot(5).await;
    let browser = Browser::open().await;

    go_to_payment(&browser, &shop, 2).await;
    browser.driver.back().await.unwrap();
    // The browser may show the page as it was left, or load it anew.
    browser.find("#held", "on hold").await;
    if browser
        .run("return document.querySelector('#order').hidden")
        .await
        == true
    {
        fill_in(&browser, &shop, 2).await;
    }
    browser.click("#book", "Book now").await;
    browser.click("button", "Pay").await;

    browser.read_heading("Your booking is confirmed").await;
    assert_eq!(
        (checkouts(&shop).await, shop.seats_taken(slot).await),
        (1, 2)
    );
    // Another booking of the same is a new one.
    go_to_payment(&browser, &shop, 2).await;
    assert_eq!(
        (checkouts(&shop).await, shop.seats_taken(slot).await),
        (2, 4)
    );
    browser.close(&[]).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_paid_in_another_tab_is_not_asked_to_pay_again() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    shop.slot(5).await;
    let browser = Browser::open().await;
    go_to_payment(&browser, &shop, 1).await;
    browser.click("button", "Back to the shop").await;
    let pay = browser.find("#pay", "Go on").await;
    let url = pay.attr("href").await.unwrap().unwrap();
    let id = url.rsplit('/').next().unwrap();

    shop.stripe
        .pay(id, stripe_sim::Outcome::Succeed)
        .await
        .unwrap();

    browser.read_heading("Your booking is confirmed").await;
    browser.close(&[]).await;
    shop.close().await;
}
