//! What we need to know of a dispute, whether an event says it or Stripe's API.

use serde::Deserialize;

use crate::{
    db::dispute::Status,
    stripe::{checkout_session::Expandable, lenient},
};

/// The few fields of Stripe's object that decide about a booking.
///
/// Source: <https://docs.stripe.com/api/disputes/object>
#[derive(Debug, Clone, Deserialize)]
pub struct Dispute {
    /// `du_…` (older ones `dp_…`).
    pub id: String,
    /// In minor units of `currency`. It may change while the dispute is open.
    pub amount: i64,
    /// Lower-case ISO 4217.
    pub currency: String,
    /// The buyer's, in Stripe's words.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub reason: String,
    /// How far it has come.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub status: Status,
    /// `pi_…`
    pub payment_intent: Option<Expandable>,
    /// What moved in our balance: withdrawn first, reinstated then.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    balance_transactions: Vec<BalanceTransaction>,
}

#[derive(Debug, Clone, Deserialize)]
struct BalanceTransaction {
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    amount: i64,
}

impl Dispute {
    /// Whether Stripe took the amount out of our balance.
    pub fn funds_withdrawn(&self) -> bool {
        self.balance_transactions.iter().any(|it| it.amount < 0)
    }

    /// Whether Stripe put it back.
    pub fn funds_reinstated(&self) -> bool {
        self.balance_transactions.iter().any(|it| it.amount > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_null_or_a_new_status_does_not_make_a_dispute_unreadable() {
        for status in [serde_json::Value::Null, "settled_by_pigeon".into()] {
            let json = serde_json::json!({
                "id": "du_1", "amount": 4900, "currency": "eur", "status": status, "reason": null,
                "payment_intent": null, "balance_transactions": null,
            });

            let dispute: Dispute = serde_json::from_value(json).unwrap();

            assert_eq!(dispute.status, Status::WarningNeedsResponse);
            assert!(!dispute.funds_withdrawn());
        }
    }
}
