//! Over any coupon and any tax no honest payment is a mismatch, and no tampered one is booked.

use futures_util::future::join_all;
use rand::{random_bool, random_range};
use reqwest::StatusCode;
use sea_orm::EntityTrait;
use serde_json::{Value, json};
use shared::db::booking;
use stripe_sim::{Faults, Outcome};

use super::{coupon, make, order_with, shop};
use crate::{
    site_checkout::send,
    stack::{Stack, on_each_stack},
};

on_each_stack![no_honest_payment_is_a_mismatch_and_no_tampered_one_is_booked];

/// Sessions for each half of the property.
const SESSIONS: usize = 40;

/// Any coupon and any tax, as Stripe adds them up; and the same with one amount changed on the way,
/// though signed.
async fn no_honest_payment_is_a_mismatch_and_no_tampered_one_is_booked(stack: Stack) {
    let shop = shop(stack).await;
    let mut coupons = Vec::new();
    for _ in 0..6 {
        coupons.push(coupon(&shop, random_range(1..=100)).await);
        let off = random_range(1..=9000).to_string();
        let form = [("amount_off", off.as_str()), ("currency", "eur")];
        coupons.push(make(&shop, "coupons", &form).await);
    }
    let any_order = || {
        let mut options = json!({});
        if random_bool(0.6) {
            let coupon = &coupons[random_range(0..coupons.len())];
            options["discounts"] = json!([{ "coupon": coupon }]);
        }
        if random_bool(0.6) {
            options["automatic_tax"] = json!({ "enabled": true });
            let behaviors = ["exclusive", "inclusive"];
            options["tax_behavior"] = json!(behaviors[random_range(0..2)]);
        }
        let mut order = order_with(options);
        let item = |_| {
            json!({ "name": "Seat", "unit_amount": random_range(100..20_000),
            "quantity": random_range(1..9) })
        };
        order["line_items"] = (0..random_range(1..5)).map(item).collect();
        order
    };
    let mut sessions = Vec::new();
    for count in 0..2 * SESSIONS {
        shop.stripe.set_faults(Faults {
            deliver_webhooks: false,
            tax_percent: random_range(0..30),
            ..Faults::default()
        });
        // A coupon may leave less than Stripe charges.
        let answer = send(&shop, &any_order()).await;
        if answer.status() != StatusCode::CREATED {
            continue;
        }
        let answer: Value = answer.json().await.unwrap();
        let id = answer["session_id"].as_str().unwrap().to_owned();
        shop.stripe.pay(&id, Outcome::Succeed).await.unwrap();
        sessions.push((count % 2 == 0, id));
    }

    let events = shop.stripe.events();
    let delivered = sessions.iter().map(|(honest, id)| {
        let event = events.iter().find(|it| it["data"]["object"]["id"] == **id);
        let mut event = event.unwrap().clone();
        if !honest {
            tamper(&mut event["data"]["object"]);
        }
        let shop = &shop;
        async move { assert_eq!(shop.deliver(&event).await.0, StatusCode::OK) }
    });
    join_all(delivered).await;
    let paid = u64::try_from(sessions.len()).unwrap();
    shop.wait_for_bookings(paid).await;

    for (honest, id) in &sessions {
        let told = shop.confirm(id, 0).await.1;
        let expected = if *honest {
            "confirmed"
        } else {
            "needs_attention"
        };
        assert_eq!(told["status"], expected, "{id}");
    }
    let rows = booking::Entity::find().all(&shop.stack.db).await.unwrap();
    let mismatches = rows
        .iter()
        .filter(|row| row.reason.as_deref() == Some("amount_mismatch"));
    assert_eq!(
        mismatches.count(),
        sessions.iter().filter(|it| !it.0).count()
    );
    assert!(sessions.len() > SESSIONS, "{} sessions", sessions.len());
    shop.close().await;
}

/// The total stays, since the books are compared with Stripe's in the end.
fn tamper(session: &mut Value) {
    let by = random_range(1..500) * if random_bool(0.5) { 1 } else { -1 };
    let change = |amount: &mut Value| *amount = json!(amount.as_i64().unwrap() + by);
    let untaxed = session["total_details"]["amount_tax"] == 0;
    match random_range(0..5) {
        // An inclusive tax is any part of the price.
        0 if untaxed => session["total_details"]["amount_tax"] = json!(-1),
        0 | 3 => change(&mut session["amount_subtotal"]),
        1 => change(&mut session["total_details"]["amount_discount"]),
        2 => change(&mut session["total_details"]["amount_shipping"]),
        _ => {
            change(&mut session["amount_subtotal"]);
            change(&mut session["total_details"]["amount_discount"]);
        }
    }
}
