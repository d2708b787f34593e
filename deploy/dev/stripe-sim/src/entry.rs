//! What a buyer does on the payment page.

use serde::Deserialize;

/// Action of a buyer on the payment page: the form field `outcome`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Pays by card.
    Succeed,
    /// The card is declined; the session stays open.
    Decline,
    /// Pays by a delayed method, such as a bank debit: the money comes later, or not.
    Delay,
    /// Turns back to the shop; the session stays open.
    Cancel,
}

/// What a buyer enters on the payment page.
#[derive(Debug, Clone, Deserialize)]
pub struct Entry {
    /// The button.
    pub outcome: Outcome,
    /// The code of a discount.
    #[serde(default)]
    pub promotion_code: String,
    /// The currency that the buyer would rather pay in, as Adaptive Pricing lets them.
    #[serde(default)]
    pub presentment_currency: String,
}

impl From<Outcome> for Entry {
    fn from(outcome: Outcome) -> Self {
        Self {
            outcome,
            promotion_code: String::new(),
            presentment_currency: String::new(),
        }
    }
}
