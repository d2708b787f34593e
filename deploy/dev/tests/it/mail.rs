//! Mail to buyers and to the merchant, as a server of others gets it and parsers of others read it.

mod kills;
mod settings;

use std::time::{Duration, Instant};

use reqwest::header::ACCEPT_LANGUAGE;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use stripe_sim::Outcome;
use testkit::{MailServer, order};
use uuid::Uuid;
use worker::mail::{MailSettings, Mailer};

use crate::{
    operations::worker,
    shop::{Session, Shop, eventually},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    a_buyer_gets_each_mail_once_in_their_language,
    a_server_that_does_not_take_it_delays_mail_and_nothing_else,
];

/// What has a worker send mail by `server`.
fn variables(server: &MailServer) -> Vec<(&'static str, String)> {
    [
        ("SMTP_URL", server.url.as_str()),
        ("MAIL_FROM", "Harbour Kayak <book@kayak.example>"),
        ("MAIL_MERCHANT", "owner@kayak.example"),
        ("PUBLIC_URL", "https://kayak.example"),
        ("SHOP_COLOR", "#0a5c7d"),
        ("SHOP_CONTACT", "+49 40 123456"),
        ("SHOP_CANCELLATION", "Bis 24 Stunden vorher kostenlos."),
        ("LINK_SECRET", "secret-of-the-tests-for-links-in-mails"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into()
}

async fn shop_with_mail(stack: Stack) -> (Shop, MailServer) {
    let server = MailServer::start().unwrap();
    let mut shop = Shop::without_worker(stack).await;
    let env = variables(&server).into_iter().collect();
    let settings = MailSettings::from_env(&env).unwrap();
    shop.worker_config.mailer = settings.map(Mailer::new);
    shop.start_worker();
    (shop, server)
}

async fn book(shop: &Shop, slot: Uuid, language: &str) -> Session {
    let response = shop
        .http
        .post(format!("{}/api/create-checkout-session", shop.url))
        .header(ACCEPT_LANGUAGE, language)
        .json(&order(slot, 1))
        .send()
        .await
        .unwrap();
    let created: Value = response.json().await.unwrap();
    let session = Session {
        id: created["session_id"].as_str().unwrap().to_owned(),
    };
    shop.pay(&session, Outcome::Succeed).await;
    assert_eq!(shop.told(&session.id).await.1["status"], "confirmed");
    session
}

async fn arrived(server: &MailServer, number: usize) {
    eventually("mail arrives", async || server.count().unwrap() >= number).await;
}

fn to<'a>(mails: &'a [Value], whom: &str) -> Vec<&'a Value> {
    mails
        .iter()
        .filter(|it| it["to"] == json!([whom]))
        .collect()
}

async fn no_waiting(shop: &Shop) {
    let due = "UPDATE outbox_delivery SET due_at = (SELECT created_at FROM outbox WHERE id = outbox_id) \
         WHERE done_at IS NULL";
    shop.stack.patient_db.execute_unprepared(due).await.unwrap();
}

