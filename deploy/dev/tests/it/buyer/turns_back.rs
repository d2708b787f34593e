//! The buyer leaves the payment page without paying.

use super::{checkouts, fill_in, go_to_payment};
use crate::{
    browser::Browser,
    shop::{Shop, eventually, undelivered},
    stack::Stack,
};

#[tokio::test(flavor = "multi_thread")]
async fn who_turns_back_can_go_on_with_the_same_seats() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    let slot = shop.slot(3).await;
    let browser = Browser::open().await;
    go_to_payment(&browser, &shop, 2).await;

    browser.click("button", "Back to the shop").await;
    browser.read_heading("Not paid yet").await;
    browser.find("dd", "Harbour kayak tour, 2 seats").await;
    browser.find("dd", "€98.00").await;
    browser.find("#minutes", "30 more minutes").await; // rounded down from 31
    browser.assert_accessible().await;
    // The shop shows the seats as taken, and as held by this buyer.
    browser.click("a", "Back to the shop").await;
    browser.find("#held", "more minutes: 2 seats").await;
    browser.find(".slots button", "1 seat left").await;
    browser.assert_accessible().await;

    // The same order again leads to the same session, by the form as by the link.
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
    // Once paid, neither the shop nor the page for turning back invites to pay again.
    browser.click("a", "Back to the shop").await;
    browser.find(".slots button", "1 seat left").await;
    assert!(!browser.text().await.contains("On hold"));
    browser
        .goto(&format!("{}/payment-cancelled", shop.url))
        .await;
    browser.read_heading("You left the payment page").await;
    let page = browser.text().await;
    assert!(page.contains("If you have, your booking is safe"), "{page}");
    assert!(!page.contains("Go on"), "{page}");
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
    browser.find("#held", "On hold").await;
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
    // The same order after a payment is a new booking, if the buyer means it.
    fill_in(&browser, &shop, 2).await;
    browser.click("#book", "Book now").await;
    browser.click("#again", "Book again").await;
    browser.find("h1", "Pay ").await;
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

    // The buyer looks at this tab again; the server passes on Stripe's answer for up to 10 s.
    eventually("this tab knows of the payment, too", async || {
        let look = "document.dispatchEvent(new Event('visibilitychange'))";
        browser.run(look).await;
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        browser.driver.title().await.unwrap() == "Your booking is confirmed"
    })
    .await;
    browser.read_heading("Your booking is confirmed").await;
    browser.close(&[]).await;
    shop.close().await;
}

/// Stripe has just told the page for turning back that nothing is paid, and the server passes
/// that on for a while.
#[tokio::test(flavor = "multi_thread")]
async fn who_turned_back_and_then_paid_never_reads_that_nothing_is_paid() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    shop.slot(5).await;
    shop.stripe.set_faults(undelivered());
    let browser = Browser::open().await;
    go_to_payment(&browser, &shop, 1).await;
    browser.click("button", "Back to the shop").await;
    browser.click("a", "Go on to the payment").await;
    let watch = "addEventListener('DOMContentLoaded', () => { window.read = []; \
        setInterval(() => read.push(document.body.innerText), 50); })";
    browser
        .devtools(
            "Page.addScriptToEvaluateOnNewDocument",
            serde_json::json!({ "source": watch }),
        )
        .await;

    browser.click("button", "Pay").await;
    browser.read_heading("Your booking is confirmed").await;

    let read = browser.run("return read.join()").await.to_string();
    assert!(read.contains("Your booking is being completed"), "{read}");
    assert!(!read.contains("Not paid"), "{read}");
    assert!(!read.contains("Nothing was charged"), "{read}");
    browser.close(&[]).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_on_its_way_is_not_offered_for_payment_again() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    shop.slot(5).await;
    let browser = Browser::open().await;
    go_to_payment(&browser, &shop, 1).await;
    browser.click("button", "bank debit").await;
    browser.read_heading("Your payment is on its way").await;

    browser.click("a", "Back to the shop").await;
    browser.find(".slots button", "4 seats left").await;
    let page = browser.text().await;
    assert!(
        !page.contains("On hold") && !page.contains("Go on"),
        "{page}"
    );

    // Nor a payment that may have arrived while the worker is stopped.
    let mut shop = shop;
    shop.stop_workers().await;
    go_to_payment(&browser, &shop, 1).await;
    browser.click("button", "Pay").await;
    browser
        .read_heading("Your booking is being completed")
        .await;
    browser.click("a", "Back to the shop").await;
    browser.find("#held", "is being looked up").await;
    browser
        .goto(&format!("{}/payment-cancelled", shop.url))
        .await;
    browser.read_heading("One moment, please").await;
    let page = browser.text().await;
    assert!(
        !page.contains("Go on") && !page.contains("Nothing was charged"),
        "{page}"
    );
    shop.start_worker();
    browser.read_heading("Your booking is confirmed").await;
    browser.close(&[]).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_mind_gives_the_first_seats_back() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    let slot = shop.slot(4).await;
    let browser = Browser::open().await;

    go_to_payment(&browser, &shop, 4).await;
    assert_eq!(shop.seats_taken(slot).await, 4);
    // All seats are the buyer's own; a mistyped address must not make them unreachable.
    browser.driver.back().await.unwrap();
    browser.find("#held", "On hold").await;
    let folded = browser
        .run("return document.querySelector('#order').hidden")
        .await;
    assert_eq!(folded, false, "the form is as it was left");
    browser.fill("#quantity", "3").await;
    browser.fill("#email", "ada@example.org").await;
    browser.click("#book", "Book now").await;
    browser.find("h1", "Pay 147.00").await;

    assert_eq!(
        (checkouts(&shop).await, shop.seats_taken(slot).await),
        (2, 3)
    );
    browser.click("button", "Pay").await;
    browser.read_heading("Your booking is confirmed").await;
    browser.close(&[]).await;
    shop.close().await;
}
