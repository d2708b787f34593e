//! The order form, with every mistake that a buyer can make.

use serde_json::Value;
use thirtyfour::Key;

use super::fill_in;
use crate::{browser::Browser, shop::Shop, stack::Stack};

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_fills_meanwhile_offers_the_next_one() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    let full = shop.slot(2).await;
    let next = shop.stack.slot_after(full, 60).await;
    let browser = Browser::open().await;

    fill_in(&browser, &shop, 2).await;
    shop.create(full).await;
    browser.click("#book", "Book now").await;
    browser
        .find("#quantity-error", "Only 1 seat is left at this time")
        .await;
    browser
        .find("#order-error", "The next time with 2 seats")
        .await;
    browser.assert_accessible().await;
    shop.create(full).await;
    browser.click("#book", "Book now").await;
    browser
        .find("#order-error", "This time has just filled up")
        .await;
    browser.find("#next-slot", "Take ").await;
    browser.press(Key::Enter).await; // the button has the focus
    browser.click("#book", "Book now, €98.00").await;
    browser.click("button", "Pay").await;

    browser.read_heading("Your booking is confirmed").await;
    assert_eq!(shop.seats_taken(next).await, 2);
    browser.close(&["409 (Conflict)"]).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_click_tells_all_that_is_missing_or_submits() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    shop.slot(5).await;
    let browser = Browser::open().await;
    browser.goto(&shop.url).await;
    browser.click(".slots button", "left").await;
    let errors = async || {
        let script = "return [...document.querySelectorAll('.error')].map((it) => it.textContent).filter(Boolean)";
        browser.run(script).await
    };

    // The click leaves the e-mail field, which is then found to be invalid.
    browser.fill("#email", "ada").await;
    press_and_release(&browser, "#book").await;

    browser.find("#name-error", "Tell us your name.").await;
    let two = [
        "Tell us your name.",
        "This does not look like an e-mail address.",
    ];
    assert_eq!(errors().await, serde_json::json!(two));
    let before = browser
        .run("return document.querySelector('#book').getBoundingClientRect().y")
        .await;
    browser.fill("#email", "ada@example.com").await;
    browser.fill("#name", "Ada").await;
    browser.find("#book", "Book now").await;
    assert_eq!(errors().await, serde_json::json!([]));
    let after = browser
        .run("return document.querySelector('#book').getBoundingClientRect().y")
        .await;
    assert_eq!(before, after, "the button does not move when the errors go");
    browser.fill("#name", "Ada Lovelace").await;
    press_and_release(&browser, "#book").await;
    browser.find("h1", "Pay ").await;
    browser.close(&[]).await;
    shop.close().await;
}

/// Clicks as a hand does: the pointer stays where the button was when it was pressed.
async fn press_and_release(browser: &Browser, css: &str) {
    let element = browser.find(css, "").await;
    element.scroll_into_view().await.unwrap();
    let actions = browser.driver.action_chain();
    let pressed = actions.move_to_element_center(&element).click_and_hold();
    pressed.perform().await.unwrap();
    let actions = browser.driver.action_chain();
    actions.release().perform().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_seats_are_offered_than_the_slot_has() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    shop.slot(1).await;
    let browser = Browser::open().await;

    fill_in(&browser, &shop, 2).await;
    let max = browser
        .run("return document.querySelector('#quantity').max")
        .await;
    assert_eq!(max, "1");
    browser.click("#book", "Book now").await;

    browser
        .find("#quantity-error", "Only 1 seat is left at this time.")
        .await;
    browser
        .find("#order-error", "No other time has 2 seats")
        .await;
    browser.fill("#quantity", "1").await;
    browser.click("#book", "Book now, €49.00").await;
    browser.find("h1", "Pay ").await;
    browser.close(&[]).await;
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
        ("1", "\u{200b}", "jörg@example.com"),
        ("1", "\u{3164}", "иван@почта.рф"),
        ("1", "Ada \u{202e}ecalevoL", "ada@example.com"),
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
    assert_eq!(gone, "", "a corrected mistake is not pointed out any more");
    browser.close(&[]).await;
    shop.close().await;
}
