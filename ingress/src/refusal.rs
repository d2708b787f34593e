//! Stripe's refusals of a session: what the buyer can change is told to the buyer, by field, and what
//! a site has priced to the site; what the shop has to change is told to its operators.
//!
//! Source: <https://docs.stripe.com/error-codes>

use shared::stripe::error::StripeError;
use uuid::Uuid;

use crate::{
    hold::Pricing,
    http::error::{ApiError, FieldError},
};

/// What a failure to open a session is to the one who asked for it.
///
/// - `slot_id`: what it would have been for.
/// - `own_options`: the order brought its options itself.
pub fn of_session(
    error: StripeError,
    pricing: &Pricing,
    slot_id: Option<Uuid>,
    own_options: bool,
) -> ApiError {
    let (code, param) = match &error {
        StripeError::Refused { code, param, .. } => (
            code.as_deref().unwrap_or_default(),
            param.as_deref().unwrap_or_default(),
        ),
        StripeError::Unauthorized => return ApiError::StripeRefused("STRIPE_SECRET_KEY", error),
        StripeError::Forbidden { .. } | StripeError::MalformedAnswer(_) => {
            return ApiError::StripeRefused("see worker doctor", error);
        }
        _ => return error.into(),
    };
    if let Some(field) = option(param).filter(|_| own_options) {
        tracing::warn!(code, param, slot.id = ?slot_id, "Stripe refused an order's options");
        return self::field(
            field,
            "Stripe does not take this: its log of requests says why.",
        );
    }
    let told = match (code, param, pricing) {
        ("email_invalid", ..) | (_, "customer_email", _) => email_refused(),
        ("amount_too_small", ..) => too_small(pricing),
        ("amount_too_large", ..) => too_much(pricing),
        (_, param, Pricing::Site { .. }) if param.contains("currency") => field(
            "currency",
            "Stripe does not take payments in this currency here.",
        ),
        (_, param, Pricing::Site { .. }) if param.starts_with("line_items") => {
            field("line_items", "Stripe does not take these prices and names.")
        }
        (_, "success_url", Pricing::Site { .. }) => {
            field("success_url", "Stripe does not take this address.")
        }
        (_, "cancel_url", Pricing::Site { .. }) => {
            field("cancel_url", "Stripe does not take this address.")
        }
        (code, param, _) => return ApiError::StripeRefused(setting(code, param), error),
    };
    // A price too small or too large is the shop's to change as well.
    tracing::warn!(code, param, slot.id = ?slot_id, "Stripe refused an order");
    told
}

/// The option that a parameter of Stripe's stands for.
fn option(param: &str) -> Option<&'static str> {
    const OPTIONS: [&str; 14] = [
        "checkout_options.allow_promotion_codes",
        "checkout_options.discounts",
        "checkout_options.automatic_tax",
        "checkout_options.tax_behavior",
        "checkout_options.tax_code",
        "checkout_options.tax_id_collection",
        "checkout_options.locale",
        "checkout_options.allowed_payment_method_types",
        "checkout_options.excluded_payment_method_types",
        "checkout_options.invoice_creation",
        "checkout_options.customer_update",
        "checkout_options.phone_number_collection",
        "checkout_options.billing_address_collection",
        "checkout_options.customer",
    ];
    let is = |name: &str| {
        param == name
            || param.contains(&format!("[{name}]"))
            || param.starts_with(&format!("{name}["))
    };
    OPTIONS
        .into_iter()
        .find(|option| option.split('.').next_back().is_some_and(is))
}

/// What an operator has to look at.
fn setting(code: &str, param: &str) -> &'static str {
    if option(param).is_some() {
        return "CHECKOUT_OPTIONS";
    }
    match (code, param) {
        (_, "expires_at") => "HOLD_MINUTES, or this machine's clock",
        (_, "success_url" | "cancel_url") => "PUBLIC_URL",
        (_, param) if param.contains("currency") => "the offering's currency",
        (_, param) if param.contains("unit_amount") => "the offering's price",
        (_, param) if param.contains("name") => "the offering's name",
        (_, param) if param.starts_with("line_items") => "the offering",
        ("", "") => "the account at Stripe: has it a name, and may it take payments?",
        _ => "Stripe's dashboard: the request is in its log",
    }
}

