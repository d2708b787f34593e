//! Accessibility: small screens, dark screens, no mouse.

use thirtyfour::{By, Key};

use super::fill_in;
use crate::{browser::Browser, shop::Shop, stack::Stack};

#[tokio::test(flavor = "multi_thread")]
async fn a_keyboard_is_enough() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    shop.slot(5).await;
    let browser = Browser::open().await;
    browser.goto(&shop.url).await;
    browser.find(".slots button", "left").await;

    browser.press(Key::Tab).await; // the slot
    browser.press(Key::Enter).await;
    let read_first = browser.run("return document.activeElement.id").await;
    assert_eq!(read_first, "chosen");
    browser.press(Key::Tab).await;
    browser.press(Key::Up).await; // two seats
    browser.press(Key::Tab).await;
    browser.type_keys("Ada Lovelace").await;
    browser.press(Key::Tab).await;
    browser.type_keys("ada@example.com").await;
    browser.press(Key::Enter).await;
    browser.find("h1", "Pay 98.00 EUR").await;
    browser.press(Key::Tab).await;
    browser.press(Key::Enter).await;

    browser.read_heading("Your booking is confirmed").await;
    assert!(browser.text().await.contains("2 seats"));
    browser.close(&[]).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_fits_a_phone_and_shuts_nobody_out() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    let slot = shop.slot(5).await;
    for minutes in 1..9 {
        shop.stack.slot_after(slot, minutes).await;
    }
    let browser = Browser::open().await;
    browser.like_a_phone().await;
    for dark in [false, true] {
        if dark {
            browser.in_the_dark().await;
        }
        browser.goto(&shop.url).await;
        browser.click(".slots button", "left").await;
        for css in ["#chosen", "#book"] {
            let on_screen = format!(
                "const box = document.querySelector('{css}').getBoundingClientRect(); \
                 return box.top >= 0 && box.bottom <= innerHeight"
            );
            assert_eq!(
                browser.run(&on_screen).await,
                true,
                "{css} is on the screen"
            );
        }
        fill_in(&browser, &shop, 1).await;
        browser.assert_accessible().await;
        let smallest = browser
            .run("return Math.min(...[...document.querySelectorAll('button, .button')].map((it) => it.offsetHeight).filter(Boolean))")
            .await;
        assert!(
            smallest.as_f64().unwrap() >= 44.0,
            "a finger needs 44 pixels, not {smallest}"
        );
        browser.click("#book", "Book now").await;
        if dark {
            browser.find("#order-error", "have booked this time").await;
            browser.assert_accessible().await;
            browser.click("#again", "Book again").await;
        }
        browser.find("h1", "Pay").await;
        browser.assert_accessible().await;
        browser.click("button", "Pay").await;
        browser.read_heading("Your booking is confirmed").await;
        browser.assert_accessible().await;
        browser
            .goto(&format!("{}/payment-cancelled", shop.url))
            .await;
        browser.assert_accessible().await;
        browser.goto(&format!("{}/docs", shop.url)).await;
        browser.find("h2", "POST /api/payment/confirm").await;
        browser.assert_accessible().await;
    }
    // A long list of times is folded, and opens.
    browser.goto(&shop.url).await;
    browser.click(".more", "Show all 9 times").await;
    let shown = browser
        .driver
        .find_all(By::Css(".slots li:not([hidden])"))
        .await
        .unwrap();
    assert_eq!(shown.len(), 9);
    browser.close(&[]).await;
    shop.close().await;
}
