//! What we need to know of a Checkout Session, whether a signed event says it or Stripe's API.

use std::collections::HashMap;

use serde::Deserialize;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::stripe::{lenient, metadata};

/// The few fields of Stripe's object that decide about a booking.
///
/// Read leniently: an event is rendered in the API version of the account, not in one that
/// we chose, so a field we do not need must never make it unreadable.
///
/// Source: <https://docs.stripe.com/api/checkout/sessions/object>
#[derive(Debug, Clone, Deserialize)]
pub struct CheckoutSession {
    /// `cs_…`, or what another integration of the same account has in its place.
    pub id: String,
    /// Whether money has come in.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub payment_status: PaymentStatus,
    /// Whether the buyer is done with the page.
    pub status: Option<Status>,
    /// What the line items cost, in minor units of `currency`.
    pub amount_subtotal: Option<i64>,
    /// What the buyer paid or is to pay.
    pub amount_total: Option<i64>,
    /// What makes the total another than the subtotal.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub total_details: TotalDetails,
    /// Lower-case ISO 4217.
    pub currency: Option<String>,
    /// `pi_…`; absent where nothing had to be paid.
    pub payment_intent: Option<Expandable>,
    /// What we put there: the hold's id. Others may put anything.
    pub client_reference_id: Option<String>,
    /// What the site and we put there, see [`metadata`].
    #[serde(default, deserialize_with = "lenient::metadata")]
    pub metadata: HashMap<String, String>,
    /// What it sells: we sell by `payment` only.
    pub mode: Option<Mode>,
    /// Whether real money moves.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub livemode: bool,
    /// Where the buyer pays, while the session is open.
    pub url: Option<String>,
}

/// What is taken off a session's subtotal and added to it, in minor units. What a buyer paid in
/// another currency (`presentment_details`) is converted by Stripe and concerns none of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct TotalDetails {
    /// Taken off.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub amount_discount: i64,
    /// Added.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub amount_shipping: i64,
    /// Added where prices are without taxes, else a part of them.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub amount_tax: i64,
}

/// Stripe's `mode` of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// One payment.
    Payment,
    /// `setup`, `subscription`, or a value Stripe added later.
    #[serde(other)]
    Other,
}

/// Stripe's `payment_status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStatus {
    /// The money is there.
    Paid,
    /// Not yet, or never.
    #[default]
    Unpaid,
    /// There was nothing to pay.
    NoPaymentRequired,
    /// A value Stripe added later. Not a reason to give a seat away.
    #[serde(other)]
    Unknown,
}

/// Stripe's `status` of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The buyer can still pay.
    Open,
    /// The buyer is done; see [`PaymentStatus`] for the money.
    Complete,
    /// The buyer can no longer pay.
    Expired,
    /// A value Stripe added later.
    #[serde(other)]
    Unknown,
}

/// An object of Stripe's that may come as its id or whole.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Expandable {
    /// The id.
    Id(String),
    /// The object.
    Object {
        /// Its id.
        id: String,
        /// Its status, if it has one.
        status: Option<String>,
        /// Of a PaymentIntent: the attempt that succeeded.
        latest_charge: Option<Box<Expandable>>,
        /// Of a charge: what of it went back, in minor units.
        amount_refunded: Option<i64>,
        /// Of a charge: whether there is or was a dispute about it.
        disputed: Option<bool>,
        /// When it was made, in seconds since the Unix epoch.
        created: Option<i64>,
        /// Of a PaymentIntent: what the session's maker put there.
        #[serde(default, deserialize_with = "lenient::metadata")]
        metadata: HashMap<String, String>,
    },
}

impl Expandable {
    /// The id, either way.
    pub fn id(&self) -> &str {
        match self {
            Self::Id(id) | Self::Object { id, .. } => id,
        }
    }
}

impl CheckoutSession {
    /// Whether the buyer is done and owes nothing more, so that the seats are theirs. Where
    /// nothing has to be paid, `payment_status` says so before the buyer has agreed to anything.
    pub fn is_paid(&self) -> bool {
        match self.payment_status {
            PaymentStatus::Paid => true,
            PaymentStatus::NoPaymentRequired => self.status == Some(Status::Complete),
            PaymentStatus::Unpaid | PaymentStatus::Unknown => false,
        }
    }

