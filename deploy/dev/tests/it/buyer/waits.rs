//! The payment page has sent the buyer back, and the booking is not there yet.

use std::time::Duration;

use super::{go_to_payment, session_id};
use crate::{browser::Browser, shop::Shop, stack::Stack};

#[tokio::test(flavor = "multi_thread")]
async fn while_the_worker_is_away_the_page_says_so_and_turns_by_itself() {
    let mut shop = Shop::open(Stack::sqlite_embedded().await).await;
    shop.slot(5).await;
    shop.stop_workers().await;
    let browser = Browser::open().await;

    go_to_payment(&browser, &shop, 1).await;
    browser.click("button", "Pay").await;
    browser
        .read_heading("Your booking is being completed")
        .await;
    let page = browser.text().await;
    for said in [
        "even if you close this page",
        "Harbour kayak tour, 1 seat",
        "€49.00",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    browser
        .read_heading("Your booking is being completed")
        .await;
    shop.start_worker();

    browser.read_heading("Your booking is confirmed").await;
    browser.close(&[]).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_wait_gets_words_of_its_own() {
    let mut shop = Shop::open(Stack::sqlite_embedded().await).await;
    shop.slot(5).await;
    shop.stop_workers().await;
    let browser = Browser::open().await;

    go_to_payment(&browser, &shop, 1).await;
    browser.click("button", "Pay").await;
    browser
        .read_heading("Your booking is being completed")
        .await;
    tokio::time::sleep(Duration::from_secs(20)).await;

    browser
        .read_heading("This is taking longer than usual")
        .await;
    let page = browser.text().await;
    assert!(page.contains("You need not pay again"), "{page}");
    assert!(
        page.contains(&session_id(&browser).await),
        "an id to quote: {page}"
    );
    browser.assert_accessible().await;
    shop.start_worker();
    browser.read_heading("Your booking is confirmed").await;
    let page = browser.text().await;
    assert!(!page.contains("quote"), "{page}");
    browser.close(&[]).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_network_is_said_and_the_page_resumes_by_itself() {
    let mut shop = Shop::open(Stack::sqlite_embedded().await).await;
    shop.slot(5).await;
    shop.stop_workers().await;
    let browser = Browser::open().await;
    go_to_payment(&browser, &shop, 1).await;
    browser.click("button", "Pay").await;
    browser
        .read_heading("Your booking is being completed")
        .await;

    browser.offline(true).await;
    browser.read_heading("No connection").await;
    assert!(browser.text().await.contains("you need not pay again"));
    browser.assert_accessible().await;
    shop.start_worker();
    shop.wait_for_bookings(1).await;
    browser.offline(false).await;

    browser.read_heading("Your booking is confirmed").await;
    browser.close(&["ERR_INTERNET_DISCONNECTED"]).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_tell_the_same() {
    let mut shop = Shop::open(Stack::sqlite_embedded().await).await;
    shop.slot(5).await;
    shop.stop_workers().await;
    let browser = Browser::open().await;
    go_to_payment(&browser, &shop, 1).await;
    browser.click("button", "Pay").await;
    browser
        .read_heading("Your booking is being completed")
        .await;
    let link = browser.driver.current_url().await.unwrap().to_string();
    let first = browser.driver.window().await.unwrap();

    let second = browser.driver.new_tab().await.unwrap();
    browser.driver.switch_to_window(second).await.unwrap();
    browser.goto(&link).await;
    browser
        .read_heading("Your booking is being completed")
        .await;
    shop.start_worker();

    browser.read_heading("Your booking is confirmed").await;
    let reference = browser.find("#reference", "-").await.text().await.unwrap();
    browser.driver.switch_to_window(first).await.unwrap();
    browser.find("#reference", &reference).await;
    assert_eq!(shop.bookings().await, 1);
    browser.close(&[]).await;
    shop.close().await;
}
