//! Stripe says no, or says it slowly: what the buyer hears, and what becomes of the seats.

use reqwest::StatusCode;
use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, sea_query::Expr};
use serde_json::{Value, json};
use shared::db::offering;
use stripe_sim::{Faults, Outcome};
use testkit::order;

use crate::{
    shop::{Session, Shop},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    a_refusal_names_the_field_or_says_that_trying_again_does_not_help,
    an_amount_that_stripe_does_not_take_is_told_before_stripe_is_asked,
    a_slow_stripe_opens_one_session_and_keeps_its_seats,
    a_stripe_that_does_not_answer_holds_no_seats,
];

async fn create(shop: &Shop, body: &Value) -> (StatusCode, Value) {
    let response = shop.post("/api/create-checkout-session", body).await;
    (response.status(), response.json().await.unwrap())
}

async fn price(shop: &Shop, currency: &str, minor_units: i64) {
    offering::Entity::update_many()
        .col_expr(offering::Column::Currency, Expr::value(currency))
        .col_expr(
            offering::Column::UnitAmountMinorUnits,
            Expr::value(minor_units),
        )
        .exec(&shop.stack.patient_db)
        .await
        .unwrap();
}

async fn a_refusal_names_the_field_or_says_that_trying_again_does_not_help(stack: Stack) {
    let shop = Shop::open(stack).await;
    let slot = shop.slot(5).await;
    for email in ["jörg@example.com", "иван@почта.рф"] {
        let mut body = order(slot, 1);
        body["customer"]["email"] = json!(email);
        let (status, answer) = create(&shop, &body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
        assert_eq!(answer["errors"][0]["field"], "customer.email");
    }
    // Our check lets it pass, and the stand-in's does not.
    let mut body = order(slot, 1);
    body["customer"]["email"] = json!("\"a@b\"@example.com");
    let (status, answer) = create(&shop, &body).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
    assert_eq!(answer["errors"][0]["field"], "customer.email");

    for faults in [
        Faults {
            nameless_account: true,
            ..Faults::default()
        },
        Faults {
            denied: vec!["rak_checkout_session_write".to_owned()],
            ..Faults::default()
        },
    ] {
        shop.stripe.set_faults(faults);
        let (status, answer) = create(&shop, &order(slot, 1)).await;
        assert_eq!(status, StatusCode::BAD_GATEWAY, "{answer}");
        assert_eq!(answer["code"], "stripe_refused");
        assert!(!answer["detail"].as_str().unwrap().contains("ry again."));
    }
    shop.stripe.set_faults(Faults::default());
    assert_eq!(shop.seats_taken(slot).await, 0);
    shop.close().await;
}

async fn an_amount_that_stripe_does_not_take_is_told_before_stripe_is_asked(stack: Stack) {
    let shop = Shop::open(stack).await;
    let slot = shop.slot(20).await;
    // A price from before the database refused it.
    let past_the_check = match shop.stack.db.get_database_backend() {
        DbBackend::Postgres => "DROP TRIGGER offering_smallest_amount ON offering",
        _ => "DROP TRIGGER offering_smallest_amount_update",
    };
    let drop = shop.stack.patient_db.execute_unprepared(past_the_check);
    drop.await.unwrap();
    let calls = shop.stripe.api_calls();
    for (currency, unit, quantity, status, what) in [
        ("eur", 20, 1, 422, "quantity"),
        ("eur", 20, 2, 422, "quantity"),
        ("usd", 20_000_000, 6, 422, "quantity"),
    ] {
        price(&shop, currency, unit).await;
        let (code, answer) = create(&shop, &order(slot, quantity)).await;
        assert_eq!(code.as_u16(), status, "{answer}");
        assert_eq!(answer["errors"][0]["field"], what, "{answer}");
    }
    assert_eq!(shop.stripe.api_calls(), calls);
    assert_eq!(shop.seats_taken(slot).await, 0);
    for (currency, unit, quantity) in [("eur", 20, 3), ("isk", 5000, 1), ("kwd", 5120, 1)] {
        price(&shop, currency, unit).await;
        let (code, answer) = create(&shop, &order(slot, quantity)).await;
        assert_eq!(code, StatusCode::CREATED, "{answer}");
    }
    shop.close().await;
}

async fn a_slow_stripe_opens_one_session_and_keeps_its_seats(stack: Stack) {
    let shop = Shop::open(stack).await;
    let slot = shop.slot(5).await;
    shop.stripe.set_faults(Faults {
        create_latency_ms: 10_000,
        ..Faults::default()
    });

    let (status, answer) = create(&shop, &order(slot, 1)).await;

    assert_eq!(status, StatusCode::CREATED, "{answer}");
    assert_eq!(shop.stripe.ledger().len(), 1);
    assert_eq!(shop.seats_taken(slot).await, 1);
    let session = Session {
        id: answer["session_id"].as_str().unwrap().to_owned(),
    };
    shop.pay(&session, Outcome::Succeed).await;
    shop.wait_for_bookings(1).await;
    shop.close().await;
}

async fn a_stripe_that_does_not_answer_holds_no_seats(stack: Stack) {
    let shop = Shop::open(stack).await;
    let slot = shop.slot(5).await;
    shop.stripe.set_faults(Faults {
        create_latency_ms: 60_000,
        ..Faults::default()
    });

    let (status, answer) = create(&shop, &order(slot, 1)).await;

    assert_eq!(status, StatusCode::BAD_GATEWAY, "{answer}");
    assert_eq!(answer["code"], "stripe_unavailable", "no key was sent");
    assert_eq!(shop.seats_taken(slot).await, 0);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_hold_works_with_clocks_a_minute_apart() {
    for hold in ["30", "1439"] {
        let mut stack = Stack::sqlite_embedded().await;
        stack.variables.insert("HOLD_MINUTES", hold.to_owned());
        let shop = Shop::without_worker(stack).await;
        let starts_at = shared::clock::system() + time::Duration::days(9);
        let slot = shop.stack.slot_at(5, starts_at).await;
        for clock_ahead_s in [-60, 0, 60] {
            shop.stripe.set_faults(Faults {
                clock_ahead_s,
                ..Faults::default()
            });
            let (status, answer) = create(&shop, &order(slot, 1)).await;
            assert_eq!(
                status,
                StatusCode::CREATED,
                "{hold} {clock_ahead_s}: {answer}"
            );
        }
        shop.close().await;
    }
}
