//! What we need to know of a charge: the money of a payment, and what became of it.

use serde::Deserialize;

use crate::stripe::{checkout_session::Expandable, lenient, refund::Refund};

/// The few fields of Stripe's object that decide about a booking.
///
/// Source: <https://docs.stripe.com/api/charges/object>
#[derive(Debug, Clone, Deserialize)]
pub struct Charge {
    /// `pi_…`
    pub payment_intent: Option<Expandable>,
    /// What of it went back or is on its way, in minor units.
    pub amount_refunded: Option<i64>,
    /// Events of API versions before 2022-11-15 bring the refunds along.
    pub refunds: Option<RefundList>,
}

/// The refunds of a charge, or the last of them.
#[derive(Debug, Clone, Deserialize)]
pub struct RefundList {
    /// Newest first.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    data: Vec<Refund>,
    /// Whether there are more than these.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    has_more: bool,
}

impl Charge {
    /// The refunds that the charge brings along, if they are all there is: a list that does not
    /// come to `amount_refunded` is not.
    pub fn all_refunds(self) -> Option<Vec<Refund>> {
        let list = self.refunds.filter(|refunds| !refunds.has_more)?;
        let counted: i64 = list
            .data
            .iter()
            .filter(|refund| refund.status().counts_as_refunded())
            .map(|refund| refund.amount)
            .fold(0, i64::saturating_add);
        (self.amount_refunded == Some(counted)).then_some(list.data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_refunds(charge: serde_json::Value) -> Option<usize> {
        let charge: Charge = serde_json::from_value(charge).unwrap();
        charge.all_refunds().map(|refunds| refunds.len())
    }

    #[test]
    fn a_list_that_does_not_add_up_is_not_believed() {
        let refund = |(amount, status): (i64, &str)| {
            serde_json::json!({
                "id": "re_1", "amount": amount, "currency": "eur", "status": status,
            })
        };
        for (refunded, list, expected) in [
            (1500, vec![(1500, "succeeded")], Some(1)),
            (1500, vec![(1000, "succeeded"), (500, "pending")], Some(2)),
            (1500, vec![(1500, "succeeded"), (900, "failed")], Some(2)),
            (4900, vec![], None),
            (4900, vec![(1500, "succeeded")], None),
            (0, vec![(1500, "succeeded")], None),
        ] {
            let list: Vec<_> = list.into_iter().map(refund).collect();
            let charge = serde_json::json!({
                "amount_refunded": refunded,
                "refunds": { "data": list, "has_more": false },
            });
            assert_eq!(all_refunds(charge.clone()), expected, "{charge}");
        }
        for incomplete in [
            serde_json::json!({ "amount_refunded": 0 }),
            serde_json::json!({ "amount_refunded": 0, "refunds": null }),
            serde_json::json!({ "amount_refunded": 0, "refunds": { "data": null, "has_more": true } }),
        ] {
            assert_eq!(all_refunds(incomplete.clone()), None, "{incomplete}");
        }
    }
}
