//! The calendar entry of a booking, as another's parser reads it.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use reqwest::StatusCode;
use serde_json::{Value, json};
use shared::config::Env;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{book, booking_of, buyers_link::shop_with_links, say, slot_of};
use crate::stack::{Stack, on_each_stack};

on_each_stack![a_page_has_the_entry_for_the_calendar];

/// Reads a calendar with another's parser: JSON.
const READ_CALENDAR: &str = r#"
import icalendar, json, sys
calendar = icalendar.Calendar.from_ical(sys.stdin.buffer.read())
(event,) = calendar.walk("VEVENT")
print(json.dumps({
    "uid": str(event["UID"]), "sequence": int(event["SEQUENCE"]), "summary": str(event["SUMMARY"]),
    "location": str(event["LOCATION"]), "starts_at": event.decoded("DTSTART").isoformat(),
    "errors": [str(error) for error in event.errors],
}))
"#;

async fn a_page_has_the_entry_for_the_calendar(stack: Stack) {
    let shop = shop_with_links(stack).await;
    let slot = shop.slot(2).await;
    let open = shop.create(slot).await;
    let (session, reference) = book(&shop, slot).await;
    let booking = booking_of(&shop, &reference).await;
    let get = async |session_id: &str| {
        let url = format!("{}/api/booking/calendar?session_id={session_id}", shop.url);
        shop.http.get(url).send().await.unwrap()
    };

    let file = get(&session.id).await;
    let kind = file.headers()["content-type"].clone();
    let text = file.text().await.unwrap();
    let python = Env::from_process();
    let python = python.required("TEST_PYTHON", "deploy/test, which sets it");
    let mut reader = Command::new(python.unwrap())
        .args(["-c", READ_CALENDAR])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = reader.stdin.take().unwrap();
    input.write_all(text.as_bytes()).unwrap();
    drop(input);
    let read = reader.wait_with_output().unwrap();
    let entry: Value = serde_json::from_slice(&read.stdout).unwrap();
    let unpaid = get(&open.id).await;
    let malformed = get("../refunds").await;
    let why = ["--why", "the guide is ill"];
    say(&shop, &["booking", "cancel", &reference, why[0], why[1]])
        .await
        .unwrap();
    let ended = get(&session.id).await;

    assert_eq!(kind, "text/calendar; charset=utf-8");
    assert_eq!(entry["uid"], format!("{}@127.0.0.1", booking.id));
    assert_eq!(entry["sequence"], 1);
    assert_eq!(entry["summary"], "Harbour kayak tour");
    assert_eq!(entry["location"], "Pier 3");
    assert_eq!(entry["errors"], json!([]));
    let starts_at = slot_of(&shop, slot).await.starts_at.unix_timestamp();
    let read = OffsetDateTime::parse(entry["starts_at"].as_str().unwrap(), &Rfc3339);
    assert_eq!(read.unwrap().unix_timestamp(), starts_at);
    assert_eq!(unpaid.status(), StatusCode::NOT_FOUND);
    assert_eq!(malformed.status(), StatusCode::BAD_REQUEST);
    assert_eq!(ended.status(), StatusCode::NOT_FOUND);
    shop.close().await;
}
