//! The merchant's question: does every paid session have one booking and one payment, and
//! is every seat accounted for?

use std::collections::HashMap;

use sea_orm::{DatabaseConnection, EntityTrait};
use shared::db::{booking, checkout, payment, slot};
use stripe_sim::LedgerEntry;
use uuid::Uuid;

/// Compares what Stripe says was paid with the database, both ways, and the seats with what
/// holds and bookings add up to.
pub async fn assert_balance(db: &DatabaseConnection, ledger: &[LedgerEntry]) {
    let payments = payment::Entity::find().all(db).await.unwrap();
    let bookings = booking::Entity::find().all(db).await.unwrap();
    let checkouts = checkout::Entity::find().all(db).await.unwrap();

    let mut at_stripe: Vec<_> = ledger
        .iter()
        .filter(|entry| entry.payment_status != "unpaid")
        .map(|entry| {
            (
                entry.session_id.clone(),
                entry.amount_total,
                entry.currency.clone(),
            )
        })
        .collect();
    let mut with_us: Vec<_> = payments
        .iter()
        .map(|row| {
            (
                row.session_id.clone(),
                row.amount_minor_units,
                row.currency.clone(),
            )
        })
        .collect();
    at_stripe.sort();
    with_us.sort();
    assert_eq!(with_us, at_stripe, "payments here and at Stripe");

    let mut paid: Vec<Uuid> = payments.iter().map(|row| row.checkout_id).collect();
    let mut booked: Vec<Uuid> = bookings.iter().map(|row| row.checkout_id).collect();
    paid.sort();
    booked.sort();
    assert_eq!(booked, paid, "a booking for each payment");

    let mut seats: HashMap<Uuid, i32> = HashMap::new();
    for checkout in checkouts.iter().filter(|row| row.state.is_undecided()) {
        *seats.entry(checkout.slot_id).or_default() += checkout.quantity;
    }
    for booking in &bookings {
        *seats.entry(booking.slot_id).or_default() += booking.quantity;
    }
    for slot in slot::Entity::find().all(db).await.unwrap() {
        let expected = seats.get(&slot.id).copied().unwrap_or_default();
        assert_eq!(slot.seats_taken, expected, "seats of slot {}", slot.id);
    }
}
