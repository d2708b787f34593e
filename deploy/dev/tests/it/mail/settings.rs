//! What a merchant can set, and what is said when it cannot be used.

use std::fs;

use serde_json::json;
use shared::config::Env;
use tempfile::TempDir;
use testkit::MailServer;
use worker::mail::{MailSettings, Mailer};

use super::{arrived, book, variables};
use crate::{shop::Shop, stack::Stack};

fn problem(folder: &TempDir) -> String {
    let path = folder.path().to_str().unwrap();
    let env: Env = [
        ("SMTP_URL", "smtp://127.0.0.1:1"),
        ("MAIL_FROM", "book@kayak.example"),
        ("PUBLIC_URL", "https://kayak.example"),
        ("MAIL_TEMPLATES", path),
    ]
    .into_iter()
    .collect();
    match MailSettings::from_env(&env) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_template_that_cannot_be_filled_is_found_at_start() {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    assert_eq!(problem(&folder), "");

    write("buyer.txt", "{{ refrence }}");
    let unknown = problem(&folder);
    write("buyer.txt", "{% if %}");
    let malformed = problem(&folder);
    write(
        "buyer.txt",
        "{{ words.kinds[kind].title }}, {{ reference }}",
    );
    fs::create_dir(folder.path().join("words")).unwrap();
    write("words/nl.json", r#"{ "language": "nl" }"#);
    let words = problem(&folder);

    assert!(
        unknown.starts_with("MAIL_TEMPLATES: ") && unknown.contains("buyer.txt:1"),
        "{unknown}"
    );
    assert!(malformed.contains("buyer.txt:1"), "{malformed}");
    assert!(
        words.contains("nl.json") && words.contains("missing field"),
        "{words}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merchants_own_words_and_templates_take_the_place_of_ours() {
    let server = MailServer::start().unwrap();
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("words")).unwrap();
    let english = include_str!("../../../../../worker/mail/words/en.json");
    let dutch = english
        .replace(r#""language": "en""#, r#""language": "nl""#)
        .replace("Booking confirmed", "Boeking bevestigd");
    fs::write(folder.path().join("words/nl.json"), dutch).unwrap();
    fs::write(
        folder.path().join("buyer.txt"),
        "Tot ziens, {{ customer_name }}!",
    )
    .unwrap();
    let mut all = variables(&server);
    let logo = folder.path().join("logo.png");
    fs::write(&logo, b"\x89PNG\r\n\x1a\n").unwrap();
    for (variable, value) in [
        ("MAIL_TEMPLATES", folder.path().to_str().unwrap()),
        ("SHOP_NAME", "Kajak"),
        ("SHOP_LOGO", logo.to_str().unwrap()),
    ] {
        all.push((variable, value.to_owned()));
    }
    let mut shop = Shop::without_worker(Stack::sqlite_embedded().await).await;
    let env = all.into_iter().collect();
    shop.worker_config.mailer = MailSettings::from_env(&env).unwrap().map(Mailer::new);
    shop.start_worker();

    let slot = shop.slot(5).await;
    book(&shop, slot, "nl-BE").await;
    arrived(&server, 2).await;

    let mails = server.mails().unwrap();
    let mail = super::to(&mails, "ada@example.com")[0];
    assert!(
        mail["subject"]
            .as_str()
            .unwrap()
            .starts_with("Boeking bevestigd")
    );
    assert!(mail["text"].as_str().unwrap().starts_with("Tot ziens, Ada"));
    let html = mail["html"].as_str().unwrap().replace("&#x2f;", "/");
    for expected in ["Your booking is confirmed", "Kajak", "cid:logo"] {
        assert!(html.contains(expected), "{expected}: {html}");
    }
    assert_eq!(mail["images"], json!(["<logo>"]));
    shop.close().await;
}
