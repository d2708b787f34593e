//! The console in a browser: with a keyboard alone, on a phone, in the dark.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use serde_json::json;
use shared::{
    clock,
    db::booking::{self, Status},
    message::Envelope,
    queue::Lane,
    traceparent::Traceparent,
};
use stripe_sim::Outcome;
use thirtyfour::Key;

use super::Program;
use crate::{
    browser::Browser,
    shop::{Shop, eventually},
    stack::Stack,
};

const TOKEN: &str = "admin-token-of-the-tests-0123456789";

/// A shop with a booking that needs attention, and one that does not, and a dead letter.
async fn busy_shop() -> (Shop, Program) {
    let shop = Shop::without_worker(Stack::sqlite_embedded().await).await;
    let console = Program::open(&shop).await;
    let slot = shop.slot(5).await;
    shop.stack.slot_after(slot, 60).await;
    for number in 1..3 {
        let session = shop.create(slot).await;
        shop.pay(&session, Outcome::Succeed).await;
        shop.wait_for_bookings(number).await;
    }
    let poison = json!("no event");
    let (signature, body) = shop.stripe.sign(&poison);
    let (now, trace) = (clock::system(), Traceparent::new());
    let poison = Envelope::stripe_event("evt_poison", body.into(), &signature, now, &trace);
    shop.publisher.publish(Lane::Events, &poison).await.unwrap();
    eventually("it is set aside", async || {
        console.get("/overview").await["waiting"]["dead_letters"] == 1
    })
    .await;
    (shop, console)
}

async fn references(console: &Program) -> Vec<String> {
    let found = console.get("/bookings").await;
    let rows = found["bookings"].as_array().unwrap().iter();
    rows.map(|it| it["reference"].as_str().unwrap().to_owned())
        .collect()
}

async fn needs_attention(shop: &Shop, reference: &str) {
    booking::Entity::update_many()
        .col_expr(booking::Column::Status, Expr::value(Status::NeedsAttention))
        .filter(booking::Column::Reference.eq(reference))
        .exec(&shop.stack.patient_db)
        .await
        .unwrap();
}

/// From an e-mail address to the story and the right button: Find, and the booking. No mouse.
#[tokio::test(flavor = "multi_thread")]
async fn a_keyboard_leads_from_an_address_to_the_decision() {
    let (shop, console) = busy_shop().await;
    let references = references(&console).await;
    needs_attention(&shop, &references[0]).await;
    let browser = Browser::open().await;
    browser.goto(&console.worker.url("/")).await;
    browser.read_heading("Overview").await;

    for _ in 0..3 {
        browser.press(Key::Tab).await; // past the skip link and the name, to the search
    }
    browser.type_keys("ada@example.com").await;
    browser.press(Key::Enter).await;
    browser.read_heading("2 orders found").await;
    let is_there = |reference: &str| {
        format!(
            "return document.activeElement.getAttribute('href') === '/console/bookings/{reference}'"
        )
    };
    tab_until(&browser, &is_there(&references[0])).await;
    browser.press(Key::Enter).await;
    browser.read_heading(&references[0]).await;
    tab_until(
        &browser,
        "return document.activeElement.textContent === 'Book it'",
    )
    .await;
    browser.press(Key::Enter).await;
    browser.type_keys("Grace").await;
    browser.press(Key::Tab).await;
    browser.type_keys("there was a seat").await;
    browser.press(Key::Enter).await;
    let command = format!(
        "worker booking resolve {} --book --by Grace --why 'there was a seat'",
        references[0]
    );
    browser.find("form code", &command).await;
    browser.press(Key::Enter).await;

    browser.find(".notice", "is booked").await;
    browser.find(".badge", "confirmed").await;
    browser.close(&[]).await;
    console.close().await;
    shop.close().await;
}

