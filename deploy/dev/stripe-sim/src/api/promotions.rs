//! What a site has at Stripe besides sessions: coupons, promotion codes and customers.
//!
//! Source: <https://docs.stripe.com/api/coupons/create>,
//! <https://docs.stripe.com/api/promotion_codes/create>, <https://docs.stripe.com/api/customers/create>

use std::sync::Arc;

use axum::{Json, body::Bytes, extract::State};
use serde_json::json;

use super::request::Answer;
use crate::{
    account::Account,
    discount,
    form::Form,
    objects::{new_id, now},
};

pub(super) async fn create_coupon(State(sim): State<Arc<Account>>, body: Bytes) -> Answer {
    discount::new_coupon(&mut sim.store(), &Form::parse(&body)).map(Json)
}

pub(super) async fn create_promotion_code(State(sim): State<Arc<Account>>, body: Bytes) -> Answer {
    discount::new_promotion_code(&mut sim.store(), &Form::parse(&body)).map(Json)
}

pub(super) async fn create_customer(State(sim): State<Arc<Account>>, body: Bytes) -> Answer {
    let form = Form::parse(&body);
    let customer = json!({
        "id": new_id("cus_", 14),
        "object": "customer",
        "address": null,
        "created": now(),
        "email": form.text("email"),
        "livemode": false,
        "metadata": form.object("metadata"),
        "name": form.text("name"),
    });
    sim.store().customers.insert(customer.clone());
    Ok(Json(customer))
}
