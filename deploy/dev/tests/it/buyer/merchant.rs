//! Pages that show whose shop it is.

use serde_json::json;
use tempfile::TempDir;

use super::fill_in;
use crate::{browser::Browser, shop::Shop, stack::Stack};

const LOGO: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" width="120" height="40"><rect width="120" height="40" fill="#0a5c7d"/></svg>"##;
const CANCELLATION: &str = "Bis 24 Stunden vorher kostenlos.";

/// - `colour`: one that needs help to be read, on a light or on a dark page.
async fn shop_of_a_merchant(folder: &TempDir, colour: &str) -> Shop {
    let logo = folder.path().join("logo");
    std::fs::write(&logo, LOGO).unwrap();
    let mut stack = Stack::sqlite_embedded().await;
    for (variable, value) in [
        ("SHOP_NAME", "Kayak & <Söhne>"),
        ("SHOP_COLOR", colour),
        ("SHOP_LOGO", logo.to_str().unwrap()),
        ("SHOP_CONTACT", "hallo@kayak.example"),
        ("SHOP_TERMS_URL", "https://kayak.example/agb?stand=2026"),
        ("SHOP_PRIVACY_URL", "https://kayak.example/datenschutz"),
        ("SHOP_CANCELLATION", CANCELLATION),
    ] {
        stack.variables.insert(variable, value.to_owned());
    }
    Shop::without_worker(stack).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_says_whose_shop_it_is() {
    let folder = TempDir::new().unwrap();
    let shop = shop_of_a_merchant(&folder, "#ffcc00").await;
    shop.slot(5).await;
    let browser = Browser::speaking("de-DE").await;

    for path in [
        "/booking",
        "/payment-success",
        "/payment-cancelled",
        "/nowhere",
    ] {
        browser.goto(&format!("{}{path}", shop.url)).await;
        browser.find("footer a", "AGB").await;
        let seen = browser
            .run(
                "const [home] = document.querySelectorAll('.shop a');
                const links = [...document.querySelectorAll('footer a')];
                return {
                    title: document.title.split(' – ')[1],
                    name: home.innerText,
                    logo: home.querySelector('img').naturalWidth,
                    links: links.map((it) => [it.innerText, it.href]),
                    cancellation: document.querySelector('footer p').innerText,
                };",
            )
            .await;
        let expected = json!({
            "title": "Kayak & <Söhne>",
            "name": "Kayak & <Söhne>",
            "logo": 120,
            "links": [
                ["hallo@kayak.example", "mailto:hallo@kayak.example"],
                ["AGB", "https://kayak.example/agb?stand=2026"],
                ["Datenschutz", "https://kayak.example/datenschutz"],
            ],
            "cancellation": CANCELLATION,
        });
        assert_eq!(seen, expected, "{path}");
    }
    // And in the shop beside the button, before anything is paid.
    browser.goto(&shop.url).await;
    browser.click(".slots button", "frei").await;
    browser.find("#order p", CANCELLATION).await;
    browser.find(".shop a", "Söhne").await;
    browser.find("footer a", "AGB").await;
    browser.close(&["/nowhere"]).await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merchants_colour_can_be_read_on_light_and_on_dark() {
    for colour in ["#ffcc00", "#0a1a2f", "#808080"] {
        let folder = TempDir::new().unwrap();
        let shop = shop_of_a_merchant(&folder, colour).await;
        shop.slot(5).await;
        let browser = Browser::open().await;
        browser.like_a_phone().await;
        for dark in [false, true] {
            if dark {
                browser.in_the_dark().await;
            }
            for path in ["/booking", "/payment-cancelled", "/nowhere"] {
                browser.goto(&format!("{}{path}", shop.url)).await;
                browser.assert_accessible().await;
            }
            fill_in(&browser, &shop, 1).await;
            let button = browser
                .run("return getComputedStyle(document.querySelector('#book')).backgroundColor")
                .await;
            let [red, green, blue] = shared::config::Colour::parse(colour).unwrap().rgb;
            assert_eq!(button, format!("rgb({red}, {green}, {blue})"));
            browser.assert_accessible().await;
        }
        browser.close(&["/nowhere"]).await;
        shop.close().await;
    }
}
