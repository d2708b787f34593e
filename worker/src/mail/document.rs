//! A notification's document, as far as mails need it.

use serde::Deserialize;
use shared::line_item::LineItems;
use time::OffsetDateTime;
use uuid::Uuid;

/// `booking.reason` of one that another payment has booked.
const DUPLICATE_PAYMENT: &str = "duplicate_payment";

/// What happened, and how everything is after it.
#[derive(Debug, Clone, Deserialize)]
pub struct Document {
    pub r#type: String,
    pub sequence: i32,
    #[serde(with = "time::serde::rfc3339")]
    pub occurred_at: OffsetDateTime,
    pub booking: Booking,
    pub checkout: Checkout,
    pub payment: Option<Payment>,
    pub slot: Option<Slot>,
    #[serde(default)]
    pub previous_slot: Option<Slot>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Booking {
    pub id: Uuid,
    pub reference: String,
    pub status: String,
    pub previous_status: Option<String>,
    pub reason: Option<String>,
    pub quantity: i32,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Checkout {
    pub session_id: Option<String>,
    pub customer: Customer,
    /// The buyer's language.
    #[serde(default)]
    pub locale: Option<String>,
    pub line_items: Option<LineItems>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Customer {
    pub name: String,
    pub email: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Payment {
    pub amount_total: i64,
    pub amount_refunded: i64,
    #[serde(default)]
    pub previous_amount_refunded: i64,
    pub currency: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Slot {
    #[serde(with = "time::serde::rfc3339")]
    pub starts_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub ends_at: OffsetDateTime,
    pub offering: Option<Offering>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Offering {
    pub name: String,
    #[serde(default)]
    pub time_zone: Option<String>,
    #[serde(default)]
    pub location: Option<String>,
    /// A buyer can cancel if there is one.
    #[serde(default)]
    pub cancellation_free_hours: Option<i32>,
}

/// What a mail says; the names are those of templates and words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailKind {
    Confirmed,
    Moved,
    Cancelled,
    RefundPending,
    /// The same, where the buyer has booked it by another payment.
    SecondPayment,
    Refunded,
    NeedsAttention,
}

impl MailKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Confirmed,
        Self::Moved,
        Self::Cancelled,
        Self::RefundPending,
        Self::SecondPayment,
        Self::Refunded,
        Self::NeedsAttention,
    ];

    /// The word for templates.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Moved => "moved",
            Self::Cancelled => "cancelled",
            Self::RefundPending => "refund_pending",
            Self::SecondPayment => "second_payment",
            Self::Refunded => "refunded",
            Self::NeedsAttention => "needs_attention",
        }
    }
}

impl Document {
    /// What the buyer is told, if anything: not what only concerns the merchant, and not the same twice.
    pub fn buyer_kind(&self) -> Option<MailKind> {
        let is_new = self.booking.previous_status.as_ref() != Some(&self.booking.status);
        match self.r#type.as_str() {
            "booking.confirmed" if is_new => Some(MailKind::Confirmed),
            "booking.moved" => Some(MailKind::Moved),
            // That it is not booked, the mail before has said.
            "booking.cancelled" if is_new && self.was_going_back() => Some(MailKind::Refunded),
            "booking.cancelled" if is_new => Some(MailKind::Cancelled),
            "booking.refund_pending" if is_new && self.is_second() => Some(MailKind::SecondPayment),
            "booking.refund_pending" if is_new => Some(MailKind::RefundPending),
            "booking.needs_attention" if is_new => Some(MailKind::NeedsAttention),
            "payment.refunded" => {
                let payment = self.payment.as_ref()?;
                let went_back = payment.amount_refunded > payment.previous_amount_refunded;
                // The mail about the end has the amount as well.
                let ended_by_it = is_new && self.booking.status == "cancelled";
                (went_back && !ended_by_it).then_some(MailKind::Refunded)
            }
            _ => None,
        }
    }

    fn was_going_back(&self) -> bool {
        self.booking.previous_status.as_deref() == Some("refund_pending")
    }

    /// Whether another payment has booked the same.
    fn is_second(&self) -> bool {
        self.booking.reason.as_deref() == Some(DUPLICATE_PAYMENT)
    }

    /// What the merchant's line is about.
    pub fn merchant_kind(&self) -> MailKind {
        match self.r#type.as_str() {
            "booking.confirmed" => MailKind::Confirmed,
            "booking.moved" => MailKind::Moved,
            "booking.cancelled" => MailKind::Cancelled,
            "booking.refund_pending" => MailKind::RefundPending,
            "payment.refunded" => MailKind::Refunded,
            _ => MailKind::NeedsAttention,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::sample;

    fn kind(r#type: &str, before: Option<&str>, after: &str, why: &str) -> Option<MailKind> {
        let mut document = sample::full();
        r#type.clone_into(&mut document.r#type);
        document.booking.previous_status = before.map(str::to_owned);
        after.clone_into(&mut document.booking.status);
        document.booking.reason = Some(why.to_owned());
        document.buyer_kind()
    }

    #[test]
    fn a_second_payment_is_not_called_a_booking_that_failed() {
        let (pending, gone) = ("booking.refund_pending", "booking.cancelled");
        let going = Some("refund_pending");

        let full = kind(pending, None, "refund_pending", "seats_unavailable");
        let second = kind(pending, None, "refund_pending", "duplicate_payment");
        let back = kind(gone, going, "cancelled", "duplicate_payment");
        let ended = kind(
            gone,
            Some("confirmed"),
            "cancelled",
            "cancelled_by_merchant",
        );

        assert_eq!(full, Some(MailKind::RefundPending));
        assert_eq!(second, Some(MailKind::SecondPayment));
        assert_eq!(back, Some(MailKind::Refunded));
        assert_eq!(ended, Some(MailKind::Cancelled));
    }
}
