//! The check of Checkout options, from an order of a site's or from `CHECKOUT_OPTIONS`.

use shared::checkout_options::{CheckoutOptions, Discount};

use crate::http::error::FieldError;

const MOST_TYPES: usize = 50;
const LONGEST_ID: usize = 200;
const LONGEST_COUPON: usize = 255;

/// Adds what is wrong to `errors`. Stripe has the last word: it knows which coupons, customers and
/// languages there are.
pub fn check_options(options: &CheckoutOptions, errors: &mut Vec<FieldError>) {
    let mut wrong = |field, message| errors.push(FieldError::new(field, message));
    if options.discounts.len() > 1 || !options.discounts.iter().all(is_discount) {
        wrong(
            "checkout_options.discounts",
            "Use one coupon or one promotion code, by its id.",
        );
    }
    if options.allow_promotion_codes == Some(true) && !options.discounts.is_empty() {
        wrong(
            "checkout_options.allow_promotion_codes",
            "It does not go together with discounts.",
        );
    }
    let taxed = options.automatic_tax.is_some_and(|it| it.enabled);
    if taxed && options.tax_behavior.is_none() {
        wrong(
            "checkout_options.tax_behavior",
            "With automatic_tax say whether prices are exclusive or inclusive of taxes.",
        );
    }
    if options
        .tax_code
        .as_deref()
        .is_some_and(|it| !is_tax_code(it))
    {
        wrong(
            "checkout_options.tax_code",
            "Use a tax code of Stripe's, such as txcd_20030000.",
        );
    }
    if options.locale.as_deref().is_some_and(|it| !is_locale(it)) {
        wrong(
            "checkout_options.locale",
            "Use a language of Stripe's, such as de or pt-BR.",
        );
    }
    for (field, types) in [
        (
            "checkout_options.allowed_payment_method_types",
            &options.allowed_payment_method_types,
        ),
        (
            "checkout_options.excluded_payment_method_types",
            &options.excluded_payment_method_types,
        ),
    ] {
        if types.len() > MOST_TYPES || !types.iter().all(|it| is_payment_method_type(it)) {
            wrong(field, "Use at most 50 types of Stripe's, such as card.");
        }
    }
    let customer = options.customer.as_deref();
    if customer.is_some_and(|it| !is_id(it, "cus_")) {
        wrong(
            "checkout_options.customer",
            "Use the id of a customer at Stripe, such as cus_NffrFeUfNV2Hib.",
        );
    }
    if options.customer_update.is_some() && customer.is_none() {
        wrong(
            "checkout_options.customer_update",
            "It goes with a customer.",
        );
    }
}

fn is_discount(discount: &Discount) -> bool {
    match discount {
        // A coupon's id may be of the site's own choice.
        Discount::Coupon(id) => {
            (1..=LONGEST_COUPON).contains(&id.chars().count()) && !id.contains(char::is_control)
        }
        Discount::PromotionCode(id) => is_id(id, "promo_"),
    }
}

fn is_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| {
        (1..=LONGEST_ID).contains(&rest.len()) && rest.bytes().all(|it| it.is_ascii_alphanumeric())
    })
}

fn is_tax_code(text: &str) -> bool {
    text.strip_prefix("txcd_")
        .is_some_and(|rest| rest.len() == 8 && rest.bytes().all(|it| it.is_ascii_digit()))
}

fn is_locale(text: &str) -> bool {
    let (language, region) = text.split_once('-').unwrap_or((text, "xx"));
    text == "auto"
        || ((2..=3).contains(&language.len())
            && language.bytes().all(|it| it.is_ascii_lowercase())
            && (2..=4).contains(&region.len())
            && region.bytes().all(|it| it.is_ascii_alphanumeric()))
}

fn is_payment_method_type(text: &str) -> bool {
    (1..=50).contains(&text.len())
        && text
            .bytes()
            .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_')
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The field that is wrong, if one is.
    fn wrong(options: Value) -> Option<String> {
        let options = serde_json::from_value(options).unwrap();
        let mut errors = Vec::new();
        check_options(&options, &mut errors);
        errors.first().map(|error| error.field.to_string())
    }

    #[test]
    fn what_stripe_takes_is_taken() {
        for options in [
            json!({}),
            json!({ "allow_promotion_codes": true }),
            json!({ "discounts": [{ "coupon": "Sommer 20 %" }], "allow_promotion_codes": false }),
            json!({ "discounts": [{ "promotion_code": "promo_1MiM6KLkdIwHu7ix" }] }),
            json!({ "automatic_tax": { "enabled": true }, "tax_behavior": "inclusive",
                    "tax_code": "txcd_20030000", "tax_id_collection": { "enabled": true } }),
            json!({ "automatic_tax": { "enabled": false } }),
            json!({ "customer": "cus_NffrFeUfNV2Hib",
                    "customer_update": { "address": "auto", "name": "never" } }),
            json!({ "locale": "auto" }),
            json!({ "locale": "fil" }),
            json!({ "locale": "zh-HK" }),
            json!({ "locale": "es-419" }),
            json!({ "allowed_payment_method_types": ["card", "sepa_debit"] }),
            json!({ "invoice_creation": { "enabled": true }, "billing_address_collection": "required",
                    "phone_number_collection": { "enabled": true } }),
        ] {
            assert_eq!(wrong(options.clone()), None, "{options}");
        }
    }

    #[test]
    fn what_it_cannot_take_is_named() {
        let long = "c".repeat(256);
        for (field, options) in [
            ("discounts", json!({ "discounts": [{ "coupon": "" }] })),
            ("discounts", json!({ "discounts": [{ "coupon": long }] })),
            (
                "discounts",
                json!({ "discounts": [{ "promotion_code": "SUMMER" }] }),
            ),
            (
                "discounts",
                json!({ "discounts": [{ "coupon": "a" }, { "coupon": "b" }] }),
            ),
            (
                "allow_promotion_codes",
                json!({ "allow_promotion_codes": true, "discounts": [{ "coupon": "a" }] }),
            ),
            (
                "tax_behavior",
                json!({ "automatic_tax": { "enabled": true } }),
            ),
            ("tax_code", json!({ "tax_code": "txcd_1" })),
            ("locale", json!({ "locale": "German" })),
            ("locale", json!({ "locale": "de-" })),
            (
                "allowed_payment_method_types",
                json!({ "allowed_payment_method_types": ["Card"] }),
            ),
            (
                "excluded_payment_method_types",
                json!({ "excluded_payment_method_types": vec!["card"; 51] }),
            ),
            ("customer", json!({ "customer": "ada@example.com" })),
            ("customer", json!({ "customer": "cus_" })),
            (
                "customer_update",
                json!({ "customer_update": { "address": "auto" } }),
            ),
        ] {
            let named = wrong(options.clone()).unwrap();
            assert_eq!(
                named.strip_prefix("checkout_options."),
                Some(field),
                "{options}"
            );
        }
    }
}