async fn tab_until(browser: &Browser, is_there: &str) {
    for _ in 0..40 {
        if browser.run(is_there).await == true {
            return;
        }
        browser.press(Key::Tab).await;
    }
    panic!("no key leads there: {is_there}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_goes_by_a_typed_word_alone() {
    let (shop, console) = busy_shop().await;
    let browser = Browser::open().await;
    browser.goto(&console.worker.url("/console")).await;
    browser.click(".numbers a", "dead letters").await;
    browser.click(".rows a", "evt_poison").await;
    browser.click("button", "Discard").await;
    browser.type_keys("Grace").await;
    browser.press(Key::Tab).await;
    browser.type_keys("not ours").await;
    browser.press(Key::Tab).await;
    browser.type_keys("replay").await;
    let is_off = "return document.querySelector('form:not(#find) .main').disabled";
    assert_eq!(
        browser.run(is_off).await,
        true,
        "another word is no confirmation"
    );
    browser.fill("input[spellcheck='false']", "discard").await;
    browser.find("form code", "worker dead discard").await;
    browser.press(Key::Enter).await;

    browser.find(".notice", "1 discarded").await;
    browser.find(".badge", "discarded").await;
    browser.close(&[]).await;
    console.close().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_the_token_signs_in_and_out() {
    let (shop, open) = busy_shop().await;
    open.close().await;
    let mut variables = shop.variables();
    variables.insert("ADMIN_TOKEN", TOKEN.to_owned());
    let console = Program::open_with(variables).await;
    let browser = Browser::open().await;
    browser.goto(&console.worker.url("/console/checks")).await;
    browser.read_heading("Sign in").await;
    browser.assert_accessible().await;
    browser.type_keys("guess").await;
    browser.press(Key::Enter).await;
    browser.find(".notice", "not the token").await;
    browser.type_keys(TOKEN).await;
    browser.press(Key::Enter).await;
    browser.read_heading("Checks").await;

    browser.click("button", "Audit").await;
    browser.find(".badge", "clean").await;
    browser.find("pre", "no difference").await;
    browser.click("#sign-out", "Sign out").await;
    browser.read_heading("Sign in").await;
    browser.close(&["401"]).await;
    console.close().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_fits_a_phone_and_shuts_nobody_out() {
    let (shop, console) = busy_shop().await;
    let references = references(&console).await;
    needs_attention(&shop, &references[0]).await;
    let letters = console.get("/dead-letters").await;
    let letter = letters["letters"][0]["id"].as_str().unwrap().to_owned();
    let browser = Browser::open().await;
    for (is_phone, is_dark) in [(false, false), (false, true), (true, true), (true, false)] {
        if is_phone {
            browser.like_a_phone().await;
        }
        browser.prefer(if is_dark { "dark" } else { "light" }).await;
        let visit = async |path: &str, heading: &str| {
            browser.goto(&console.worker.url(path)).await;
            browser.read_heading(heading).await;
        };
        visit("/console", "Overview").await;
        browser.find("figure", "waiting").await;
        browser.find(".rows", "checkout.session.completed").await;
        browser.assert_accessible().await;
        visit("/console/bookings#find=ada@example.com", "2 orders found").await;
        browser.assert_accessible().await;
        visit(
            "/console/bookings?status=needs_attention",
            "Bookings: needs attention",
        )
        .await;
        browser.click(".button", "Decide").await;
        browser.click("#decide button", "Cancel").await;
        browser.assert_accessible().await;
        visit("/console/events", "Latest events").await;
        browser.assert_accessible().await;
        visit("/console/dead-letters", "Dead letters").await;
        browser.assert_accessible().await;
        visit(&format!("/console/dead-letters/{letter}"), "Dead letter").await;
        browser.click("button", "Replay").await;
        browser.assert_accessible().await;
        visit("/console/slots", "Slots to come").await;
        browser.assert_accessible().await;
        visit("/console/checks", "Checks").await;
        browser.click("button", "Doctor").await;
        browser.find(".rows", "database").await;
        browser.assert_accessible().await;
        let smallest = "return Math.min(...[...document.querySelectorAll('button:not(.small), .button')]\
            .map((it) => it.offsetHeight).filter(Boolean))";
        assert!(
            browser.run(smallest).await.as_f64().unwrap() >= 44.0,
            "for a finger"
        );
    }
    browser.close(&[]).await;
    console.close().await;
    // It was booked, and is again what the payment says.
    let book = json!({ "resolution": "book", "by": "Grace", "why": "as it was" });
    let console = Program::open(&shop).await;
    console
        .post(&format!("/bookings/{}/resolve", references[0]), book)
        .await;
    console.close().await;
    shop.close().await;
}
