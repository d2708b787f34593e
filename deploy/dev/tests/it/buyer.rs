//! What a buyer reads, from the shop to the booking, in a real browser.

use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::Value;
use shared::db::checkout;

use crate::{
    browser::Browser,
    shop::Shop,
    stack::{Stack, on_each_stack},
};

mod accessibility;
mod languages;
mod merchant;
mod money_back;
mod offerings;
mod order_form;
mod outcomes;
mod second_booking;
mod turns_back;
mod waits;

on_each_stack![a_buyer_books_pays_and_reads_that_it_is_confirmed];

/// Chooses the first slot and fills the form, up to the button.
async fn fill_in(browser: &Browser, shop: &Shop, seats: u32) {
    browser.goto(&shop.url).await;
    browser.click(".slots button", "left").await;
    browser.fill("#quantity", &seats.to_string()).await;
    browser.fill("#name", "Ada Lovelace").await;
    browser.fill("#email", "ada@example.com").await;
}

async fn go_to_payment(browser: &Browser, shop: &Shop, seats: u32) {
    fill_in(browser, shop, seats).await;
    browser.click("#book", "Book now").await;
    browser.find("h1", "Pay ").await;
}

/// Where the buyer stands: `session_id` of the address.
async fn session_id(browser: &Browser) -> String {
    let url = browser.driver.current_url().await.unwrap();
    let mut query = url.query_pairs();
    query
        .find(|(name, _)| name == "session_id")
        .unwrap()
        .1
        .into()
}

async fn checkouts(shop: &Shop) -> u64 {
    checkout::Entity::find()
        .count(&shop.stack.db)
        .await
        .unwrap()
}

async fn a_buyer_books_pays_and_reads_that_it_is_confirmed(stack: Stack) {
    let shop = Shop::open(stack).await;
    let slot = shop.slot(5).await;
    let browser = Browser::open().await;

    fill_in(&browser, &shop, 2).await;
    let offer = browser.text().await;
    assert!(
        offer.contains("Harbour kayak tour") && offer.contains("€49.00"),
        "{offer}"
    );
    assert!(offer.contains("5 seats left"), "{offer}");
    assert!(
        offer.contains("in your time zone, Europe/Berlin"),
        "{offer}"
    );
    let button = browser.find("#book", "Book now, €98.00").await;
    let twice = browser.driver.action_chain().double_click_element(&button);
    twice.perform().await.unwrap();
    browser.click("button", "Pay").await;

    browser.read_heading("Your booking is confirmed").await;
    let page = browser.text().await;
    let announced = browser
        .run("return document.querySelector('[role=status]').innerText")
        .await;
    for said in ["Your booking is confirmed", "Harbour kayak tour"] {
        assert!(announced.as_str().unwrap().contains(said), "{announced}");
    }
    assert!(page.contains("Harbour kayak tour, 2 seats"), "{page}");
    assert!(page.contains("€98.00"), "{page}");
    let year = shared::clock::system()
        .saturating_add(time::Duration::DAY)
        .year()
        .to_string();
    let in_berlin = page.contains("CET") || page.contains("GMT+");
    assert!(
        page.contains(&year) && in_berlin,
        "when, for who reads it elsewhere: {page}"
    );
    let reference = browser.find("#reference", "-").await.text().await.unwrap();
    assert_eq!(reference.len(), 11, "{reference}");
    assert_eq!((checkouts(&shop).await, shop.bookings().await), (1, 1));
    assert_eq!(shop.seats_taken(slot).await, 2);

    // Nothing came from anywhere else.
    let loaded = browser
        .run("return performance.getEntriesByType('resource').map((it) => new URL(it.name).origin)")
        .await;
    let elsewhere = |origin: &&Value| **origin != shop.url.as_str();
    assert_eq!(loaded.as_array().unwrap().iter().find(elsewhere), None);

    // It survives a reload, and works from a link in an e-mail, next week, elsewhere.
    let link = browser.driver.current_url().await.unwrap().to_string();
    browser.driver.refresh().await.unwrap();
    browser.find("#reference", &reference).await;
    browser.close(&[]).await;
    let elsewhere = Browser::open().await;
    elsewhere.goto(&link).await;
    elsewhere.find("#reference", &reference).await;
    elsewhere.close(&[]).await;
    shop.close().await;
}
