//! What people write into `offering` and `slot` by hand: refused where it is written, and where it
//! is there all the same, one bad row costs that row.

use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, sea_query::Expr};
use serde_json::{Value, json};
use shared::{clock, db::slot};
use testkit::order;
use uuid::Uuid;

use crate::{
    shop::Shop,
    stack::{Stack, on_each_stack},
};

on_each_stack![
    the_database_refuses_what_cannot_be_sold,
    one_bad_row_costs_that_row_and_doctor_names_it,
    each_offering_pages_on_its_own,
    a_slot_that_ends_before_it_starts_is_not_sold,
];

async fn offerings(shop: &Shop) -> Vec<Value> {
    let answer = shop
        .http
        .get(format!("{}/api/offerings", shop.url))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let answer: Value = answer.json().await.unwrap();
    answer["offerings"].as_array().unwrap().clone()
}

/// An id as this engine's SQL writes it.
fn id(backend: DbBackend, id: Uuid) -> String {
    match backend {
        DbBackend::Postgres => format!("'{id}'"),
        _ => format!("x'{}'", id.simple()),
    }
}

fn offering(backend: DbBackend, name: &str, amount: &str, currency: &str) -> String {
    let id = id(backend, Uuid::now_v7());
    format!(
        "INSERT INTO offering (id, name, description, unit_amount_minor_units, currency) \
         VALUES ({id}, '{name}', '', {amount}, '{currency}')"
    )
}

async fn the_database_refuses_what_cannot_be_sold(stack: Stack) {
    let backend = stack.db.get_database_backend();
    let run = async |sql: String| stack.db.execute_unprepared(&sql).await;
    for (name, amount, currency) in [
        ("Upper", "5000", "JPY"),
        ("Four", "5000", "EURO"),
        ("Two", "5000", "eu"),
        ("", "5000", "eur"),
        ("Below", "-1", "eur"),
        ("Step", "5050", "isk"),
        ("Step", "5125", "kwd"),
        ("Small", "49", "eur"),
        ("Unknown", "5000", "zzz"),
        ("Large", "100000000", "eur"),
        ("Large", "1000000000000", "idr"),
    ] {
        let refused = run(offering(backend, name, amount, currency)).await;
        assert!(refused.is_err(), "{name} {amount} {currency}");
    }
    for (amount, currency) in [
        ("0", "eur"),
        ("5000", "isk"),
        ("5120", "kwd"),
        ("50", "jpy"),
        ("1", "vnd"),
        ("150000000", "idr"),
    ] {
        run(offering(backend, "Good", amount, currency))
            .await
            .unwrap();
    }
    let changed = run("UPDATE offering SET currency = 'EUR'".to_owned()).await;
    assert!(changed.is_err());
    if backend == DbBackend::Sqlite {
        // As it is typed for PostgreSQL: this engine would take the text, and never find it again.
        let text = "INSERT INTO offering (id, name, description, unit_amount_minor_units, currency) \
                    VALUES ('7f0c2b0e-2a43-4c5f-9d0b-3f8f0a6f1c11', 'Kayak', '', 4900, 'eur')";
        let refused = run(text.to_owned()).await.unwrap_err().to_string();
        assert!(refused.contains("write x'"), "{refused}");
    }
}

async fn one_bad_row_costs_that_row_and_doctor_names_it(stack: Stack) {
    let shop = Shop::open(stack).await;
    let (db, backend) = (&shop.stack.patient_db, shop.stack.db.get_database_backend());
    let run = async |sql: &str| db.execute_unprepared(sql).await.unwrap();
    let good = shop.slot(1).await;
    // From before the checks, or past them.
    if backend == DbBackend::Postgres {
        run("ALTER TABLE offering DROP CONSTRAINT offering_currency_check").await;
        run("DROP TRIGGER offering_known_currency ON offering").await;
        run(&offering(backend, "Misspelt", "5000", "EURO")).await;
    } else {
        for trigger in [
            "offering_check_insert",
            "offering_known_currency_insert",
            "slot_check_insert",
            "slot_utc_insert",
        ] {
            run(&format!("DROP TRIGGER {trigger}")).await;
        }
        run(&offering(backend, "Misspelt", "5000", "EURO")).await;
        run(
            "INSERT INTO offering (id, name, description, unit_amount_minor_units, currency) \
             VALUES ('7f0c2b0e-2a43-4c5f-9d0b-3f8f0a6f1c11', 'Text', '', 4900, 'eur')",
        )
        .await;
        run("INSERT INTO slot (id, offering_id, starts_at, ends_at, capacity) \
             VALUES ('7f0c2b0e-2a43-4c5f-9d0b-3f8f0a6f1c12', '7f0c2b0e-2a43-4c5f-9d0b-3f8f0a6f1c11', \
                     '2099-05-01 10:00:00+00:00', '2099-05-01 12:00:00+00:00', 12)")
        .await;
    }

    let listed = offerings(&shop).await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["slots"].as_array().unwrap().len(), 1);
    assert_eq!(shop.try_create(good, 1).await.0, 201);
    let doctor = crate::operations::worker(&shop, &["doctor", "--json"]).await;
    assert!(!doctor.status.success());
    let findings: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    let findings = findings.as_array().unwrap().iter();
    let catalogue: Vec<_> = findings.filter(|it| it["check"] == "catalogue").collect();
    let named = |text: &str| {
        catalogue
            .iter()
            .any(|it| it["detail"].as_str().unwrap().contains(text))
    };
    assert!(named("Misspelt"), "{catalogue:?}");
    if backend == DbBackend::Sqlite {
        assert!(
            named("7f0c2b0e-2a43-4c5f-9d0b-3f8f0a6f1c11"),
            "{catalogue:?}"
        );
        assert!(
            named("7f0c2b0e-2a43-4c5f-9d0b-3f8f0a6f1c12"),
            "{catalogue:?}"
        );
    }

    // What cannot be priced cannot be ordered, and that is no outage.
    let starts_at = shared::clock::system() + time::Duration::DAY;
    let slot = shop.stack.slot_at(1, starts_at).await;
    if backend == DbBackend::Sqlite {
        run("DROP TRIGGER offering_check_update").await;
        run("DROP TRIGGER offering_known_currency_update").await;
    }
    run("UPDATE offering SET currency = 'EURO'").await;
    let answer = shop
        .post("/api/create-checkout-session", &order(slot, 1))
        .await;
    assert_eq!(answer.status(), 409);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["code"], "offering_unavailable");
    let audit = crate::operations::worker(&shop, &["audit", "--since", "1h"]).await;
    let complaint = String::from_utf8_lossy(&audit.stderr);
    assert!(audit.status.success(), "{complaint}");
    if backend == DbBackend::Sqlite {
        for table in ["slot", "offering"] {
            run(&format!("DELETE FROM {table} WHERE typeof(id) = 'text'")).await;
        }
    }
    shop.close().await;
}

