//! Bookings: found, told, moved, ended and resolved, as the commands do it.

use reqwest::{Method, StatusCode};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use serde_json::{Value, json};
use shared::db::booking::{self, Status};
use stripe_sim::Outcome;
use uuid::Uuid;

use super::{Program, typed};
use crate::{
    shop::{Shop, eventually},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    a_booking_is_found_and_told,
    a_booking_is_moved_and_ended,
    what_cannot_be_is_said,
    what_needs_attention_is_resolved,
];

async fn a_booking_is_found_and_told(stack: Stack) {
    let shop = Shop::without_worker(stack).await;
    let console = Program::open(&shop).await;
    let slot = shop.slot(3).await;
    shop.stack.slot_after(slot, 60).await;
    let session = shop.create(slot).await;
    shop.pay(&session, Outcome::Succeed).await;
    shop.wait_for_bookings(1).await;

    let found = console
        .post("/bookings/search", json!({ "word": "ADA@example.com" }))
        .await;
    let row = &found["bookings"][0];
    let reference = row["reference"].as_str().unwrap().to_owned();
    assert_eq!(row["paid"], "49.00 EUR");
    assert!(
        typed(&shop, &found["command"], "")
            .await
            .contains(&reference)
    );
    let listed = console.get("/bookings?status=confirmed&since=1h").await;
    assert_eq!(listed["bookings"], found["bookings"]);
    assert!(
        typed(&shop, &listed["command"], "")
            .await
            .contains(&reference)
    );
    let slots = console.get("/slots").await;
    assert_eq!(slots["slots"].as_array().unwrap().len(), 2);
    let events = console.get("/events").await;
    assert_eq!(events["events"][0]["reference"], reference.as_str());
    assert_eq!(events["events"][0]["outcome"], "booked");
    // By an event, which no list has.
    let event = json!({ "word": events["events"][0]["id"] });
    let by_event = console.post("/bookings/search", event).await;
    assert_eq!(by_event["bookings"], found["bookings"]);

    let path = format!("/bookings/{reference}");
    let shown = console.get(&path).await;
    assert_eq!(shown["buyer"]["email"], "ada@example.com");
    let story = typed(&shop, &shown["command"], "--json").await;
    assert_eq!(
        shown["story"],
        serde_json::from_str::<Value>(&story).unwrap()
    );
    let decisions: Vec<_> = shown["decisions"].as_array().unwrap().iter().collect();
    let decisions: Vec<_> = decisions
        .iter()
        .map(|it| it["decision"].as_str().unwrap())
        .collect();
    assert_eq!(decisions, ["cancel", "move"]);

    console.close().await;
    shop.close().await;
}

/// A shop with a booking, for a slot that another follows.
async fn booked(stack: Stack) -> (Shop, Program, String, Uuid) {
    let shop = Shop::without_worker(stack).await;
    let console = Program::open(&shop).await;
    let slot = shop.slot(3).await;
    let later = shop.stack.slot_after(slot, 60).await;
    let session = shop.create(slot).await;
    shop.pay(&session, Outcome::Succeed).await;
    shop.wait_for_bookings(1).await;
    let listed = console.get("/bookings").await;
    let reference = listed["bookings"][0]["reference"].as_str().unwrap();
    let path = format!("/bookings/{reference}");
    (shop, console, path, later)
}

async fn a_booking_is_moved_and_ended(stack: Stack) {
    let (shop, console, path, later) = booked(stack).await;
    // A person's words are a shell's business only as one word.
    let why = "the captain's ill; `reboot` $HOME";
    let mut move_it = json!({ "slot_id": later, "by": "Grace", "why": why, "dry_run": true });
    let seen = console.post(&format!("{path}/move"), move_it.clone()).await;
    assert_eq!(seen["report"]["done"], false);
    let said = typed(&shop, &seen["command"], "--dry-run").await;
    assert_eq!(said.trim_end(), seen["text"].as_str().unwrap());
    move_it["dry_run"] = json!(false);
    let moved = console.post(&format!("{path}/move"), move_it).await;
    assert_eq!(moved["report"]["done"], true, "{moved}");

    let cancel = json!({ "refund": "12.50", "by": "Grace", "why": "asked to" });
    let ended = console
        .post(&format!("{path}/cancel"), cancel.clone())
        .await;
    assert_eq!(ended["report"]["refund"], 1250);
    let again = console.post(&format!("{path}/cancel"), cancel).await;
    assert_eq!(
        again["report"]["done"], false,
        "once, however often it is sent"
    );
    let shown = console.get(&path).await;
    assert_eq!(shown["story"]["booking"]["status"], "cancelled");
    let decided = shown["story"]["interventions"].as_array().unwrap();
    assert_eq!(decided.len(), 2);
    assert_eq!(
        (&decided[0]["by"], &decided[0]["why"]),
        (&json!("Grace"), &json!(why))
    );

    eventually("the refund is told", async || {
        let shown = console.get(&path).await;
        let refunds = shown["story"]["refunds"].as_array().unwrap();
        refunds
            .first()
            .is_some_and(|it| it["status"] == "succeeded")
    })
    .await;
    console.close().await;
    shop.close().await;
}

