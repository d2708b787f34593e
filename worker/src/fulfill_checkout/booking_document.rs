//! What others are told about a booking: one document, in the words of the API. Fields are added
//! within a version; none is removed or means something else. Amounts are in minor units.

use std::collections::HashMap;

use sea_orm::ActiveEnum;
use serde::Serialize;
use serde_json::Value;
use shared::{
    db::{booking::Status, offering, outbox::Kind, slot},
    line_item::LineItems,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::fulfill_checkout::record::Draft;

/// The version of the document; part of the contract.
const VERSION: u32 = 1;

/// Slots by their id, each with its offering, if it has one.
pub type Slots = HashMap<Uuid, (slot::Model, Option<offering::Model>)>;

/// What happened to a booking or its payment, and how everything is after it.
#[derive(Debug, Serialize)]
pub struct BookingDocument<'a> {
    version: u32,
    /// The same however often it is told, and to all.
    id: Uuid,
    /// `booking.confirmed` and so on.
    r#type: &'static str,
    /// Its place among what happened to the booking, from 1.
    sequence: i32,
    #[serde(with = "time::serde::rfc3339")]
    occurred_at: OffsetDateTime,
    booking: Booking<'a>,
    checkout: Checkout<'a>,
    payment: Option<Payment<'a>>,
    slot: Option<Slot<'a>>,
    /// What it was for before it was moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_slot: Option<Slot<'a>>,
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
    /// The buyer's language, as a browser or the site names it.
    locale: Option<&'a str>,
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
    /// What of it had gone back before.
    previous_amount_refunded: i64,
    currency: &'a str,
    status: &'static str,
    /// In Stripe's words; `null` if there is no dispute.
    dispute_status: Option<String>,
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
    /// An IANA name; `null` is UTC.
    time_zone: Option<&'a str>,
    location: Option<&'a str>,
    /// A buyer who cancels so many hours before it starts gets all of it back; `null` if they cannot.
    cancellation_free_hours: Option<i32>,
    /// And after that so much of a hundred.
    cancellation_late_percent: Option<i32>,
}

impl<'a> BookingDocument<'a> {
    /// What happened to the booking of `draft`, if there is one.
    ///
    /// - `(id, kind, sequence)`: of the notification.
    /// - `slots`: those it is for, and was for.
    pub fn new(
        Draft { current, persisted }: &'a Draft,
        (id, kind, sequence): (Uuid, Kind, i32),
        slots: &'a Slots,
        now: OffsetDateTime,
    ) -> Option<Self> {
        let (checkout, booking) = (&current.checkout, current.booking.as_ref()?);
        let before = persisted.booking.as_ref();
        let previous_slot = before
            .and_then(|it| it.slot_id)
            .filter(|_| kind == Kind::BookingMoved);
        Some(Self {
            version: VERSION,
            id,
            r#type: kind.as_str(),
            sequence,
            occurred_at: now,
            booking: Booking {
                id: booking.id,
                reference: &booking.reference,
                status: booking.status.as_str(),
                previous_status: before.map(|it| it.status).map(Status::as_str),
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
                locale: checkout.locale.as_deref(),
                line_items: checkout.line_items.as_ref(),
                amount_total: checkout.amount_minor_units,
                currency: &checkout.currency,
            },
            payment: current.payment.as_ref().map(|payment| Payment {
                id: payment.id,
                intent_id: payment.payment_intent_id.as_deref(),
                amount_total: payment.amount_minor_units,
                amount_subtotal: payment.amount_subtotal(),
                amount_discount: payment.amount_discount_minor_units,
                amount_tax: payment.amount_tax_minor_units,
                amount_shipping: payment.amount_shipping_minor_units,
                amount_refunded: payment.amount_refunded_minor_units,
                previous_amount_refunded: persisted
                    .payment
                    .as_ref()
                    .map_or(0, |it| it.amount_refunded_minor_units),
                currency: &payment.currency,
                status: payment.status.as_str(),
                dispute_status: payment.dispute_status.as_ref().map(ActiveEnum::to_value),
            }),
            slot: booking.slot_id.and_then(|id| slots.get(&id)).map(Slot::new),
            previous_slot: previous_slot.and_then(|id| slots.get(&id)).map(Slot::new),
        })
    }
}

impl<'a> Slot<'a> {
    fn new((slot, offering): &'a (slot::Model, Option<offering::Model>)) -> Self {
        Self {
            id: slot.id,
            starts_at: slot.starts_at,
            ends_at: slot.ends_at,
            resource: slot.resource_key.as_deref(),
            offering: offering.as_ref().map(|it| Offering {
                id: it.id,
                name: &it.name,
                time_zone: it.time_zone.as_deref(),
                location: it.location.as_deref(),
                cancellation_free_hours: it.cancellation_free_hours,
                cancellation_late_percent: it.cancellation_late_percent,
            }),
        }
    }
}
