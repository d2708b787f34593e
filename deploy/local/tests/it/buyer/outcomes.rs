//! Every way a checkout can end, or not end yet, in the buyer's words.

use stripe_sim::Faults;

use super::{go_to_payment, session_id};
use crate::{
    browser::Browser,
    shop::{Shop, eventually},
    stack::Stack,
};

#[tokio::test(flavor = "multi_thread")]
async fn without_webhooks_the_page_itself_leads_to_the_booking() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    shop.slot(5).await;
    shop.stripe.set_faults(Faults {
        deliver_webhooks: false,
        ..Faults::default()
    });
    let browser = Browser::open().await;

    go_to_payment(&browser, &shop, 1).await;
    browser.click("button", "Pay").await;

    browser.read_heading("Your booking is confirmed").await;
    browser.close(&[]).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_card_can_be_followed_by_another() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    let slot = shop.slot(5).await;
    let browser = Browser::open().await;

    go_to_payment(&browser, &shop, 1).await;
    browser.click("button", "declined").await;
    browser.find("[role=alert]", "declined").await;
    browser.click("button", "Pay").await;

    browser.read_heading("Your booking is confirmed").await;
    assert_eq!(shop.seats_taken(slot).await, 1);
    browser.close(&["402 (Payment Required)"]).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delayed_payment_is_on_its_way_until_the_bank_has_spoken() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    let slot = shop.slot(5).await;
    let browser = Browser::open().await;
    let pay_later = async || {
        go_to_payment(&browser, &shop, 1).await;
        browser.click("button", "bank debit").await;
        browser.read_heading("Your payment is on its way").await;
        let page = browser.text().await;
        assert!(page.contains("Your seats are held"), "{page}");
        session_id(&browser).await
    };

    let arrives = pay_later().await;
    browser.assert_accessible().await;
    shop.stripe.settle(&arrives, true).await.unwrap();
    shop.wait_for_bookings(1).await;
    browser.driver.refresh().await.unwrap();
    browser.read_heading("Your booking is confirmed").await;

    let fails = pay_later().await;
    shop.stripe.settle(&fails, false).await.unwrap();
    eventually("the seat is free", async || {
        shop.seats_taken(slot).await == 1
    })
    .await;
    browser.driver.refresh().await.unwrap();
    browser.read_heading("Your payment did not arrive").await;
    let page = browser.text().await;
    assert!(page.contains("Nothing is booked"), "{page}");
    browser.assert_accessible().await;
    browser.close(&[]).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_checkout_and_a_foreign_link_are_called_by_their_names() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    let slot = shop.slot(5).await;
    let expired = shop.create(slot).await;
    shop.stripe.expire(&expired.id).unwrap();
    let browser = Browser::open().await;
    let page = format!("{}/payment-success", shop.url);

    browser
        .goto(&format!("{page}?session_id={}", expired.id))
        .await;
    browser.read_heading("This checkout has expired").await;
    assert!(browser.text().await.contains("Nothing was charged"));
    browser.assert_accessible().await;
    for query in [
        "",
        "?session_id=",
        "?session_id=cs_test_ofSomebodyElse",
        "?session_id=%3Cb%3E",
    ] {
        browser.goto(&format!("{page}{query}")).await;
        browser.read_heading("No such booking").await;
    }
    browser.assert_accessible().await;
    browser
        .close(&["400 (Bad Request)", "404 (Not Found)"])
        .await;
    shop.close().await;
}

/// `refunded` and `refund_pending` as confirm will say them.
#[tokio::test(flavor = "multi_thread")]
async fn refunds_are_said_in_the_buyers_words() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    let browser = Browser::open().await;
    for (status, heading) in [
        ("refunded", "Your payment was refunded"),
        ("refund_pending", "Your payment is being refunded"),
    ] {
        let answer = format!(
            "window.fetch = async () => new Response(JSON.stringify({{ status: '{status}' }}), {{ status: 200 }})"
        );
        browser
            .devtools(
                "Page.addScriptToEvaluateOnNewDocument",
                serde_json::json!({ "source": answer }),
            )
            .await;
        browser
            .goto(&format!(
                "{}/payment-success?session_id=cs_test_a1B2c3D4e5",
                shop.url
            ))
            .await;
        browser.read_heading(heading).await;
        browser.assert_accessible().await;
    }
    browser.close(&[]).await;
    shop.close().await;
}