async fn what_cannot_be_is_said(stack: Stack) {
    let (shop, console, path, later) = booked(stack).await;
    let (by, why) = ("Grace", "to see");
    let is_same = json!({ "slot_id": Uuid::nil(), "by": by, "why": why });
    let needs_none = json!({ "resolution": "book", "by": by, "why": why });
    let too_much = json!({ "refund": "49.01", "by": by, "why": why });
    let no_amount = json!({ "refund": "some", "by": by, "why": why });
    for (status, path, body) in [
        (404, "/bookings/NOPE/cancel".to_owned(), too_much.clone()),
        (409, format!("{path}/cancel"), too_much),
        (409, format!("{path}/cancel"), no_amount),
        (409, format!("{path}/move"), is_same),
        (409, format!("{path}/resolve"), needs_none),
        (
            400,
            format!("{path}/move"),
            json!({ "slot_id": later, "by": by, "why": " " }),
        ),
        (
            400,
            format!("{path}/move"),
            json!({ "slot_id": later, "by": by }),
        ),
        (
            400,
            format!("{path}/cancel"),
            json!({ "refund": "full", "by": by, "why": why, "dryRun": true }),
        ),
        (400, "/bookings/search".to_owned(), json!({ "word": "\0" })),
        (
            400,
            "/bookings/search".to_owned(),
            json!({ "words": "ada" }),
        ),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        let problem = console
            .expect(status, Method::POST, &path, Some(body))
            .await;
        assert_eq!(problem["status"], status.as_u16());
    }
    console.close().await;
    shop.close().await;
}

async fn what_needs_attention_is_resolved(stack: Stack) {
    let shop = Shop::without_worker(stack).await;
    let console = Program::open(&shop).await;
    let slot = shop.slot(3).await;
    let session = shop.create(slot).await;
    shop.pay(&session, Outcome::Succeed).await;
    shop.wait_for_bookings(1).await;
    booking::Entity::update_many()
        .col_expr(booking::Column::Status, Expr::value(Status::NeedsAttention))
        .filter(booking::Column::Status.eq(Status::Confirmed))
        .exec(&shop.stack.patient_db)
        .await
        .unwrap();

    let waiting = console.get("/overview").await;
    assert_eq!(waiting["waiting"]["needs_attention"], 1);
    let listed = console.get("/bookings?status=needs_attention").await;
    let reference = listed["bookings"][0]["reference"].as_str().unwrap();
    let path = format!("/bookings/{reference}");
    let shown = console.get(&path).await;
    let decisions = shown["decisions"].as_array().unwrap();
    let decisions: Vec<_> = decisions
        .iter()
        .map(|it| it["decision"].as_str().unwrap())
        .collect();
    assert_eq!(decisions, ["cancel", "book", "refund", "end"]);
    let book = json!({ "resolution": "book", "by": "Grace", "why": "there was a seat" });
    let done = console.post(&format!("{path}/resolve"), book.clone()).await;

    assert!(
        done["text"].as_str().unwrap().ends_with("is booked"),
        "{done}"
    );
    let again = console.post(&format!("{path}/resolve"), book).await;
    assert_eq!(again["report"]["done"], false, "once, however often");
    let shown = console.get(&path).await;
    assert_eq!(shown["story"]["booking"]["status"], "confirmed");
    console.close().await;
    shop.close().await;
}
