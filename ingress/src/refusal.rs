//! Stripe's refusals of a session: what the buyer can change is told to the buyer, by field; what
//! the shop has to change is told to its operators.
//!
//! Source: <https://docs.stripe.com/error-codes>

use shared::{db::offering, stripe::error::StripeError};

use crate::http::error::{ApiError, FieldError};

/// What a failure to open a session for `offering` is to the buyer.
pub fn of_session(error: StripeError, offering: &offering::Model) -> ApiError {
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
    let told = match (code, param) {
        ("email_invalid", _) | (_, "customer_email") => email_refused(),
        ("amount_too_small", _) => too_small(),
        ("amount_too_large", _) => too_many(),
        (code, param) => return ApiError::StripeRefused(setting(code, param), error),
    };
    // A price too small or too large is the shop's to change as well.
    tracing::warn!(code, param, offering.id = %offering.id, "Stripe refused an order");
    told
}

/// What an operator has to look at.
fn setting(code: &str, param: &str) -> &'static str {
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
pub fn too_small() -> ApiError {
    field(
        "quantity",
        "The total is too small to be paid by card. Choose more seats.",
    )
}

fn field(field: &'static str, message: &'static str) -> ApiError {
    ApiError::Validation(vec![FieldError { field, message }])
}

pub fn too_many() -> ApiError {
    ApiError::Validation(vec![FieldError {
        field: "quantity",
        message: "So many seats cost more than can be paid at once. Choose fewer.",
    }])
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_buyer_hears_of_a_field_and_the_operator_of_a_setting() {
        let offering = offering::Model {
            id: Uuid::nil(),
            name: "Kayak".to_owned(),
            description: String::new(),
            unit_amount_minor_units: 4900,
            currency: "eur".to_owned(),
        };
        let of = |code: Option<&str>, param: Option<&str>| {
            let refused = StripeError::Refused {
                status: 400,
                code: code.map(str::to_owned),
                param: param.map(str::to_owned),
            };
            of_session(refused, &offering)
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
            (None, "has it a name"),
        ] {
            let error = of(None, param);
            assert_eq!(error.code(), "stripe_refused");
            assert!(error.to_string().contains(setting), "{error}");
        }
        let outage = of_session(StripeError::RateLimited, &offering);
        assert_eq!(outage.code(), "stripe_unavailable");
    }
}
