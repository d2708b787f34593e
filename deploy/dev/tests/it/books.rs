//! The merchant's question: is every payment at Stripe accounted for here, and every seat?

use std::collections::HashMap;

use sea_orm::{DatabaseConnection, EntityTrait};
use shared::db::{
    booking::{self, Status},
    checkout::{self, State},
    payment, slot,
};
use stripe_sim::LedgerEntry;
use uuid::Uuid;

/// Compares what Stripe says was paid and given back with the database, both ways, and the
/// seats with what open holds and live bookings add up to.
pub async fn assert_balance(db: &DatabaseConnection, ledger: &[LedgerEntry]) {
    let payments = payment::Entity::find().all(db).await.unwrap();
    let bookings = booking::Entity::find().all(db).await.unwrap();

    let mut at_stripe: Vec<_> = ledger
        .iter()
        .filter(|entry| entry.status == "complete" && entry.payment_status != "unpaid")
        .map(|entry| {
            (
                entry.session_id.clone(),
                entry.amount_total,
                entry.amount_refunded,
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
                row.amount_refunded_minor_units,
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
    assert_seats(db).await;
}

/// Every seat that is taken is held by one checkout.
pub async fn assert_seats(db: &DatabaseConnection) {
    let bookings: HashMap<Uuid, Status> = booking::Entity::find()
        .all(db)
        .await
        .unwrap()
        .into_iter()
        .map(|row| (row.checkout_id, row.status))
        .collect();
    let mut seats: HashMap<Uuid, i32> = HashMap::new();
    for row in checkout::Entity::find().all(db).await.unwrap() {
        let takes = match (row.state, bookings.get(&row.id)) {
            (State::Open | State::PaymentPending, _) | (_, Some(Status::Confirmed)) => true,
            // It keeps what it had until an operator has decided.
            (_, Some(Status::NeedsAttention)) => row.seats_held,
            _ => false,
        };
        assert_eq!(row.seats_held, takes, "seats of {row:?}");
        if takes && let Some(slot_id) = row.slot_id {
            *seats.entry(slot_id).or_default() += row.quantity;
        }
    }
    for slot in slot::Entity::find().all(db).await.unwrap() {
        let expected = seats.get(&slot.id).copied().unwrap_or_default();
        assert_eq!(slot.seats_taken, expected, "seats of slot {}", slot.id);
    }
}
