//! The list of what can be booked.

use sea_orm::{EntityTrait, sea_query::Expr};
use serde_json::json;
use shared::db::offering;
use time::macros::datetime;

use crate::{browser::Browser, shop::Shop, stack::Stack};

/// Berlin puts its clocks back at 1:00 UTC on the last Sunday of October.
#[tokio::test(flavor = "multi_thread")]
async fn times_name_their_zone_while_the_clocks_are_changed() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    for starts_at in [
        datetime!(2099-10-25 00:00 UTC),
        datetime!(2099-10-25 01:00 UTC),
        datetime!(2099-10-25 12:00 UTC),
        datetime!(2099-03-29 00:30 UTC),
    ] {
        shop.stack.slot_at(5, starts_at).await;
    }
    let browser = Browser::open().await;

    browser.goto(&shop.url).await;
    browser.find(".slots button", "left").await;

    let text = browser.text().await;
    for shown in [
        "Sun 25 Oct, 02:00 CEST – 02:00 CET",
        "Sun 25 Oct, 02:00 CET – 03:00 CET",
        "Sun 25 Oct, 13:00–14:00",
        "Sun 29 Mar, 01:30 CET – 03:30 CEST",
    ] {
        assert!(text.lines().any(|line| line == shown), "{shown}: {text}");
    }
    browser.close(&[]).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_offering_unfolds_to_its_last_slot() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    let first = shop.slot(5).await;
    for minutes in 1..120 {
        shop.stack.slot_after(first, minutes).await;
    }
    shop.slot(7).await; // of another offering
    let browser = Browser::open().await;
    let shown = async || {
        let script = "return [...document.querySelectorAll('.card')].map((card) => \
                      card.querySelectorAll('li:not([hidden])').length)";
        browser.run(script).await
    };

    browser.goto(&shop.url).await;
    browser.find(".slots button", "7 seats left").await;
    assert_eq!(shown().await, json!([6, 1]));
    for expected in [50, 100, 120] {
        browser.click(".more", "Show more times").await;
        browser
            .find(&format!(".slots li:nth-of-type({expected}) button"), "left")
            .await;
        assert_eq!(shown().await, json!([expected, 1]));
        browser.assert_accessible().await;
    }
    let more = "return document.querySelectorAll('.more:not([hidden])').length";
    assert_eq!(browser.run(more).await, 0);
    browser
        .click(".slots li:nth-of-type(120) button", "left")
        .await;
    browser.find("#book", "Book now, €49.00").await;
    browser.close(&[]).await;
    shop.close().await;
}

/// The page may be older or newer than the data that it shows.
#[tokio::test(flavor = "multi_thread")]
async fn a_currency_that_the_browser_cannot_write_is_shown_as_it_is() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    let browser = Browser::open().await;
    browser.goto(&shop.url).await;

    let shown = browser
        .run_async(
            "const done = arguments[0]; import('/assets/format.js').then(({ money }) => \
             done([['JPY', 5000], ['EURO', 5000], ['eu', 1], [null, 7]].map(([currency, amount]) => \
             money(amount, currency))));",
        )
        .await;

    assert_eq!(shown, json!(["JP¥5,000", "5000 EURO", "1 EU", "7"]));
    browser.close(&[]).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn money_is_shown_in_the_currencys_own_digits() {
    let shop = Shop::open(Stack::sqlite_embedded().await).await;
    let browser = Browser::open().await;
    for (currency, minor_units, shown) in [
        ("jpy", 6500, "JP¥6,500"),
        ("usd", 1099, "US$10.99"),
        ("kwd", 12_340, "KWD 12.340"),
        ("rsd", 150_050, "RSD 1,500.50"),
        ("isk", 500_000, "ISK 5,000"),
    ] {
        shop.slot(1).await;
        // In one statement: one column alone would be refused.
        offering::Entity::update_many()
            .col_expr(offering::Column::Currency, Expr::value(currency))
            .col_expr(
                offering::Column::UnitAmountMinorUnits,
                Expr::value(minor_units),
            )
            .exec(&shop.stack.patient_db)
            .await
            .unwrap();
        browser.goto(&shop.url).await;
        browser.find(".price", shown).await;
        let text = browser.text().await;
        assert!(text.lines().any(|line| line == shown), "{shown}: {text}");
    }
    browser.close(&[]).await;
    shop.close().await;
}