    /// The hold that the session says it belongs to. A hint to look it up, no proof.
    pub fn checkout_id(&self) -> Option<Uuid> {
        let metadata = self.metadata.get(metadata::CHECKOUT_ID);
        let hint = metadata.or(self.client_reference_id.as_ref())?;
        Uuid::parse_str(hint).ok()
    }

    /// What went back of the payment. Only a session whose PaymentIntent and charge are
    /// expanded can tell.
    pub fn amount_refunded(&self) -> Option<i64> {
        match self.charge()? {
            Expandable::Object {
                amount_refunded, ..
            } => *amount_refunded,
            Expandable::Id(_) => None,
        }
    }

    /// Whether the buyer has taken the payment to the bank, as far as the charge tells.
    pub fn is_disputed(&self) -> bool {
        let disputed = |charge: &Expandable| matches!(charge, Expandable::Object { disputed, .. } if *disputed == Some(true));
        self.charge().is_some_and(disputed)
    }

    /// When the money came in, if the charge tells.
    pub fn paid_at(&self) -> Option<OffsetDateTime> {
        match self.charge()? {
            Expandable::Object { created, .. } => {
                OffsetDateTime::from_unix_timestamp((*created)?).ok()
            }
            Expandable::Id(_) => None,
        }
    }

    /// The attempt that succeeded, if it is expanded.
    fn charge(&self) -> Option<&Expandable> {
        match &self.payment_intent {
            Some(Expandable::Object { latest_charge, .. }) => latest_charge.as_deref(),
            _ => None,
        }
    }

    /// `pi_…`
    pub fn payment_intent_id(&self) -> Option<&str> {
        self.payment_intent.as_ref().map(Expandable::id)
    }

    /// Whether the buyer was done with it, and the delayed payment has failed since. Only a
    /// session with its PaymentIntent expanded can tell.
    pub fn has_failed(&self) -> bool {
        let Some(Expandable::Object { status, .. }) = &self.payment_intent else {
            return false;
        };
        self.status == Some(Status::Complete)
            && self.payment_status == PaymentStatus::Unpaid
            && matches!(
                status.as_deref(),
                Some("requires_payment_method" | "canceled")
            )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stripe::id::CheckoutSessionId;

    fn session(json: serde_json::Value) -> CheckoutSession {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn fields_that_are_missing_null_or_new_do_not_make_a_session_unreadable() {
        let sparse = session(serde_json::json!({ "id": "cs_test_a1B2c3D4e5" }));
        let newer = session(serde_json::json!({
            "id": "cs_test_a1B2c3D4e5",
            "payment_status": "paid_by_pigeon",
            "status": "postponed",
            "metadata": null,
            "livemode": null,
            "mode": null,
            "payment_intent": {
                "id": "pi_1",
                "object": "payment_intent",
                "metadata": null,
                "latest_charge": { "id": "ch_1", "disputed": null, "created": null },
            },
            "brand_new": [1, 2],
        }));

        assert!(!sparse.is_paid());
        assert_eq!(sparse.checkout_id(), None);
        assert!(!newer.is_paid() && !newer.is_disputed());
        assert_eq!(newer.payment_intent_id(), Some("pi_1"));
        let null = session(serde_json::json!({
            "id": "bpc_4711", "payment_status": null, "metadata": { "checkout_id": null, "a": 7 },
        }));
        assert!(!null.is_paid());
        assert!(null.id.parse::<CheckoutSessionId>().is_err());
        assert_eq!(null.checkout_id(), None);
    }

    #[test]
    fn a_free_session_is_paid_once_the_buyer_is_done_with_it() {
        let free = |status: &str| {
            session(serde_json::json!({
                "id": "cs_test_a1B2c3D4e5",
                "payment_status": "no_payment_required",
                "status": status,
            }))
        };

        assert!(free("complete").is_paid());
        assert!(!free("open").is_paid());
        assert!(!free("expired").is_paid());
    }

    #[test]
    fn the_hold_is_named_by_metadata_or_client_reference() {
        let id = Uuid::from_u128(7);
        let by_metadata = session(serde_json::json!({
            "id": "cs_test_a1B2c3D4e5",
            "client_reference_id": "campaign-7",
            "metadata": { "checkout_id": id.to_string() },
        }));
        let by_reference = session(serde_json::json!({
            "id": "cs_test_a1B2c3D4e5",
            "client_reference_id": id.to_string(),
        }));

        assert_eq!(by_metadata.checkout_id(), Some(id));
        assert_eq!(by_reference.checkout_id(), Some(id));
    }
}
