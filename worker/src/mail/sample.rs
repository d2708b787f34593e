//! Documents that templates are tried with: one that has everything, and one that has the least.

use shared::line_item::{LineItem, LineItems};
use time::macros::datetime;
use uuid::Uuid;

use crate::mail::document::{Booking, Checkout, Customer, Document, Offering, Payment, Slot};

/// Everything there may be.
pub fn full() -> Document {
    let slot = Slot {
        starts_at: datetime!(2027-05-01 09:00 UTC),
        ends_at: datetime!(2027-05-01 11:00 UTC),
        offering: Some(Offering {
            name: "Harbour kayak tour".to_owned(),
            time_zone: Some("Europe/Berlin".to_owned()),
            location: Some("Pier 3".to_owned()),
            cancellation_free_hours: Some(48),
        }),
    };
    Document {
        previous_slot: Some(slot.clone()),
        slot: Some(slot),
        payment: Some(Payment {
            amount_total: 9800,
            amount_refunded: 4900,
            previous_amount_refunded: 0,
            currency: "eur".to_owned(),
        }),
        ..least()
    }
}

/// What is always there.
pub fn least() -> Document {
    let item = LineItem {
        name: "Voucher".to_owned(),
        unit_amount: 4900,
        quantity: 1,
    };
    Document {
        r#type: "booking.confirmed".to_owned(),
        sequence: 1,
        occurred_at: datetime!(2027-04-01 09:30 UTC),
        booking: Booking {
            id: Uuid::nil(),
            reference: "7K3FQ-2XM9D".to_owned(),
            status: "confirmed".to_owned(),
            previous_status: None,
            reason: None,
            quantity: 2,
        },
        checkout: Checkout {
            session_id: None,
            customer: Customer {
                name: String::new(),
                email: "ada@example.com".to_owned(),
            },
            locale: None,
            line_items: Some(LineItems(vec![item])),
        },
        payment: None,
        slot: None,
        previous_slot: None,
    }
}
