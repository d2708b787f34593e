//! What a session may do besides selling its line items, and that a payment is for exactly what follows.

mod any_coupon_and_tax;
mod reaching_stripe;

use sea_orm::{ConnectionTrait, EntityTrait};
use serde_json::{Value, json};
use shared::db::payment;
use stripe_sim::{Entry, Outcome};
use worker::run_job;

use crate::{
    create_checkout_session::at_stripe,
    operations::worker,
    shop::{Session, Shop, eventually},
    site_checkout::{self, create},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    a_discount_is_taken_off,
    a_buyer_enters_a_code,
    taxes_come_on_top_or_are_a_part,
    what_a_coupon_makes_free_is_booked,
    what_a_payment_is_made_of_is_audited_and_mended,
    what_goes_back_is_what_was_paid,
    a_currency_that_was_only_shown_does_not_matter,
];

/// Makes something at Stripe, as a site does.
async fn make(shop: &Shop, what: &str, form: &[(&str, &str)]) -> String {
    let request = shop
        .http
        .post(format!("{}/v1/{what}", shop.stripe.base_url()));
    let made = request.bearer_auth("sk_test_site").form(form).send().await;
    let made: Value = made.unwrap().json().await.unwrap();
    made["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{made}"))
        .to_owned()
}

async fn coupon(shop: &Shop, percent: i64) -> String {
    make(shop, "coupons", &[("percent_off", &percent.to_string())]).await
}

async fn shop(stack: Stack) -> Shop {
    site_checkout::shop(stack).await
}

/// 51.99 EUR.
fn order_with(options: Value) -> Value {
    let mut order = site_checkout::order();
    order["checkout_options"] = options;
    order
}

async fn payment_of(shop: &Shop) -> payment::Model {
    let rows = payment::Entity::find().all(&shop.stack.db).await.unwrap();
    assert_eq!(rows.len(), 1);
    rows.into_iter().next().unwrap()
}

/// Subtotal, discount, tax, total.
fn amounts(payment: &payment::Model) -> [i64; 4] {
    [
        payment.amount_subtotal(),
        payment.amount_discount_minor_units,
        payment.amount_tax_minor_units,
        payment.amount_minor_units,
    ]
}

async fn booked(shop: &Shop, session: &Session) {
    eventually("the booking is confirmed", async || {
        shop.confirm(&session.id, 0).await.1["status"] == "confirmed"
    })
    .await;
}

async fn a_discount_is_taken_off(stack: Stack) {
    let shop = shop(stack).await;
    let summer = coupon(&shop, 20).await;

    let session = create(
        &shop,
        &order_with(json!({ "discounts": [{ "coupon": summer }] })),
    )
    .await;
    shop.pay(&session, Outcome::Succeed).await;

    booked(&shop, &session).await;
    assert_eq!(amounts(&payment_of(&shop).await), [5199, 1040, 0, 4159]);
    let (_, told) = shop.confirm(&session.id, 0).await;
    assert_eq!(told["payment"]["amount_total"], 4159);
    let shown = worker(&shop, &["booking", "show", &session.id]).await;
    let shown = String::from_utf8(shown.stdout).unwrap();
    let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    let expected =
        "41.59 EUR (subtotal 51.99 EUR, discount 10.40 EUR), of which 0.00 EUR went back";
    assert!(shown.contains(expected), "{shown}");
    shop.close().await;
}

async fn a_buyer_enters_a_code(stack: Stack) {
    let shop = shop(stack).await;
    let form = [("amount_off", "500"), ("currency", "eur")];
    let five = make(&shop, "coupons", &form).await;
    let form = [
        ("promotion[type]", "coupon"),
        ("promotion[coupon]", five.as_str()),
        ("code", "HELLO"),
    ];
    make(&shop, "promotion_codes", &form).await;
    let enter = |code: &str| Entry {
        promotion_code: code.to_owned(),
        ..Outcome::Succeed.into()
    };

    let with = create(&shop, &order_with(json!({ "allow_promotion_codes": true }))).await;
    shop.stripe.pay_with(&with.id, &enter("NO")).await.unwrap();
    let after_a_wrong_code = at_stripe(&shop, &with.id).await;
    shop.stripe
        .pay_with(&with.id, &enter("hello"))
        .await
        .unwrap();
    let without = create(&shop, &site_checkout::order()).await;
    shop.stripe
        .pay_with(&without.id, &enter("HELLO"))
        .await
        .unwrap();

    assert_eq!(after_a_wrong_code["status"], "open");
    booked(&shop, &with).await;
    assert_eq!(amounts(&payment_of(&shop).await), [5199, 500, 0, 4699]);
    assert_eq!(at_stripe(&shop, &without.id).await["status"], "open");
    shop.close().await;
}

