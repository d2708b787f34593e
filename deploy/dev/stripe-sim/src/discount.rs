//! Coupons, promotion codes, and what they take off a session.
//!
//! Source: <https://docs.stripe.com/api/coupons>, <https://docs.stripe.com/api/promotion_codes>

use serde_json::{Value, json};

use crate::{
    error::ApiError,
    form::Form,
    objects::{new_id, now},
    store::{Store, text},
    totals::share,
};

/// Creates a coupon.
pub fn new_coupon(store: &mut Store, form: &Form) -> Result<Value, ApiError> {
    let (percent, amount) = (form.integer("percent_off"), form.integer("amount_off"));
    let sound = match (percent, amount) {
        (Some(percent), None) => (1..=100).contains(&percent),
        (None, Some(amount)) => amount > 0 && form.text("currency").is_some(),
        _ => false,
    };
    if !sound {
        let message = "You must provide either `percent_off` or `amount_off` with `currency`.";
        return Err(ApiError::invalid("percent_off", message));
    }
    let coupon = json!({
        "id": form.text("id").map_or_else(|| new_id("", 8), str::to_owned),
        "object": "coupon",
        "amount_off": amount,
        "created": now(),
        "currency": form.text("currency"),
        "duration": form.text("duration").unwrap_or("once"),
        "livemode": false,
        "percent_off": percent,
        "valid": true,
    });
    store.coupons.insert(coupon.clone());
    Ok(coupon)
}

/// Creates a code by which buyers redeem a coupon.
pub fn new_promotion_code(store: &mut Store, form: &Form) -> Result<Value, ApiError> {
    let coupon = form
        .text("promotion.coupon")
        .ok_or_else(|| ApiError::missing("promotion[coupon]"))?;
    if store.coupons.get(coupon).is_none() {
        return Err(ApiError::unknown("promotion[coupon]", "coupon", coupon));
    }
    let code = json!({
        "id": new_id("promo_", 24),
        "object": "promotion_code",
        "active": true,
        "code": form.text("code").map_or_else(|| new_id("", 8), str::to_owned),
        "created": now(),
        "livemode": false,
        "promotion": { "coupon": coupon, "type": "coupon" },
    });
    store.promotion_codes.insert(code.clone());
    Ok(code)
}

/// The `discounts` of a new session.
pub fn of_form(store: &Store, form: &Form) -> Result<Option<Value>, ApiError> {
    let wanted = form.list("discounts");
    let [wanted] = wanted.as_slice() else {
        return if wanted.is_empty() {
            Ok(None)
        } else {
            let message = "You can only apply one discount.";
            Err(ApiError::invalid("discounts", message))
        };
    };
    if form.text("allow_promotion_codes").is_some() {
        let message =
            "You may only specify one of these parameters: allow_promotion_codes, discounts.";
        return Err(ApiError::invalid("allow_promotion_codes", message));
    }
    let discounts = match (wanted.text("coupon"), wanted.text("promotion_code")) {
        (Some(id), None) => match store.coupons.get(id) {
            Some(_) => Ok(json!([{ "coupon": id, "promotion_code": null }])),
            None => Err(ApiError::unknown("discounts[0][coupon]", "coupon", id)),
        },
        (None, Some(id)) => match store.promotion_codes.get(id) {
            Some(_) => Ok(json!([{ "coupon": null, "promotion_code": id }])),
            None => Err(ApiError::unknown(
                "discounts[0][promotion_code]",
                "promotion code",
                id,
            )),
        },
        _ => Err(ApiError::invalid(
            "discounts",
            "Use a coupon or a promotion code.",
        )),
    }?;
    let currency = form.list("line_items");
    let currency = currency
        .first()
        .and_then(|it| it.text("price_data.currency"));
    if !fits(store, &discounts, currency.unwrap_or_default()) {
        let message = "The coupon's currency is another than the session's.";
        return Err(ApiError::invalid("discounts[0][coupon]", message));
    }
    Ok(Some(discounts))
}

/// Whether a discount is of this currency, or a share of the price.
pub fn fits(store: &Store, discounts: &Value, currency: &str) -> bool {
    let of = coupon(store, discounts).map(|coupon| text(coupon, "currency"));
    of.is_none_or(|of| of.is_empty() || of == currency)
}

fn coupon<'a>(store: &'a Store, discounts: &Value) -> Option<&'a Value> {
    let discount = &discounts[0];
    let id = match store.promotion_codes.get(text(discount, "promotion_code")) {
        Some(code) => text(&code["promotion"], "coupon"),
        None => text(discount, "coupon"),
    };
    store.coupons.get(id)
}

/// The `discounts` of a session whose buyer entered `code`, if that is one.
pub fn of_code(store: &Store, code: &str) -> Option<Value> {
    let known = store
        .promotion_codes
        .newest_first()
        .find(|it| text(it, "code").eq_ignore_ascii_case(code))?;
    Some(json!([{ "coupon": null, "promotion_code": text(known, "id") }]))
}

/// What the discount of `session` takes off its `subtotal`.
pub fn amount_off(store: &Store, session: &Value, subtotal: i64) -> i64 {
    let Some(coupon) = coupon(store, &session["discounts"]) else {
        return 0;
    };
    let off = match coupon["percent_off"].as_i64() {
        Some(percent) => share(subtotal, percent, 100),
        None => coupon["amount_off"].as_i64(),
    };
    off.unwrap_or_default().min(subtotal)
}
