//! What others are told about a booking: one document, in the words of the API. Keys are added
//! within a version; none is removed or means something else.

use serde_json::{Value, json};
use shared::db::{booking::Status, offering, slot};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::fulfill_checkout::record::CheckoutRecord;

/// The version of the document; part of the contract.
const VERSION: u32 = 1;

/// A change of the booking of `record`, if there is one, and how everything is after it. Amounts
/// are in minor units.
///
/// - `before`: its status until now.
pub fn booking_document(
    record: &CheckoutRecord,
    before: Option<Status>,
    slot: Option<&(slot::Model, Option<offering::Model>)>,
    now: OffsetDateTime,
) -> Option<Value> {
    let (checkout, booking) = (&record.checkout, record.booking.as_ref()?);
    let status = booking.status.as_str();
    let payment = record.payment.as_ref().map(|payment| {
        json!({
            "id": payment.id,
            "payment_intent_id": payment.payment_intent_id,
            // What was paid.
            "amount_total": payment.amount_minor_units,
            "amount_refunded": payment.amount_refunded_minor_units,
            "currency": payment.currency,
            "status": payment.status.as_str(),
        })
    });
    let slot = slot.map(|(slot, offering)| {
        json!({
            "id": slot.id,
            "starts_at": rfc3339(slot.starts_at),
            "ends_at": rfc3339(slot.ends_at),
            "offering": offering.as_ref().map(|it| json!({ "id": it.id, "name": it.name })),
        })
    });
    Some(json!({
        "version": VERSION,
        "type": format!("booking.{status}"),
        "occurred_at": rfc3339(now),
        "booking": {
            "id": booking.id,
            "reference": booking.reference,
            "status": status,
            // `null` if there was no booking.
            "previous_status": before.map(Status::as_str),
            "reason": booking.reason,
            "quantity": booking.quantity,
            "created_at": rfc3339(booking.created_at),
        },
        "checkout": {
            "id": checkout.id,
            "session_id": checkout.session_id,
            "client_reference": checkout.client_reference,
            "metadata": checkout.metadata,
            "customer": { "name": checkout.customer_name, "email": checkout.customer_email },
            // What had to be paid.
            "amount_total": checkout.amount_minor_units,
            "currency": checkout.currency,
        },
        "payment": payment,
        "slot": slot,
    }))
}

/// A moment for programs.
pub fn rfc3339(time: OffsetDateTime) -> String {
    time.format(&Rfc3339).unwrap_or_default()
}
