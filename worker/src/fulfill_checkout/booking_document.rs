//! What others are told about a booking: one document, in the words of the API. Keys are added
//! within a version; none is removed or means something else.

use serde::Serialize;
use serde_json::Value;
use shared::db::{booking::Status, offering, slot};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::fulfill_checkout::record::CheckoutRecord;

/// The version of the document; part of the contract.
const VERSION: u32 = 1;

/// A change of a booking, and how everything is after it. Amounts are in minor units.
#[derive(Debug, Serialize)]
pub struct BookingDocument<'a> {
    version: u32,
    /// `booking.confirmed`, `.cancelled`, `.refund_pending` or `.needs_attention`.
    #[serde(rename = "type")]
    kind: String,
    #[serde(with = "time::serde::rfc3339")]
    occurred_at: OffsetDateTime,
    booking: Booking<'a>,
    checkout: Checkout<'a>,
    payment: Option<Payment<'a>>,
    slot: Option<Slot<'a>>,
}

#[derive(Debug, Serialize)]
struct Booking<'a> {
    id: Uuid,
    reference: &'a str,
    status: &'static str,
    /// What it was before; `null` if there was no booking.
    previous_status: Option<&'static str>,
    reason: Option<&'a str>,
    quantity: i32,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

#[derive(Debug, Serialize)]
struct Checkout<'a> {
    id: Uuid,
    session_id: Option<&'a str>,
    client_reference: Option<&'a str>,
    metadata: Option<&'a Value>,
    customer: Customer<'a>,
    /// What had to be paid.
    amount_total: i64,
    currency: &'a str,
}

#[derive(Debug, Serialize)]
struct Customer<'a> {
    name: &'a str,
    email: &'a str,
}

#[derive(Debug, Serialize)]
struct Payment<'a> {
    id: Uuid,
    payment_intent_id: Option<&'a str>,
    /// What was paid.
    amount_total: i64,
    amount_refunded: i64,
    currency: &'a str,
    status: &'static str,
}

#[derive(Debug, Serialize)]
struct Slot<'a> {
    id: Uuid,
    #[serde(with = "time::serde::rfc3339")]
    starts_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    ends_at: OffsetDateTime,
    offering: Option<Offering<'a>>,
}

#[derive(Debug, Serialize)]
struct Offering<'a> {
    id: Uuid,
    name: &'a str,
}

impl<'a> BookingDocument<'a> {
    /// Of `record`, if there is a booking.
    ///
    /// - `before`: its status until now.
    pub fn of(
        record: &'a CheckoutRecord,
        before: Option<Status>,
        slot: Option<&'a (slot::Model, Option<offering::Model>)>,
        now: OffsetDateTime,
    ) -> Option<Self> {
        let booking = record.booking.as_ref()?;
        let checkout = &record.checkout;
        Some(Self {
            version: VERSION,
            kind: format!("booking.{}", booking.status.as_str()),
            occurred_at: now,
            booking: Booking {
                id: booking.id,
                reference: &booking.reference,
                status: booking.status.as_str(),
                previous_status: before.map(Status::as_str),
                reason: booking.reason.as_deref(),
                quantity: booking.quantity,
                created_at: booking.created_at,
            },
            checkout: Checkout {
                id: checkout.id,
                session_id: checkout.session_id.as_deref(),
                client_reference: checkout.client_reference.as_deref(),
                metadata: checkout.metadata.as_ref(),
                customer: Customer {
                    name: &checkout.customer_name,
                    email: &checkout.customer_email,
                },
                amount_total: checkout.amount_minor_units,
                currency: &checkout.currency,
            },
            payment: record.payment.as_ref().map(|payment| Payment {
                id: payment.id,
                payment_intent_id: payment.payment_intent_id.as_deref(),
                amount_total: payment.amount_minor_units,
                amount_refunded: payment.amount_refunded_minor_units,
                currency: &payment.currency,
                status: payment.status.as_str(),
            }),
            slot: slot.map(|(slot, offering)| Slot {
                id: slot.id,
                starts_at: slot.starts_at,
                ends_at: slot.ends_at,
                offering: offering.as_ref().map(|offering| Offering {
                    id: offering.id,
                    name: &offering.name,
                }),
            }),
        })
    }
}
