//! What we need to know of a refund, whether an event says it or Stripe's API.

use std::collections::HashMap;

use sea_orm::{ActiveEnum, DeriveActiveEnum, EnumIter};
use serde::Deserialize;

use crate::stripe::{checkout_session::Expandable, lenient};

/// The few fields of Stripe's object that decide about a booking.
///
/// Source: <https://docs.stripe.com/api/refunds/object>
#[derive(Debug, Clone, Deserialize)]
pub struct Refund {
    /// `re_…` (`pyr_…` for some payment methods).
    pub id: String,
    /// In minor units of `currency`.
    pub amount: i64,
    /// Lower-case ISO 4217.
    pub currency: String,
    /// How far it has come.
    pub status: Option<Status>,
    /// `pi_…`
    pub payment_intent: Option<Expandable>,
    /// What whoever made it wrote on it.
    #[serde(default, deserialize_with = "lenient::metadata")]
    pub metadata: HashMap<String, String>,
}

/// Key of the metadata by which we know a refund of a part again: of the same, there is one.
pub const OWED: &str = "bookonce_refund";

impl Refund {
    /// How far it has come; a refund without a status is one of old, on its way.
    pub fn status(&self) -> Status {
        self.status.unwrap_or(Status::Pending)
    }
}

impl Status {
    /// Whether the money is neither here nor there. It may go back and forth between these two.
    pub fn is_on_its_way(self) -> bool {
        matches!(self, Self::Pending | Self::RequiresAction)
    }

    /// Whether the money is gone or on its way, so that the charge's `amount_refunded` counts it.
    pub fn counts_as_refunded(self) -> bool {
        self.is_on_its_way() || self == Self::Succeeded
    }
}

/// Stripe's `status` of a refund, in the order in which it can change: one that succeeded may
/// still fail when the bank sends the money back, and nothing follows that.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, EnumIter, DeriveActiveEnum,
)]
#[serde(from = "String")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Status {
    /// On its way, or a value that Stripe added later.
    Pending,
    /// The buyer has to tell where the money shall go.
    RequiresAction,
    /// The money went back.
    Succeeded,
    /// Called off before it went.
    Canceled,
    /// The money came back to us.
    Failed,
}

impl From<String> for Status {
    fn from(word: String) -> Self {
        Self::try_from_value(&word).unwrap_or(Self::Pending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refund_without_metadata_is_one() {
        for metadata in ["null", "{}", r#"{"a": 1}"#, "[]"] {
            let json = format!(
                r#"{{"id": "re_1", "amount": 5, "currency": "eur", "metadata": {metadata}}}"#
            );
            let refund: Refund = serde_json::from_str(&json).unwrap();
            assert_eq!((refund.amount, refund.metadata.len()), (5, 0), "{metadata}");
        }
    }
}
