//! What confirm tells of a Checkout Session, in the API's words.

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// The word a page switches on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStatus {
    /// Paid and booked.
    Confirmed,
    /// Not known yet; ask again.
    Processing,
    /// The buyer has not paid and still can.
    AwaitingPayment,
    /// A delayed payment method is on its way.
    PaymentPending,
    /// A delayed payment failed. Nothing is booked.
    PaymentFailed,
    /// The session ended unpaid. Nothing is booked.
    Expired,
    /// Paid, but there are no seats: the money is going back.
    RefundPending,
    /// The whole payment went back. Nothing is booked any more.
    Refunded,
    /// It was cancelled; what went back of the payment, the payment says.
    Cancelled,
    /// Paid, and the shop has to look into it.
    NeedsAttention,
}

impl PaymentStatus {
    /// The word, for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Processing => "processing",
            Self::AwaitingPayment => "awaiting_payment",
            Self::PaymentPending => "payment_pending",
            Self::PaymentFailed => "payment_failed",
            Self::Expired => "expired",
            Self::RefundPending => "refund_pending",
            Self::Refunded => "refunded",
            Self::Cancelled => "cancelled",
            Self::NeedsAttention => "needs_attention",
        }
    }
}

/// The seats the buyer has.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Booking {
    /// What buyer and shop call it.
    #[schema(example = "7K3FQ-2XM9D")]
    pub reference: String,
    /// What it is; of several, their names in a line.
    pub offering: String,
    /// If it has a time.
    #[serde(
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub starts_at: Option<OffsetDateTime>,
    #[serde(
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub ends_at: Option<OffsetDateTime>,
    /// By whose clock it takes place: an IANA name, if the shop says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Europe/Berlin")]
    pub time_zone: Option<String>,
    pub quantity: i32,
    #[schema(example = "confirmed")]
    pub status: &'static str,
    /// Why it is not what the buyer wanted, such as `duplicate_payment`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The money the buyer paid.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Payment {
    /// In the currency's minor unit.
    #[schema(example = 9800)]
    pub amount_total: i64,
    /// What of it went back.
    #[schema(example = 0)]
    pub amount_refunded: i64,
    /// ISO 4217, lower case.
    #[schema(example = "eur")]
    pub currency: String,
    #[schema(example = "paid")]
    pub status: &'static str,
}

/// What the buyer ordered.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Ordered {
    /// What it is; of several, their names in a line.
    pub offering: String,
    /// If it has a time.
    #[serde(
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub starts_at: Option<OffsetDateTime>,
    #[serde(
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub ends_at: Option<OffsetDateTime>,
    /// By whose clock it takes place: an IANA name, if the shop says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Europe/Berlin")]
    pub time_zone: Option<String>,
    pub quantity: i32,
    /// What it costs before discounts and taxes, in the currency's minor unit.
    #[schema(example = 9800)]
    pub amount_total: i64,
    /// ISO 4217, lower case.
    #[schema(example = "eur")]
    pub currency: String,
}
