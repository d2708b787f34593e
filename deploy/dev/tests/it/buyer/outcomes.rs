//! Every way a checkout can end, or not end yet, in the buyer's words.

use stripe_sim::Outcome;

use super::{fill_in, go_to_payment, session_id};
use crate::{
    browser::Browser,
    shop::{Shop, eventually, undelivered},
    stack::Stack,
};

#[tokio::test(flavor = "multi_thread")]
async fn without_webhooks_the_page_itself_leads_to_the_booking() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    shop.slot(5).await;
    shop.stripe.set_faults(undelivered());
    let browser = Browser::open().await;

    go_to_payment(&browser, &shop, 1).await;
    browser.click("button", "Pay").await;

    browser.read_heading("Your booking is confirmed").await;
    browser.find("a", "Add to your calendar").await;
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
        for said in [
            "Your seats are held",
            "Harbour kayak tour, 1 seat",
            "€49.00",
        ] {
            assert!(page.contains(said), "{said}: {page}");
        }
        let session = session_id(&browser).await;
        browser.find("#quote-id", &session).await;
        session
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

/// Looked up from another tab, long after: there is nothing to wait for.
#[tokio::test(flavor = "multi_thread")]
async fn an_unpaid_session_that_is_looked_up_is_called_unpaid_at_once() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    let session = shop.create(shop.slot(5).await).await;
    let browser = Browser::open().await;
    let page = format!("{}/payment-success?session_id={}", shop.url, session.id);
    // Headings and answers, in their order.
    let watch = "const seen = window.seen = []; \
        new MutationObserver(() => { \
            const title = document.querySelector('h1')?.textContent; \
            if (title && seen.at(-1) !== title) seen.push(title); \
        }).observe(document, { subtree: true, childList: true, characterData: true }); \
        const ask = window.fetch; \
        window.fetch = async (...request) => { \
            const answer = await ask(...request); \
            seen.push((await answer.clone().json()).status); \
            return answer; \
        };";
    let watch = serde_json::json!({ "source": watch });
    browser
        .devtools("Page.addScriptToEvaluateOnNewDocument", watch)
        .await;

    browser.goto(&page).await;
    browser.read_heading("Not paid yet").await;
    let seen = browser.run("return window.seen").await;
    let seen = seen.as_array().unwrap();
    let at = seen.iter().position(|it| it == "Not paid yet").unwrap();
    let answers = seen[..at].iter().filter(|it| **it == "awaiting_payment");
    assert_eq!(answers.count(), 1, "the first answer is believed: {seen:?}");
    let text = browser.text().await;
    assert!(text.contains("Harbour kayak tour, 1 seat"), "{text}");
    browser.close(&[]).await;
    shop.close().await;
}

/// As from a site that did not let Stripe put the id into `success_url`.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_without_the_id_finds_what_this_tab_ordered() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    shop.slot(5).await;
    let page = format!("{}/payment-success", shop.url);
    for (query, buyer) in [
        ("?session_id={CHECKOUT_SESSION_ID}", "ada@example.com"),
        ("?session_id=%7BCHECKOUT_SESSION_ID%7D", "grace@example.com"),
        ("", "joan@example.com"),
    ] {
        let browser = Browser::open().await;
        fill_in(&browser, &shop, 1).await;
        browser.fill("#email", buyer).await;
        browser.click("#book", "Book now").await;
        browser.find("h1", "Pay ").await;
        let ledger = shop.stripe.ledger();
        let session = ledger.into_iter().find(|it| it.status == "open");
        let session = session.unwrap().session_id;
        shop.stripe.pay(&session, Outcome::Succeed).await.unwrap();
        browser.goto(&format!("{page}{query}")).await;
        browser.read_heading("Your booking is confirmed").await;
        assert_eq!(session_id(&browser).await, session);
        browser.close(&[]).await;
    }
    shop.close().await;
}
