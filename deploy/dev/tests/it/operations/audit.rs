//! `worker audit`: every kind of difference between the books is found.

use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use serde_json::Value;
use shared::{
    clock,
    db::{checkout, payment},
};
use stripe_sim::Outcome;
use uuid::Uuid;

use super::{json, worker};
use crate::{
    shop::{Session, Shop, eventually},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    books_that_agree_are_no_difference,
    a_session_that_names_anothers_checkout_takes_nothing_from_it,
    each_difference_is_named,
    seats_are_looked_at_until_their_slot_is_over,
];

async fn booked(shop: &Shop, count: i32) -> Vec<Session> {
    let slot = shop.slot(count).await;
    let mut sessions = Vec::new();
    for _ in 0..count {
        let session = shop.create(slot).await;
        shop.pay(&session, Outcome::Succeed).await;
        sessions.push(session);
    }
    shop.wait_for_bookings(u64::try_from(count).unwrap()).await;
    sessions
}

async fn books_that_agree_are_no_difference(stack: Stack) {
    let shop = Shop::open(stack).await;
    let sessions = booked(&shop, 3).await;
    shop.stripe.refund(&sessions[0].id, Some(1000)).unwrap();
    shop.stripe.refund(&sessions[1].id, None).unwrap();

    eventually("both refunds are known", async || {
        let rows = payment::Entity::find().all(&shop.stack.db).await.unwrap();
        let refunded = rows.iter().map(|row| row.amount_refunded_minor_units);
        refunded.sum::<i64>() == 1000 + 4900
    })
    .await;

    let audit = json(&shop, &["audit", "--since", "1h", "--json"]).await;

    assert_eq!(audit["differences"], Value::Array(Vec::new()));
    assert_eq!(audit["paid_sessions"], 3);
    assert_eq!(audit["payments"], 3);
    let text = worker(&shop, &["audit"]).await;
    assert!(text.status.success());
    let text = String::from_utf8_lossy(&text.stdout);
    assert!(text.contains("no difference"), "{text}");
    shop.close().await;
}

async fn a_session_that_names_anothers_checkout_takes_nothing_from_it(stack: Stack) {
    let shop = Shop::open(stack).await;
    booked(&shop, 1).await;
    let checkout = checkout::Entity::find().one(&shop.stack.db).await;
    let id = checkout.unwrap().unwrap().id;
    // A session made later, so that Stripe lists it first.
    let id = id.to_string();
    let form = [
        ("mode", "payment"),
        ("success_url", "https://another.example"),
        ("metadata[checkout_id]", id.as_str()),
        ("line_items[0][quantity]", "1"),
        ("line_items[0][price_data][currency]", "eur"),
        ("line_items[0][price_data][unit_amount]", "500"),
        ("line_items[0][price_data][product_data][name]", "A mug"),
    ];
    let url = format!("{}/v1/checkout/sessions", shop.stripe.base_url());
    let request = shop.http.post(url).bearer_auth("sk_test_of_the_tests");
    let made = request.form(&form).send().await.unwrap();
    assert!(made.status().is_success());

    let audit = json(&shop, &["audit", "--since", "1h", "--json"]).await;

    assert_eq!(audit["sessions"], 2);
    assert_eq!(audit["paid_sessions"], 1);
    assert_eq!(audit["differences"], Value::Array(Vec::new()));
    shop.close().await;
}

