//! The catalogue in a file: applied whole or not at all, twice without a change, and never at the cost of
//! what is sold.

mod refused;
mod series;

use std::fs;

use sea_orm::{EntityTrait, QueryOrder};
use serde_json::Value;
use shared::db::{offering, slot};
use tempfile::TempDir;

use crate::{
    operations::worker,
    shop::Shop,
    stack::{Stack, on_each_stack},
};

on_each_stack![
    a_file_leads_to_what_it_says_and_twice_changes_nothing,
    what_is_closed_is_not_sold,
];

const TOML: &str = r#"
[[offering]]
key = "kayak"
name = "Harbour kayak tour"
description = "Two hours on calm water."
price = "49.00"
currency = "eur"
time_zone = "Europe/Berlin"
location = "Pier 3"
cancellation_free_hours = 48
cancellation_late_percent = 50

[[offering.slots]]
starts_at = "2099-03-21T10:00"
minutes = 120
capacity = 10
repeat = "FREQ=WEEKLY;COUNT=3"
except = ["2099-03-28"]

[[offering.slots]]
starts_at = "2099-06-01T18:00"
minutes = 60
capacity = 2

[[offering]]
key = "tea"
name = "Tea ceremony"
price = "5000"
currency = "jpy"
"#;

/// What `worker catalogue apply` says of `text`; `Err` is its complaint.
async fn apply(shop: &Shop, name: &str, text: &str, more: &[&str]) -> Result<String, String> {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join(name);
    fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    say(shop, &[&["catalogue", "apply", file], more].concat()).await
}

async fn say(shop: &Shop, arguments: &[&str]) -> Result<String, String> {
    let output = worker(shop, arguments).await;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr))
    }
}

async fn rows(shop: &Shop) -> (Vec<offering::Model>, Vec<slot::Model>) {
    let db = &shop.stack.db;
    let offerings = offering::Entity::find().order_by_asc(offering::Column::Name);
    let slots = slot::Entity::find().order_by_asc(slot::Column::StartsAt);
    (
        offerings.all(db).await.unwrap(),
        slots.all(db).await.unwrap(),
    )
}

async fn a_file_leads_to_what_it_says_and_twice_changes_nothing(stack: Stack) {
    let shop = Shop::without_worker(stack).await;

    let dry = apply(&shop, "c.toml", TOML, &["--dry-run"]).await.unwrap();
    assert_eq!(rows(&shop).await, (vec![], vec![]));
    let first = apply(&shop, "c.toml", TOML, &[]).await.unwrap();
    let before = rows(&shop).await;
    let second = apply(&shop, "c.toml", TOML, &[]).await.unwrap();

    assert!(dry.contains("5 changes would be made"), "{dry}");
    assert!(
        first.contains("5 changes made") && first.contains("+ offering kayak"),
        "{first}"
    );
    assert!(second.contains("0 changes made"), "{second}");
    assert_eq!(rows(&shop).await, before);
    let (offerings, slots) = before;
    assert_eq!(
        (
            offerings[0].unit_amount_minor_units,
            offerings[1].unit_amount_minor_units
        ),
        (4900, 5000)
    );
    assert_eq!(offerings[0].time_zone.as_deref(), Some("Europe/Berlin"));
    // In winter, and in summer.
    let starts: Vec<String> = slots.iter().map(|it| it.starts_at.to_string()).collect();
    assert_eq!(starts.len(), 3);
    assert!(starts[0].starts_with("2099-03-21 9:00"), "{starts:?}");
    assert!(starts[1].starts_with("2099-04-04 8:00"), "{starts:?}");

    // What is exported leads to the same, either way.
    for (format, name) in [("toml", "e.toml"), ("csv", "e.csv")] {
        let exported = say(&shop, &["catalogue", "export", "--format", format])
            .await
            .unwrap();
        let again = apply(&shop, name, &exported, &[]).await.unwrap();
        assert!(
            again.contains("0 changes made"),
            "{format}: {again}\n{exported}"
        );
    }
    let changed = TOML
        .replace("49.00", "52.50")
        .replace("capacity = 2\n", "capacity = 4\n");
    let past = "[[offering.slots]]\nstarts_at = \"2020-01-01T10:00\"\nminutes = 60\ncapacity = 4";
    let changed = format!("{changed}\n{past}");
    let changed = apply(&shop, "c.toml", &changed, &[]).await.unwrap();
    assert!(
        changed.contains("~ offering kayak") && changed.contains("2 changes made"),
        "{changed}"
    );
    assert!(
        changed.contains("1 slot of the file left alone"),
        "{changed}"
    );
    let (offerings, slots) = rows(&shop).await;
    assert_eq!(offerings[0].unit_amount_minor_units, 5250);
    assert_eq!(slots.len(), 3);
    shop.close().await;
}

async fn what_is_closed_is_not_sold(stack: Stack) {
    let shop = Shop::without_worker(stack).await;
    apply(&shop, "c.toml", TOML, &[]).await.unwrap();
    let offered = async || -> Value {
        let answer = shop
            .http
            .get(format!("{}/api/offerings", shop.url))
            .send()
            .await
            .unwrap();
        answer.json().await.unwrap()
    };
    let (_, slots) = rows(&shop).await;
    let id = slots[0].id.to_string();

    let held = shop.create(slots[0].id).await;
    let can_be_paid = say(&shop, &["slot", "close", &id, "--cancel", "--why", "ill"]).await;
    let can_be_paid = can_be_paid.unwrap_err();
    assert!(
        can_be_paid.contains("1 order can still be paid"),
        "{can_be_paid}"
    );
    shop.stripe.expire(&held.id).unwrap();
    let fewer = offered().await;
    let (status, refused) = shop.try_create(slots[0].id, 1).await;
    say(&shop, &["offering", "close", "kayak"]).await.unwrap();
    let none = offered().await;
    let (_, closed) = shop.try_create(slots[1].id, 1).await;
    say(&shop, &["offering", "open", "kayak"]).await.unwrap();
    say(&shop, &["slot", "open", &id]).await.unwrap();
    let again = offered().await;

    let kayak = |offered: &Value| {
        let offerings = offered["offerings"].as_array().unwrap().clone();
        offerings
            .into_iter()
            .find(|it| it["name"] == "Harbour kayak tour")
    };
    assert_eq!(kayak(&fewer).unwrap()["slots"].as_array().unwrap().len(), 2);
    assert_eq!(kayak(&fewer).unwrap()["time_zone"], "Europe/Berlin");
    assert_eq!(
        (status.as_u16(), refused["code"].as_str().unwrap()),
        (409, "slot_closed")
    );
    assert!(kayak(&none).is_none());
    assert_eq!(closed["code"], "slot_closed");
    assert_eq!(kayak(&again).unwrap()["slots"].as_array().unwrap().len(), 3);
    let set = say(&shop, &["offering", "set", "kayak", "--price", "55"])
        .await
        .unwrap();
    let wrong = say(&shop, &["offering", "set", "kayak", "--price", "0.10"])
        .await
        .unwrap_err();
    let listed = say(&shop, &["offering", "list"]).await.unwrap();
    assert!(set.contains("kayak is changed") && wrong.contains("below the smallest charge"));
    assert!(
        listed.contains("55.00 EUR a seat, Europe/Berlin"),
        "{listed}"
    );
    let unknown = say(&shop, &["slot", "list", "--offering", "canoe"])
        .await
        .unwrap_err();
    assert!(unknown.contains("there is no offering canoe"), "{unknown}");
    shop.close().await;
}
