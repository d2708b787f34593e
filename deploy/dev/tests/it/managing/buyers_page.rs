//! The page of a booking, in a browser.

use shared::db::booking::Status;

use super::{
    book, booking_of,
    buyers_link::{set_policy, shop_with_links, token_of},
};
use crate::{browser::Browser, stack::Stack};

#[tokio::test(flavor = "multi_thread")]
async fn the_page_says_what_comes_back_before_it_is_cancelled() {
    let shop = shop_with_links(Stack::sqlite_embedded().await).await;
    let slot = shop.slot(1).await;
    set_policy(&shop, 1, 0).await;
    let (_, reference) = book(&shop, slot).await;
    let token = token_of(&shop, &reference).await;
    let browser = Browser::open().await;

    browser.goto(&shop.url).await;
    browser.click("a", "Find a booking").await;
    browser.fill("#find-reference", &reference).await;
    browser.fill("#find-email", "eve@example.com").await;
    browser.click("button", "Find it").await;
    browser.find("#problem", "There is no such booking").await;
    browser.fill("#find-email", "ada@example.com").await;
    browser.click("button", "Find it").await;
    browser.find("#reference", &reference).await;
    browser.assert_accessible().await;
    assert!(!browser.text().await.contains("Cancel this booking"));

    // In the same tab, where only what is behind the # changes.
    browser
        .goto(&format!("{}/booking#{reference}.{token}", shop.url))
        .await;
    browser
        .find("#cancel-back", "If you cancel now, €49.00 goes back")
        .await;
    browser
        .find("#cancel-back", ", and all of it goes back.")
        .await;
    browser.assert_accessible().await;
    browser.click("button", "Cancel the booking now").await;
    browser.find("h1", "This booking is cancelled").await;
    assert!(!browser.text().await.contains("Cancel the booking now"));
    assert_eq!(
        booking_of(&shop, &reference).await.status,
        Status::Cancelled
    );
    browser.close(&["404 (Not Found)"]).await;
    shop.close().await;
}
