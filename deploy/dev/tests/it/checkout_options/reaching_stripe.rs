//! Options on their way to Stripe, from sites and from the operator.

use reqwest::StatusCode;
use serde_json::{Value, json};
use stripe_sim::Outcome;
use testkit::order;

use super::{amounts, booked, make, order_with, payment_of, shop};
use crate::{
    create_checkout_session::at_stripe,
    shop::Shop,
    site_checkout::{create, send},
    stack::{Stack, on_each_stack},
};

on_each_stack![
    the_shops_own_orders_have_the_operators_options,
    options_reach_stripe,
    what_stripe_refuses_is_named,
];

async fn the_shops_own_orders_have_the_operators_options(mut stack: Stack) {
    let options = json!({ "allow_promotion_codes": true, "tax_behavior": "inclusive",
        "automatic_tax": { "enabled": true } });
    stack
        .variables
        .insert("CHECKOUT_OPTIONS", options.to_string());
    let shop = Shop::open(stack).await;
    let slot = shop.slot(2).await;
    let mut own = order(slot, 1);
    own["checkout_options"] = json!({});

    let refused = shop.post("/api/create-checkout-session", &own).await;
    let session = shop.create(slot).await;
    shop.pay(&session, Outcome::Succeed).await;

    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    booked(&shop, &session).await;
    assert_eq!(
        at_stripe(&shop, &session.id).await["allow_promotion_codes"],
        true
    );
    assert_eq!(amounts(&payment_of(&shop).await), [4900, 0, 817, 4900]);
    shop.close().await;
}

async fn options_reach_stripe(stack: Stack) {
    let shop = shop(stack).await;
    let customer = make(&shop, "customers", &[("email", "ada@at-stripe.example")]).await;
    let options = json!({
        "automatic_tax": { "enabled": true },
        "tax_behavior": "exclusive",
        "tax_code": "txcd_20030000",
        "tax_id_collection": { "enabled": true },
        "locale": "pt-BR",
        "allowed_payment_method_types": ["card", "sepa_debit"],
        "excluded_payment_method_types": ["klarna"],
        "invoice_creation": { "enabled": true },
        "customer": customer,
        "customer_update": { "address": "auto", "name": "auto" },
        "phone_number_collection": { "enabled": true },
        "billing_address_collection": "required",
    });

    let session = create(&shop, &order_with(options)).await;

    let there = at_stripe(&shop, &session.id).await;
    let enabled = json!({ "enabled": true });
    for (field, expected) in [
        ("customer", json!(customer)),
        ("customer_email", json!(null)),
        ("locale", json!("pt-BR")),
        ("payment_method_types", json!(["card", "sepa_debit"])),
        ("excluded_payment_method_types", json!(["klarna"])),
        ("invoice_creation", enabled.clone()),
        ("tax_id_collection", enabled.clone()),
        ("phone_number_collection", enabled),
        ("billing_address_collection", json!("required")),
    ] {
        assert_eq!(there[field], expected, "{field}");
    }
    assert_eq!(there["automatic_tax"]["status"], "requires_location_inputs");
    shop.close().await;
}

async fn what_stripe_refuses_is_named(stack: Stack) {
    let shop = shop(stack).await;
    for (field, options) in [
        (
            "discounts",
            json!({ "discounts": [{ "coupon": "unknown" }] }),
        ),
        (
            "discounts",
            json!({ "discounts": [{ "promotion_code": "promo_unknown1" }] }),
        ),
        ("customer", json!({ "customer": "cus_unknown1" })),
        ("locale", json!({ "locale": "xx" })),
        (
            "allowed_payment_method_types",
            json!({ "allowed_payment_method_types": ["shells"] }),
        ),
        // Found before Stripe is asked.
        (
            "tax_behavior",
            json!({ "automatic_tax": { "enabled": true } }),
        ),
    ] {
        let answer = send(&shop, &order_with(options)).await;
        let status = answer.status();
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
        let named = answer["errors"][0]["field"].as_str().unwrap();
        assert_eq!(named, format!("checkout_options.{field}"));
    }
    for unknown in [json!({ "shipping_options": [] }), json!({ "locale": 7 })] {
        let answer = send(&shop, &order_with(unknown)).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    }
    shop.close().await;
}
