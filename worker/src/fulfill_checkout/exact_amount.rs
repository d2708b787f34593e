//! Whether a payment is for exactly what was ordered, in Stripe's own terms.

use shared::{
    checkout_options::{CheckoutOptions, TaxBehavior},
    db::{checkout, payment},
};

/// Whether the subtotal is what the hold says, and the total follows from it by what the hold's
/// options allow: a discount where one may be taken off, taxes where they are computed, on top or as
/// a part. Shipping is never offered.
///
/// In which currency the buyer was shown the amount does not matter: Stripe names that apart
/// (`presentment_details`), and all of this is in the session's.
///
/// Source: <https://docs.stripe.com/api/checkout/sessions/object#checkout_session_object-total_details>
pub fn is_exact(checkout: &checkout::Model, payment: &payment::Model) -> bool {
    let nothing = CheckoutOptions::default();
    let options = checkout.options.as_ref().unwrap_or(&nothing);
    let subtotal = payment.amount_subtotal();
    let discount = payment.amount_discount_minor_units;
    let tax = payment.amount_tax_minor_units;
    let on_top = match options.tax() {
        None if tax != 0 => return false,
        None | Some(TaxBehavior::Inclusive) => 0,
        Some(TaxBehavior::Exclusive) => tax,
    };
    let allowed = if options.allows_discount() {
        0..=subtotal
    } else {
        0..=0
    };
    let total = subtotal
        .checked_sub(discount)
        .and_then(|rest| rest.checked_add(on_top));
    subtotal == checkout.amount_minor_units
        && allowed.contains(&discount)
        && payment.amount_shipping_minor_units == 0
        && (0..=payment.amount_minor_units).contains(&tax)
        && total == Some(payment.amount_minor_units)
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a second opinion should read as a seller would count"
)]
mod tests;
