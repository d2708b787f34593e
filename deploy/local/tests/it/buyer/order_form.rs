//! The form, with everything that can be wrong with it.

use serde_json::Value;
use thirtyfour::Key;

use super::fill_in;
use crate::{browser::Browser, shop::Shop, stack::Stack};

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_fills_meanwhile_offers_the_next_one() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    let full = shop.slot(2).await;
    let next = shop.slot_after(full, 60).await;
    let browser = Browser::open().await;

    fill_in(&browser, &shop, 2).await;
    shop.create(full).await;
    browser.click("#book", "Book now").await;
    browser
        .find("#order-error", "Only 1 seat left at this time")
        .await;
    browser.assert_accessible().await;
    shop.create(full).await;
    browser.click("#book", "Book now").await;
    browser
        .find("#order-error", "This time has just filled up")
        .await;
    browser.find("#next-slot", "Take ").await;
    browser.press(Key::Enter).await; // it has the focus
    browser.click("#book", "Book now, €98.00").await;
    browser.click("button", "Pay").await;

    browser.read_heading("Your booking is confirmed").await;
    assert_eq!(shop.seats_taken(next).await, 2);
    browser.close(&["409 (Conflict)"]).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_pointed_out_in_the_servers_own_words() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    let slot = shop.slot(5).await;
    let browser = Browser::open().await;
    browser.goto(&shop.url).await;
    browser.click(".slots button", "left").await;

    for (quantity, name, email) in [
        ("0", "", ""),
        ("21", " ", "ada"),
        ("1", "Ada", "ada@example"),
    ] {
        browser.fill("#quantity", quantity).await;
        browser.fill("#name", name).await;
        browser.fill("#email", email).await;
        browser.click("#book", "Book now").await;

        let order = serde_json::json!({
            "slot_id": slot,
            "quantity": quantity.parse::<i64>().unwrap(),
            "customer": { "name": name, "email": email },
        });
        let answer = shop.post("/api/create-checkout-session", &order).await;
        let answer: Value = answer.json().await.unwrap();
        for error in answer["errors"].as_array().unwrap() {
            let place = format!("[data-field='{}']", error["field"].as_str().unwrap());
            browser
                .find(&place, error["message"].as_str().unwrap())
                .await;
        }
        let shown = browser.run("return [...document.querySelectorAll('.error')].filter((it) => it.textContent).length").await;
        assert_eq!(
            shown,
            answer["errors"].as_array().unwrap().len(),
            "{quantity} {name} {email}"
        );
        let focused = browser
            .run("return document.activeElement.getAttribute('aria-invalid')")
            .await;
        assert_eq!(focused, "true", "the first mistake has the focus");
        browser.assert_accessible().await;
    }
    browser.fill("#email", "ada@example.com").await;
    let gone = browser
        .run("return document.querySelector('#email-error').textContent")
        .await;
    assert_eq!(
        gone, "",
        "a mistake that is mended is not pointed out any more"
    );
    browser.close(&[]).await;
    shop.close().await;
}
