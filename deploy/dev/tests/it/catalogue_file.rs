//! The catalogue in a file: applied whole or not at all, twice without a change, and never at the cost of
//! what is sold.

mod series;

use std::fs;

use sea_orm::{ConnectionTrait, EntityTrait, QueryOrder};
use serde_json::Value;
use shared::db::{offering, slot};
use stripe_sim::Outcome;
use tempfile::TempDir;

use crate::{
    operations::worker,
    shop::Shop,
    stack::{Stack, on_each_stack},
};

on_each_stack![
    a_file_leads_to_what_it_says_and_twice_changes_nothing,
    what_is_sold_stands_in_the_way,
    everything_that_is_wrong_is_named_and_nothing_is_changed,
    what_is_closed_is_not_sold,
    the_database_refuses_what_the_file_may_not_say,
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

async fn what_is_sold_stands_in_the_way(stack: Stack) {
    let shop = Shop::open(stack).await;
    apply(&shop, "c.toml", TOML, &[]).await.unwrap();
    let (_, slots) = rows(&shop).await;
    let last = slots.last().unwrap().id;
    let mut references = Vec::new();
    for _ in 0..2 {
        let session = shop.create(last).await;
        shop.pay(&session, Outcome::Succeed).await;
        let (_, told) = shop.told(&session.id).await;
        references.push(told["booking"]["reference"].as_str().unwrap().to_owned());
    }
    let before = rows(&shop).await;
    let fewer = TOML
        .replace("capacity = 2\n", "capacity = 1\n")
        .replace("Harbour", "Changed");
    let start = TOML
        .find("\n[[offering.slots]]\nstarts_at = \"2099-06-01")
        .unwrap();
    let end = TOML.find("\n[[offering]]\nkey = \"tea\"").unwrap();
    let without = format!("{}{}", &TOML[..start], &TOML[end..]);
    let id = last.to_string();

    let too_few = apply(&shop, "c.toml", &fewer, &[]).await.unwrap_err();
    let left_out = apply(&shop, "c.toml", &without, &[]).await.unwrap_err();
    let set = say(&shop, &["slot", "set", &id, "--capacity", "1"])
        .await
        .unwrap_err();

    for complaint in [&too_few, &left_out, &set] {
        for reference in &references {
            assert!(complaint.contains(reference), "{complaint}");
        }
    }
    assert!(
        too_few.contains("offering 1 (kayak), slot 2, capacity"),
        "{too_few}"
    );
    assert_eq!(rows(&shop).await, before, "the name is not changed either");
    assert!(
        say(&shop, &["slot", "set", &id, "--capacity", "3"])
            .await
            .is_ok()
    );
    // Closing it can end what is sold.
    let dry = say(
        &shop,
        &[
            "slot",
            "close",
            &id,
            "--cancel",
            "--why",
            "ill",
            "--dry-run",
        ],
    )
    .await
    .unwrap();
    assert!(dry.contains(&references[0]) && !rows(&shop).await.1.last().unwrap().closed);
    let closed = say(&shop, &["slot", "close", &id, "--cancel", "--why", "ill"])
        .await
        .unwrap();
    assert!(references.iter().all(|it| closed.contains(it)), "{closed}");
    crate::shop::eventually("the money is back", async || {
        let ledger = shop.stripe.ledger();
        ledger
            .iter()
            .all(|it| it.amount_refunded == it.amount_total)
    })
    .await;
    // What a command has closed, the same file does not open.
    let same = apply(&shop, "c.toml", TOML, &[]).await.unwrap();
    let closed = rows(&shop).await.1.pop().unwrap();
    assert!(closed.closed && closed.capacity == 2, "{same}");
    let by_hand = "UPDATE slot SET seats_taken = 1";
    shop.stack
        .patient_db
        .execute_unprepared(by_hand)
        .await
        .unwrap();
    for slot in rows(&shop).await.1 {
        say(&shop, &["slot", "recount", &slot.id.to_string()])
            .await
            .unwrap();
    }
    assert!(rows(&shop).await.1.iter().all(|it| it.seats_taken == 0));
    // No seat of it is taken, but an order is for it: the row stays, closed.
    let gone = apply(&shop, "c.toml", &without, &[]).await.unwrap();
    assert!(gone.contains("0 changes made"), "{gone}");
    crate::shop::eventually("it is written down", async || {
        use shared::db::payment;
        let rows = payment::Entity::find().all(&shop.stack.db).await.unwrap();
        rows.iter()
            .all(|it| it.amount_refunded_minor_units == it.amount_minor_units)
    })
    .await;
    shop.close().await;
}

async fn everything_that_is_wrong_is_named_and_nothing_is_changed(stack: Stack) {
    let shop = Shop::without_worker(stack).await;
    let wrong = TOML
        .replace("key = \"kayak\"", "key = \"Kayak tour\"")
        .replace("49.00", "0.20")
        .replace("Europe/Berlin", "Europe/Atlantis")
        .replace("minutes = 60", "minutes = 0")
        .replace("\"5000\"", "\"50.00\"")
        .replace("FREQ=WEEKLY;COUNT=3", "FREQ=WEEKLY");

    let complaint = apply(&shop, "c.toml", &wrong, &[]).await.unwrap_err();
    let no_toml = apply(&shop, "c.toml", "[[offering]]\nname = \n", &[])
        .await
        .unwrap_err();
    let unknown = apply(&shop, "c.toml", "[[offering]]\ncolour = \"red\"\n", &[])
        .await
        .unwrap_err();
    let csv = "key,name,price,currency,starts_at,minutes,capacity\n\
               kayak,Kayak,49.00,eur,2099-05-01T09:00,120,10\n\
               kayak,Canoe,,,2099-05-02T09:00,120,many\n";
    let no_number = apply(&shop, "c.csv", csv, &[]).await.unwrap_err();
    let csv = csv.replace("many", "5").replace("2099-05-02", "2099-05-01");
    let other_name = apply(&shop, "c.csv", &csv, &[]).await.unwrap_err();
    let same_time = apply(&shop, "c.csv", &csv.replace("Canoe", ""), &[])
        .await
        .unwrap_err();
    let good = csv
        .replace("Canoe", "")
        .replace("kayak,,,,2099-05-01", "kayak,,,,2099-05-03");
    let good = apply(&shop, "c.csv", &good, &[]);

    for expected in [
        "offering 1 (Kayak tour), key: ",
        "price: 0.20 EUR is below the smallest charge",
        "there is no time zone Europe/Atlantis",
        "offering 2 (tea), price: expected an amount",
    ] {
        assert!(complaint.contains(expected), "{expected}: {complaint}");
    }
    assert!(no_toml.contains("line 2"), "{no_toml}");
    assert!(
        unknown.contains("line 2") && unknown.contains("colour"),
        "{unknown}"
    );
    assert!(
        no_number.contains("line 3") && no_number.contains("capacity"),
        "{no_number}"
    );
    assert!(
        other_name.contains("line 3, name: not what line 2 says"),
        "{other_name}"
    );
    assert!(
        same_time.contains("line 3, starts_at: line 2 begins at the same time"),
        "{same_time}"
    );
    assert_eq!(rows(&shop).await, (vec![], vec![]));
    assert!(good.await.unwrap().contains("3 changes made"));
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

async fn the_database_refuses_what_the_file_may_not_say(stack: Stack) {
    let shop = Shop::without_worker(stack).await;
    apply(&shop, "c.toml", TOML, &[]).await.unwrap();

    for (table, set, expected) in [
        ("offering", "currency = 'zzz'", "currency"),
        ("offering", "unit_amount_minor_units = 1", "amount"),
        ("offering", "cancellation_late_percent = 101", "polic"),
        ("offering", "cancellation_free_hours = -1", "polic"),
        ("slot", "ends_at = starts_at", "ends_a"),
    ] {
        let update = format!("UPDATE {table} SET {set}");
        let refused = shop.stack.patient_db.execute_unprepared(&update).await;
        let refused = refused.unwrap_err().to_string();
        assert!(
            refused.contains(expected) || refused.contains("cancellation"),
            "{set}: {refused}"
        );
    }
    shop.close().await;
}