async fn each_offering_pages_on_its_own(stack: Stack) {
    let shop = Shop::open(stack).await;
    let first = shop.slot(1).await;
    for minutes in 1..=119 {
        shop.stack.slot_after(first, minutes).await;
    }
    let late = shared::clock::system() + time::Duration::days(200);
    shop.stack.slot_at(1, late).await;

    let listed = offerings(&shop).await;

    let mut sizes: Vec<_> = listed
        .iter()
        .map(|it| {
            (
                it["slots"].as_array().unwrap().len(),
                it["more_slots"].as_bool().unwrap(),
            )
        })
        .collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [(1, false), (50, true)]);
    let busy = listed.iter().find(|it| it["more_slots"] == true).unwrap();
    let offering_id = busy["id"].as_str().unwrap();
    let mut slots = busy["slots"].as_array().unwrap().clone();
    let mut more = true;
    while more {
        let after = slots.last().unwrap()["id"].as_str().unwrap();
        let url = format!(
            "{}/api/offerings/{offering_id}/slots?after={after}",
            shop.url
        );
        let page: Value = shop
            .http
            .get(url)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        slots.extend(page["slots"].as_array().unwrap().iter().cloned());
        more = page["more_slots"].as_bool().unwrap();
    }
    let mut times: Vec<_> = slots
        .iter()
        .map(|it| it["starts_at"].as_str().unwrap())
        .collect();
    assert_eq!(times.len(), 120);
    assert!(times.is_sorted());
    times.dedup();
    assert_eq!(times.len(), 120);
    for (path, status, code) in [
        (format!("{offering_id}/slots"), 400, "malformed_request"),
        (
            format!("{offering_id}/slots?after=1"),
            400,
            "malformed_request",
        ),
        (format!("x/slots?after={first}"), 400, "malformed_request"),
        (
            format!("{}/slots?after={first}", Uuid::now_v7()),
            404,
            "slot_not_found",
        ),
    ] {
        let answer = shop
            .http
            .get(format!("{}/api/offerings/{path}", shop.url))
            .send()
            .await;
        let answer = answer.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["code"], code);
    }
    shop.close().await;
}

/// One from before the database refused it. What doctor says of it is true.
async fn a_slot_that_ends_before_it_starts_is_not_sold(stack: Stack) {
    let shop = Shop::open(stack).await;
    let good = shop.slot(1).await;
    let bad = shop.stack.slot_after(good, 60).await;
    let later = shop.stack.slot_after(good, 120).await;
    let ends_at = clock::system();
    let past_the_check = match shop.stack.db.get_database_backend() {
        DbBackend::Postgres => "DROP TRIGGER slot_ends_after_start ON slot",
        _ => "DROP TRIGGER slot_ends_after_start_update",
    };
    let drop = shop.stack.patient_db.execute_unprepared(past_the_check);
    drop.await.unwrap();
    slot::Entity::update_many()
        .col_expr(slot::Column::EndsAt, Expr::value(ends_at))
        .filter(slot::Column::Id.eq(bad))
        .exec(&shop.stack.patient_db)
        .await
        .unwrap();

    let listed = offerings(&shop).await;
    let offering = listed[0]["id"].as_str().unwrap();
    let path = format!("/api/offerings/{offering}/slots?after={good}");
    let page = shop.http.get(format!("{}{path}", shop.url)).send().await;
    let page: Value = page.unwrap().json().await.unwrap();
    let ordered = shop.try_create(bad, 1).await;

    let ids = |slots: &Value| -> Vec<Value> {
        let slots = slots.as_array().unwrap().iter();
        slots.map(|it| it["id"].clone()).collect()
    };
    assert_eq!(ids(&listed[0]["slots"]), [json!(good), json!(later)]);
    assert_eq!(ids(&page["slots"]), [json!(later)]);
    assert_eq!(ordered.0, 409);
    assert_eq!(ordered.1["code"], "offering_unavailable");
    assert_eq!(shop.seats_taken(bad).await, 0);
    shop.close().await;
}
