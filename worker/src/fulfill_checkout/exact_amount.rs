//! Whether a payment is for exactly what was ordered, in Stripe's own terms.

use serde_json::Value;
use shared::db::{checkout, payment};

/// Whether the subtotal is what the hold says, and the total follows from it by what the hold's
/// options allow: a discount where one may be taken off, taxes where they are computed, on top or as
/// a part. Shipping is never offered. How much a coupon takes off, and how much tax is due, is Stripe's
/// to say.
///
/// In which currency the buyer was shown the amount does not matter: Stripe names that apart
/// (`presentment_details`), and all of this is in the session's.
///
/// Source: <https://docs.stripe.com/api/checkout/sessions/object#checkout_session_object-total_details>
pub fn is_exact(checkout: &checkout::Model, payment: &payment::Model) -> bool {
    let may_change = MayChange::of(checkout.options.as_ref());
    let subtotal = payment.amount_subtotal();
    let discount = payment.amount_discount_minor_units;
    let tax = payment.amount_tax_minor_units;
    let most_off = if may_change.discount { subtotal } else { 0 };
    let on_top = match may_change.tax {
        Tax::None if tax != 0 => return false,
        Tax::None | Tax::Inclusive => 0,
        Tax::Exclusive => tax,
    };
    let total = subtotal
        .checked_sub(discount)
        .and_then(|rest| rest.checked_add(on_top));
    subtotal == checkout.amount_minor_units
        && (0..=most_off).contains(&discount)
        && payment.amount_shipping_minor_units == 0
        && (0..=payment.amount_minor_units).contains(&tax)
        && total == Some(payment.amount_minor_units)
}

/// What may change the amount of a checkout.
struct MayChange {
    discount: bool,
    tax: Tax,
}

enum Tax {
    None,
    Exclusive,
    Inclusive,
}

impl MayChange {
    /// Looks at what concerns it only: ingress may be of a later release, and know more options.
    fn of(options: Option<&Value>) -> Self {
        let options = options.unwrap_or(&Value::Null);
        let discounts = options["discounts"].as_array();
        let taxed = options["automatic_tax"]["enabled"] == true;
        Self {
            discount: options["allow_promotion_codes"] == true
                || discounts.is_some_and(|discounts| !discounts.is_empty()),
            tax: match options["tax_behavior"].as_str() {
                Some("exclusive") if taxed => Tax::Exclusive,
                Some("inclusive") if taxed => Tax::Inclusive,
                _ => Tax::None,
            },
        }
    }
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a second opinion should read as a seller would count"
)]
mod tests;
