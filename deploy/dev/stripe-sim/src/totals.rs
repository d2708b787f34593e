//! What a session costs: line items, less the discount, with the taxes.
//!
//! Source: <https://docs.stripe.com/api/checkout/sessions/object#checkout_session_object-total_details>

use serde_json::{Value, json};

use crate::{error::ApiError, objects::merge};

/// One line item: what it costs, and whether taxes are part of that.
pub type Priced = (i64, bool);

/// Writes the amounts of `session`.
///
/// - `discount`: what is taken off.
/// - `tax_percent`: what is due of each item's rest; `None` while Stripe does not know where the
///   buyer is, or does not compute it.
pub fn add_up(
    session: &mut Value,
    items: &[Priced],
    discount: i64,
    tax_percent: Option<u32>,
) -> Result<(), ApiError> {
    let overflow = || ApiError::invalid("line_items", "Invalid integer.");
    let subtotal = items
        .iter()
        .try_fold(0_i64, |sum, (amount, _)| sum.checked_add(*amount))
        .ok_or_else(overflow)?;
    let rate = i64::from(tax_percent.unwrap_or(0));
    let (mut tax, mut total) = (0_i64, 0_i64);
    let (mut before, mut taken_off) = (0_i64, 0_i64);
    for (amount, inclusive) in items {
        before = before.checked_add(*amount).ok_or_else(overflow)?;
        let so_far = share(discount, before, subtotal.max(1)).ok_or_else(overflow)?;
        let rest = amount.saturating_sub(so_far.saturating_sub(taken_off));
        taken_off = so_far;
        let base = if *inclusive {
            rate.saturating_add(100)
        } else {
            100
        };
        let due = share(rest, rate, base).ok_or_else(overflow)?;
        tax = tax.saturating_add(due);
        total = total.saturating_add(rest);
        if !inclusive {
            total = total.saturating_add(due);
        }
    }
    merge(
        session,
        json!({
            "amount_subtotal": subtotal,
            "amount_total": total,
            "total_details": { "amount_discount": discount, "amount_shipping": 0, "amount_tax": tax },
        }),
    );
    Ok(())
}

/// `amount` times `numerator` over `denominator`, half a unit up.
pub fn share(amount: i64, numerator: i64, denominator: i64) -> Option<i64> {
    let twice = i128::from(amount)
        .checked_mul(numerator.into())?
        .checked_mul(2)?;
    let denominator = i128::from(denominator);
    let rounded = twice
        .checked_add(denominator)?
        .checked_div(denominator.checked_mul(2)?)?;
    i64::try_from(rounded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amounts(items: &[Priced], discount: i64, tax_percent: Option<u32>) -> [i64; 4] {
        let mut session = json!({});
        add_up(&mut session, items, discount, tax_percent).unwrap();
        let details = &session["total_details"];
        [
            &session["amount_subtotal"],
            &details["amount_discount"],
            &details["amount_tax"],
            &session["amount_total"],
        ]
        .map(|amount| amount.as_i64().unwrap())
    }

    #[test]
    fn taxes_come_on_top_or_are_a_part() {
        assert_eq!(amounts(&[(2500, false)], 0, None), [2500, 0, 0, 2500]);
        assert_eq!(amounts(&[(2500, false)], 0, Some(20)), [2500, 0, 500, 3000]);
        assert_eq!(amounts(&[(1200, true)], 0, Some(20)), [1200, 0, 200, 1200]);
    }

    #[test]
    fn a_discount_comes_before_the_taxes() {
        let items = [(1000, false), (333, false), (0, false)];

        assert_eq!(amounts(&items, 133, Some(20)), [1333, 133, 240, 1440]);
        assert_eq!(amounts(&items, 1333, Some(20)), [1333, 1333, 0, 0]);
    }
}