async fn a_buyer_gets_each_mail_once_in_their_language(stack: Stack) {
    let (shop, server) = shop_with_mail(stack).await;
    let slot = shop.slot(5).await;
    let policy = "UPDATE offering SET cancellation_free_hours = 1";
    shop.stack.db.execute_unprepared(policy).await.unwrap();
    let session = book(&shop, slot, "de-AT,de;q=0.9").await;
    arrived(&server, 2).await;
    shop.stripe.refund(&session.id, Some(900)).unwrap();
    arrived(&server, 3).await;
    shop.stripe.refund(&session.id, None).unwrap();
    arrived(&server, 5).await;

    let mails = server.mails().unwrap();
    let buyer = to(&mails, "ada@example.com");
    let subjects: Vec<_> = buyer
        .iter()
        .map(|it| it["subject"].as_str().unwrap())
        .collect();
    let titles: Vec<_> = subjects
        .iter()
        .map(|it| it.split(':').next().unwrap())
        .collect();
    assert_eq!(
        titles,
        [
            "Buchung bestätigt",
            "Zahlung erstattet",
            "Buchung storniert"
        ]
    );
    let [confirmed, refunded, cancelled] = buyer.try_into().unwrap();
    assert_eq!(confirmed["from"], "Harbour Kayak <book@kayak.example>");
    assert_eq!(confirmed["automatic"], "auto-generated");
    let reference = subjects[0].split(": ").nth(1).unwrap();
    let link = format!(
        "https://kayak.example/payment-success?session_id={}",
        session.id
    );
    let cancel_link = format!("https://kayak.example/booking#{reference}.");
    for text in [&confirmed["text"], &confirmed["html"]] {
        // Slashes are escaped, too, where it is HTML.
        let text = text.as_str().unwrap().replace("&#x2f;", "/");
        for expected in [
            reference,
            "Harbour kayak tour",
            "1 Platz",
            "49,00 EUR",
            "Europe/Berlin",
            "Pier 3",
            "+49 40 123456",
            "Bis 24 Stunden vorher kostenlos.",
            &link,
            &cancel_link,
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        assert!(!text.contains("none") && !text.contains("{{"), "{text}");
    }
    assert!(!cancelled["text"].as_str().unwrap().contains(&cancel_link));
    assert!(confirmed["html"].as_str().unwrap().contains("#0a5c7d"));
    assert!(refunded["text"].as_str().unwrap().contains("9,00 EUR"));
    assert!(cancelled["text"].as_str().unwrap().contains("49,00 EUR"));

    // One entry, which comes and goes.
    let entries = [confirmed, cancelled].map(|it| it["calendars"].as_array().unwrap());
    assert!(refunded["calendars"].as_array().unwrap().is_empty());
    let [request, cancel] = entries.map(|entries| {
        assert_eq!(entries.len(), 2, "as an alternative, and attached");
        assert_eq!(entries[0], entries[1]);
        &entries[0]
    });
    assert_eq!(
        (&request["method"], &request["status"]),
        (&json!("REQUEST"), &json!("CONFIRMED"))
    );
    assert_eq!(
        (&cancel["method"], &cancel["status"]),
        (&json!("CANCEL"), &json!("CANCELLED"))
    );
    assert_eq!(request["uid"], cancel["uid"]);
    assert!(request["sequence"].as_i64() < cancel["sequence"].as_i64());
    assert_eq!(request["summary"], "Harbour kayak tour");
    assert_eq!(request["location"], "Pier 3");
    assert_eq!(request["attendee"], "mailto:ada@example.com");
    let starts_at = request["starts_at"].as_str().unwrap();
    let told = shop.told(&session.id).await.1;
    let expected = told["order"]["starts_at"]
        .as_str()
        .or(told["booking"]["starts_at"].as_str());
    assert_eq!(starts_at[..19], expected.unwrap()[..19]);

    assert_the_merchant_was_told(&mails);
    let mut ids: Vec<_> = mails
        .iter()
        .map(|it| it["message_id"].to_string())
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), mails.len());
    shop.close().await;
}

/// A line of what became of it.
fn assert_the_merchant_was_told(mails: &[Value]) {
    let merchant = to(mails, "owner@kayak.example");
    let texts: Vec<_> = merchant
        .iter()
        .map(|it| it["text"].as_str().unwrap())
        .collect();
    assert_eq!(texts.len(), 2);
    assert!(texts[0].starts_with("New booking") && texts[1].starts_with("A booking was cancelled"));
    assert!(texts[0].contains("49.00 EUR") && texts[0].contains("worker booking show"));
}

async fn a_server_that_does_not_take_it_delays_mail_and_nothing_else(stack: Stack) {
    let (shop, server) = shop_with_mail(stack).await;
    let slot = shop.slot(9).await;
    // One that answers late is given up in time.
    for (mode, failure) in [("busy", "451"), ("late", "no answer")] {
        server.behave(mode).unwrap();
        let begin = Instant::now();
        book(&shop, slot, "en").await;
        assert!(begin.elapsed() < Duration::from_secs(10), "{mode}");
        eventually("the failure is noted", async || {
            let failures = failures(&shop).await;
            failures.iter().any(|it| it.contains(failure))
        })
        .await;
    }
    assert_eq!(server.count().unwrap(), 0);

    server.behave("take").unwrap();
    // The answers that were not waited for arrive, and are not taken for those of the next mail.
    tokio::time::sleep(Duration::from_secs(3)).await;
    no_waiting(&shop).await;
    arrived(&server, 4).await;

    // One that will not have it is not asked again.
    server.behave("unknown").unwrap();
    let session = book(&shop, slot, "en").await;
    eventually("it is given up", async || {
        let story = worker(&shop, &["booking", "show", &session.id, "--json"]).await;
        let story: Value = serde_json::from_slice(&story.stdout).unwrap();
        let to_buyer = &story["notifications"][0]["deliveries"][0];
        to_buyer["destination"] == "mail:buyer"
            && to_buyer["last_error"] == "the mail server answered 550"
            && !to_buyer["done_at"].is_null()
    })
    .await;
    assert_eq!(server.count().unwrap(), 4);
    shop.close().await;
}

async fn failures(shop: &Shop) -> Vec<String> {
    use sea_orm::EntityTrait;
    let rows = shared::db::outbox_delivery::Entity::find();
    let rows = rows.all(&shop.stack.db).await.unwrap();
    rows.into_iter().filter_map(|it| it.last_error).collect()
}
