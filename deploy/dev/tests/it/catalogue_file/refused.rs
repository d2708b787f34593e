//! What a file may not say, and what may not be taken away.

use sea_orm::{ConnectionTrait, EntityTrait};
use stripe_sim::Outcome;

use super::{TOML, apply, rows, say};
use crate::{
    shop::Shop,
    stack::{Stack, on_each_stack},
};

on_each_stack![
    what_is_sold_stands_in_the_way,
    everything_that_is_wrong_is_named_and_nothing_is_changed,
    the_database_refuses_what_the_file_may_not_say,
];

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
