//! What others are told about a booking: one document, in the words of the API. Fields are added
//! within a version; none is removed or means something else. Amounts are in minor units.

use serde::Serialize;
use serde_json::Value;
use shared::{
    db::{booking::Status, offering, slot},
    line_item::LineItems,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::fulfill_checkout::record::CheckoutRecord;

/// The version of the document; part of the contract.
const VERSION: u32 = 1;

/// A change of a booking, and how everything is after it.
#[derive(Debug, Serialize)]
pub struct BookingDocument<'a> {
    version: u32,
    /// `booking.confirmed` and so on.
    r#type: &'static str,
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
    /// `null` if there was no booking.
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
    /// `null` if an earlier release made the checkout.
    line_items: Option<&'a LineItems>,
    /// What the line items cost.
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
    #[serde(rename = "payment_intent_id")]
    intent_id: Option<&'a str>,
    /// What was paid.
    amount_total: i64,
    /// What the line items cost.
    amount_subtotal: i64,
    amount_discount: i64,
    amount_tax: i64,
    amount_shipping: i64,
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
    /// What of the site's, by its own key; or
    resource: Option<&'a str>,
    offering: Option<Offering<'a>>,
}

#[derive(Debug, Serialize)]
struct Offering<'a> {
    id: Uuid,
    name: &'a str,
}

impl<'a> BookingDocument<'a> {
    /// A change of the booking of `record`, if there is one.
    ///
    /// - `before`: its status until now.
    pub fn new(
        record: &'a CheckoutRecord,
        before: Option<Status>,
        slot: Option<&'a (slot::Model, Option<offering::Model>)>,
        now: OffsetDateTime,
    ) -> Option<Self> {
        let (checkout, booking) = (&record.checkout, record.booking.as_ref()?);
        Some(Self {
            version: VERSION,
            r#type: type_of(booking.status),
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
                line_items: checkout.line_items.as_ref(),
                amount_total: checkout.amount_minor_units,
                currency: &checkout.currency,
            },
            payment: record.payment.as_ref().map(|payment| Payment {
                id: payment.id,
                intent_id: payment.payment_intent_id.as_deref(),
                amount_total: payment.amount_minor_units,
                amount_subtotal: payment.amount_subtotal(),
                amount_discount: payment.amount_discount_minor_units,
                amount_tax: payment.amount_tax_minor_units,
                amount_shipping: payment.amount_shipping_minor_units,
                amount_refunded: payment.amount_refunded_minor_units,
                currency: &payment.currency,
                status: payment.status.as_str(),
            }),
            slot: slot.map(|(slot, offering)| Slot {
                id: slot.id,
                starts_at: slot.starts_at,
                ends_at: slot.ends_at,
                resource: slot.resource_key.as_deref(),
                offering: offering.as_ref().map(|it| Offering {
                    id: it.id,
                    name: &it.name,
                }),
            }),
        })
    }
}

fn type_of(status: Status) -> &'static str {
    match status {
        Status::Confirmed => "booking.confirmed",
        Status::RefundPending => "booking.refund_pending",
        Status::NeedsAttention => "booking.needs_attention",
        Status::Cancelled => "booking.cancelled",
    }
}