/// Of an order from long ago: an audit does not read them all, but those of slots that are to come.
async fn seats_are_looked_at_until_their_slot_is_over(stack: Stack) {
    let shop = Shop::open(stack).await;
    let two_days_ago = clock::system().saturating_sub(time::Duration::days(2));
    let to_come = shop.slot(1).await;
    let over = shop.stack.slot_at(1, two_days_ago).await;
    let session = shop.create(to_come).await;
    let order = checkout::Entity::find()
        .filter(checkout::Column::SessionId.eq(&session.id))
        .one(&shop.stack.db);
    let order = order.await.unwrap().unwrap();
    for (number, slot) in [(1, to_come), (2, over)] {
        let forgotten = checkout::Model {
            id: Uuid::from_u128(number),
            slot_id: Some(slot),
            session_id: Some(format!("cs_test_longAgoSomewhere{number}")),
            idempotency_key: None,
            state: checkout::State::Expired,
            seats_held: true,
            ..order.clone()
        };
        let row = checkout::ActiveModel::from(forgotten).reset_all();
        row.insert(&shop.stack.patient_db).await.unwrap();
    }
    let found = async |since| -> Vec<String> {
        let audit = worker(&shop, &["audit", "--json", "--since", since]).await;
        let audit: Value = serde_json::from_slice(&audit.stdout).unwrap();
        let differences = audit["differences"].as_array().unwrap().iter();
        let of_checkouts = differences.filter(|it| it["what"] == "seats_held_differ");
        let subjects = of_checkouts.map(|it| it["subject"].as_str().unwrap().to_owned());
        subjects.collect()
    };

    let checkout = |number| format!("checkout {}", Uuid::from_u128(number));
    assert_eq!(found("1h").await, [checkout(1)]);
    let mut all = found("3d").await;
    all.sort();
    assert_eq!(all, [checkout(1), checkout(2)]);
    // Not closed: these books do not balance.
}

async fn each_difference_is_named(stack: Stack) {
    let mut shop = Shop::open(stack).await;
    let sessions = booked(&shop, 7).await;
    shop.stop_workers().await;
    let of = |session: &Session| {
        format!(
            "(SELECT id FROM checkout WHERE session_id = '{}')",
            session.id
        )
    };
    let [
        unpaid,
        unbooked,
        cheap,
        given_back,
        unknown,
        seatless,
        forgotten,
    ] = sessions.as_slice()
    else {
        panic!("seven were booked")
    };
    for statement in [
        format!("DELETE FROM booking WHERE checkout_id = {}", of(unpaid)),
        format!("DELETE FROM payment WHERE checkout_id = {}", of(unpaid)),
        format!("DELETE FROM booking WHERE checkout_id = {}", of(unbooked)),
        format!(
            "UPDATE payment SET amount_minor_units = 1 WHERE checkout_id = {}",
            of(cheap)
        ),
        format!(
            "UPDATE payment SET amount_refunded_minor_units = 5 WHERE checkout_id = {}",
            of(given_back)
        ),
        format!(
            "UPDATE payment SET session_id = 'cs_test_nobodyKnowsThis' WHERE checkout_id = {}",
            of(unknown)
        ),
        format!(
            "UPDATE checkout SET seats_held = false WHERE id = {}",
            of(seatless)
        ),
        format!(
            "DELETE FROM stripe_event WHERE checkout_id = {}",
            of(forgotten)
        ),
        format!("DELETE FROM booking WHERE checkout_id = {}", of(forgotten)),
        format!("DELETE FROM payment WHERE checkout_id = {}", of(forgotten)),
        format!("DELETE FROM outbox WHERE checkout_id = {}", of(forgotten)),
        format!("DELETE FROM checkout WHERE session_id = '{}'", forgotten.id),
    ] {
        shop.stack
            .patient_db
            .execute_unprepared(&statement)
            .await
            .unwrap();
    }

    let output = worker(&shop, &["audit", "--json"]).await;

    assert!(!output.status.success(), "a difference is a failure");
    let audit: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut found: Vec<(String, String)> = audit["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            let word = |field: &str| it[field].as_str().unwrap().to_owned();
            (word("what"), word("subject"))
        })
        .filter(|(what, _)| !what.starts_with("seats"))
        .collect();
    found.sort();
    let mut expected = vec![
        ("payment_missing".to_owned(), unpaid.id.clone()),
        ("booking_missing".to_owned(), unbooked.id.clone()),
        ("amount_differs".to_owned(), cheap.id.clone()),
        ("refunded_differs".to_owned(), given_back.id.clone()),
        (
            "not_paid_at_stripe".to_owned(),
            "cs_test_nobodyKnowsThis".to_owned(),
        ),
        ("hold_missing".to_owned(), forgotten.id.clone()),
    ];
    expected.sort();
    assert_eq!(found, expected);
    let kinds = audit["differences"].to_string();
    assert!(kinds.contains("seats_differ"), "{kinds}");
    assert!(kinds.contains("seats_held_differ"), "{kinds}");
    // Not closed: these books do not balance.
}