fn email_refused() -> ApiError {
    field(
        "customer.email",
        "This e-mail address is not accepted for payments. Use another one.",
    )
}

/// A total that costs more to charge than it brings.
pub fn too_small(pricing: &Pricing) -> ApiError {
    match pricing {
        Pricing::Catalogue => field(
            "quantity",
            "The total is too small to be paid by card. Choose more seats.",
        ),
        Pricing::Site { .. } => field(
            "line_items",
            "The total is below the smallest that Stripe charges in this currency.",
        ),
    }
}

/// A total with more digits than Stripe takes.
pub fn too_much(pricing: &Pricing) -> ApiError {
    match pricing {
        Pricing::Catalogue => field(
            "quantity",
            "So many seats cost more than can be paid at once. Choose fewer.",
        ),
        Pricing::Site { .. } => field(
            "line_items",
            "The total is above the largest that Stripe charges in this currency.",
        ),
    }
}

fn field(field: &'static str, message: &'static str) -> ApiError {
    ApiError::Validation(vec![FieldError::new(field, message)])
}

#[cfg(test)]
mod tests {
    use shared::checkout_options::CheckoutOptions;

    use super::*;

    #[test]
    fn the_buyer_hears_of_a_field_and_the_operator_of_a_setting() {
        let of = |code: Option<&str>, param: Option<&str>| {
            let refused = StripeError::Refused {
                status: 400,
                code: code.map(str::to_owned),
                param: param.map(str::to_owned),
            };
            of_session(refused, &Pricing::Catalogue, None, false)
        };

        for (code, param, field) in [
            (Some("email_invalid"), None, "customer.email"),
            (None, Some("customer_email"), "customer.email"),
            (Some("amount_too_small"), None, "quantity"),
            (Some("amount_too_large"), None, "quantity"),
        ] {
            assert!(
                matches!(of(code, param), ApiError::Validation(it) if it[0].field == field),
                "{code:?}"
            );
        }
        for (param, setting) in [
            (Some("expires_at"), "HOLD_MINUTES"),
            (Some("line_items[0][price_data][unit_amount]"), "price"),
            (Some("line_items[0][price_data][currency]"), "currency"),
            (Some("discounts[0][coupon]"), "CHECKOUT_OPTIONS"),
            (None, "has it a name"),
        ] {
            let error = of(None, param);
            assert_eq!(error.code(), "stripe_refused");
            assert!(error.to_string().contains(setting), "{error}");
        }
        let outage = of_session(StripeError::RateLimited, &Pricing::Catalogue, None, false);
        assert_eq!(outage.code(), "stripe_unavailable");
    }

    /// One that is added has to be known here, too.
    #[test]
    fn every_option_is_known() {
        let schema = <CheckoutOptions as utoipa::PartialSchema>::schema();
        let schema = serde_json::to_value(schema).unwrap();
        let names: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();

        assert_eq!(names.len(), 14);
        for name in names {
            let known = option(name);
            assert_eq!(known, Some(format!("checkout_options.{name}").as_str()));
        }
    }

    #[test]
    fn an_option_is_known_by_stripes_parameter() {
        for (param, expected) in [
            ("discounts[0][coupon]", Some("discounts")),
            ("automatic_tax", Some("automatic_tax")),
            (
                "line_items[0][price_data][tax_behavior]",
                Some("tax_behavior"),
            ),
            (
                "line_items[0][price_data][product_data][tax_code]",
                Some("tax_code"),
            ),
            ("customer", Some("customer")),
            ("customer_update[name]", Some("customer_update")),
            ("customer_email", None),
            ("line_items[0][price_data][currency]", None),
            ("", None),
        ] {
            let option = option(param).map(|it| it.trim_start_matches("checkout_options."));
            assert_eq!(option, expected, "{param}");
        }
    }
}