async fn taxes_come_on_top_or_are_a_part(stack: Stack) {
    let shop = shop(stack).await;
    let mut found = Vec::new();

    for behavior in ["exclusive", "inclusive"] {
        let options = json!({ "automatic_tax": { "enabled": true }, "tax_behavior": behavior });
        let session = create(&shop, &order_with(options)).await;
        shop.pay(&session, Outcome::Succeed).await;
        booked(&shop, &session).await;
        let rows = payment::Entity::find().all(&shop.stack.db).await.unwrap();
        let row = rows.iter().find(|row| row.session_id == session.id);
        found.push(amounts(row.unwrap()));
    }

    assert_eq!(found, [[5199, 0, 1040, 6239], [5199, 0, 866, 5199]]);
    shop.close().await;
}

async fn what_a_coupon_makes_free_is_booked(stack: Stack) {
    let shop = shop(stack).await;
    let all = coupon(&shop, 100).await;

    let session = create(
        &shop,
        &order_with(json!({ "discounts": [{ "coupon": all }] })),
    )
    .await;
    shop.pay(&session, Outcome::Succeed).await;

    booked(&shop, &session).await;
    let payment = payment_of(&shop).await;
    assert_eq!(amounts(&payment), [5199, 5199, 0, 0]);
    assert_eq!(payment.payment_intent_id, None);
    shop.close().await;
}

/// A payment that an earlier release wrote, and one whose amounts were changed here.
async fn what_a_payment_is_made_of_is_audited_and_mended(stack: Stack) {
    let shop = shop(stack).await;
    let summer = coupon(&shop, 20).await;
    let session = create(
        &shop,
        &order_with(json!({ "discounts": [{ "coupon": summer }] })),
    )
    .await;
    shop.pay(&session, Outcome::Succeed).await;
    booked(&shop, &session).await;
    let change = async |sql: &str| {
        shop.stack.patient_db.execute_unprepared(sql).await.unwrap();
        let audit = worker(&shop, &["audit", "--json"]).await;
        audit.status.success()
    };

    assert!(!change("UPDATE payment SET amount_discount_minor_units = 1039").await);
    let older =
        "UPDATE payment SET amount_subtotal_minor_units = NULL, amount_discount_minor_units = 0";
    assert!(change(older).await);
    run_job(&shop.worker_context(), &session.confirm_job())
        .await
        .unwrap();

    assert_eq!(amounts(&payment_of(&shop).await), [5199, 1040, 0, 4159]);
    shop.close().await;
}

/// A second payment for one order goes back, less the discount.
async fn what_goes_back_is_what_was_paid(stack: Stack) {
    let shop = shop(stack).await;
    let summer = coupon(&shop, 20).await;
    let options = json!({ "discounts": [{ "coupon": summer }], "tax_behavior": "exclusive",
        "automatic_tax": { "enabled": true } });
    let mut order = order_with(options);
    order["slot_id"] = json!(shop.slot(1).await);

    let late = create(&shop, &order).await;
    site_checkout::give_up(&shop, &late).await;
    let taken = create(&shop, &order).await;
    shop.pay(&taken, Outcome::Succeed).await;
    booked(&shop, &taken).await;
    shop.pay(&late, Outcome::Succeed).await;

    site_checkout::wait_for_status(&shop, &late.id, "refunded").await;
    let ledger = shop.stripe.ledger();
    let entry = ledger.iter().find(|it| it.session_id == late.id).unwrap();
    assert_eq!((entry.amount_total, entry.amount_refunded), (4991, 4991));
    shop.close().await;
}

async fn a_currency_that_was_only_shown_does_not_matter(stack: Stack) {
    let shop = shop(stack).await;
    let in_dollars = Entry {
        presentment_currency: "usd".to_owned(),
        ..Outcome::Succeed.into()
    };

    let session = create(&shop, &site_checkout::order()).await;
    shop.stripe
        .pay_with(&session.id, &in_dollars)
        .await
        .unwrap();

    booked(&shop, &session).await;
    let there = at_stripe(&shop, &session.id).await;
    assert_eq!(there["presentment_details"]["presentment_currency"], "usd");
    let payment = payment_of(&shop).await;
    assert_eq!(
        (payment.amount_minor_units, payment.currency.as_str()),
        (5199, "eur")
    );
    shop.close().await;
}
