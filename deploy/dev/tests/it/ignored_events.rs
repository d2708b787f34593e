//! Authentic events that are not acted on.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    queue,
    shop::{Shop, eventually},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    what_is_not_for_us_is_acknowledged_and_changes_nothing,
    what_is_left_out_is_named_by_doctor,
];

async fn what_is_not_for_us_is_acknowledged_and_changes_nothing(stack: Stack) {
    let mut shop = Shop::without_worker(stack).await;
    let (_, event) = shop.undelivered_payment().await;
    let with = |pointer: &str, value: Value| {
        let mut event = event.clone();
        *event.pointer_mut(pointer).unwrap() = value;
        event
    };
    let mut connected = event.clone();
    connected["account"] = json!("acct_1");
    let mut foreign = with("/data/object/id", json!("cs_test_ofSomebodyElse"));
    foreign["id"] = json!("evt_foreign");
    foreign["data"]["object"]["metadata"] = json!({});
    foreign["data"]["object"]["client_reference_id"] = json!("campaign-7");

    for event in [
        with("/type", json!("customer.created")),
        with("/type", json!("brand.new.type")),
        with("/livemode", json!(true)),
        with("/object", json!("v3.core.event")),
        connected,
        foreign,
    ] {
        assert_eq!(shop.deliver(&event).await.0, StatusCode::OK, "{event}");
    }
    // Only the worker can tell that a session is another integration's.
    eventually("the foreign one is queued", async || {
        queue::waiting(&shop.stack, "events").await == 1
    })
    .await;
    shop.start_worker();
    shop.deliver(&event).await;
    shop.wait_for_bookings(1).await;
    // By then it has finished the foreign one as well, which it got first.
    shop.stop_workers().await;
    assert_eq!(queue::waiting(&shop.stack, "events").await, 0);
    assert_eq!(queue::dead(&shop.stack).await, 0);
    assert_eq!(shop.bookings().await, 1);
    shop.close().await;
}

async fn what_is_left_out_is_named_by_doctor(stack: Stack) {
    let shop = Shop::open(stack).await;
    let (_, event) = shop.undelivered_payment().await;
    let mut other_mode = event.clone();
    (other_mode["livemode"], other_mode["id"]) = (json!(true), json!("evt_live"));
    let mut connected = event.clone();
    (connected["account"], connected["id"]) = (json!("acct_1"), json!("evt_connected"));
    let mut later = event.clone();
    (later["object"], later["id"]) = (json!("v3.core.event"), json!("evt_later"));
    let mut not_ours = connected.clone();
    not_ours["type"] = json!("customer.created");

    for event in [&other_mode, &connected, &connected, &later, &not_ours] {
        assert_eq!(shop.deliver(event).await.0, StatusCode::OK);
    }

    let doctor = crate::operations::worker(&shop, &["doctor", "--json"]).await;
    let findings: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    let findings = findings.as_array().unwrap().iter();
    let left_out = findings.filter(|it| it["check"] == "left out");
    let mut details: Vec<_> = left_out.map(|it| it["detail"].as_str().unwrap()).collect();
    details.sort_unstable();
    assert_eq!(details.len(), 3, "{details:?}");
    assert!(
        details[0].starts_with("1 event ignored_other_mode, the last evt_live at 20"),
        "{details:?}"
    );
    assert!(
        details[1].starts_with("1 event ignored_unknown_form, the last evt_later at"),
        "{details:?}"
    );
    assert!(
        details[2].starts_with("2 events ignored_connected_account, the last evt_connected at"),
        "{details:?}"
    );
    shop.deliver(&event).await;
    shop.wait_for_bookings(1).await;
    shop.close().await;
}
