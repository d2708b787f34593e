//! What a template is filled with: texts that are ready to be shown.

use serde::Serialize;
use shared::{line_item::LineItems, one_line::in_one_line};

use crate::mail::{
    document::{Document, MailKind, Slot},
    shop::Shop,
    words::Words,
};

/// The values of a mail. What there is nothing to say about is `none`.
#[derive(Debug, Clone, Serialize)]
pub struct Facts {
    pub kind: &'static str,
    pub shop: Shop,
    pub customer_name: Option<String>,
    pub reference: String,
    pub what: String,
    pub seats: Option<String>,
    pub when: Option<String>,
    pub when_before: Option<String>,
    pub r#where: Option<String>,
    pub amount_paid: Option<String>,
    pub amount_refunded: Option<String>,
    pub status_url: Option<String>,
    pub cancel_url: Option<String>,
    /// For the merchant alone.
    pub r#type: String,
    pub reason: Option<String>,
    pub customer_email: String,
    pub command: String,
}

impl Facts {
    /// What `document` says, in the language of `words`.
    pub fn new(document: &Document, kind: MailKind, words: &Words, shop: &Shop) -> Self {
        let Document {
            booking,
            checkout,
            payment,
            slot,
            previous_slot,
            ..
        } = document;
        let offering = slot.as_ref().and_then(|it| it.offering.as_ref());
        let sold = checkout.line_items.as_ref().map(LineItems::names);
        let what = offering.map(|it| it.name.clone()).or(sold);
        let when = |slot: &Slot| {
            let zone = slot
                .offering
                .as_ref()
                .and_then(|it| it.time_zone.as_deref());
            words.when(slot.starts_at, slot.ends_at, zone)
        };
        let paid = payment.as_ref().filter(|it| it.amount_total > 0);
        let refunded = payment.as_ref().filter(|it| it.amount_refunded > 0);
        Self {
            kind: kind.as_str(),
            shop: shop.clone(),
            customer_name: Some(in_one_line(&checkout.customer.name)).filter(|it| !it.is_empty()),
            reference: booking.reference.clone(),
            what: in_one_line(&what.unwrap_or_default()),
            seats: slot.as_ref().map(|_| words.seats(booking.quantity)),
            when: slot.as_ref().map(when),
            when_before: previous_slot.as_ref().map(when),
            r#where: offering
                .and_then(|it| it.location.as_deref())
                .map(in_one_line),
            amount_paid: paid.map(|it| words.money(it.amount_total, &it.currency)),
            amount_refunded: refunded.map(|it| words.money(it.amount_refunded, &it.currency)),
            status_url: checkout
                .session_id
                .as_ref()
                .map(|id| format!("{}/payment-success?session_id={id}", shop.url)),
            cancel_url: offering
                .filter(|_| matches!(kind, MailKind::Confirmed | MailKind::Moved))
                .filter(|it| it.cancellation_free_hours.is_some())
                .and_then(|_| shop.booking_url(booking)),
            r#type: document.r#type.clone(),
            reason: booking.reason.clone(),
            customer_email: checkout.customer.email.clone(),
            command: format!("worker booking show {}", booking.reference),
        }
    }
}
