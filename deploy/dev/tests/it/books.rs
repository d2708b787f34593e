//! The merchant's question: is every payment at Stripe accounted for here, and every seat?

use std::collections::HashMap;

use sea_orm::{DatabaseConnection, EntityTrait, QueryOrder};
use serde_json::{Value, json};
use shared::db::{
    booking::{self, Status},
    checkout::{self, State},
    outbox, payment, slot,
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
    assert_told(db, &bookings, &payments).await;
}

/// Of each booking it is written down what is to be told, in one row without gaps, and the last of
/// it is how things are.
async fn assert_told(
    db: &DatabaseConnection,
    bookings: &[booking::Model],
    payments: &[payment::Model],
) {
    let mut told: HashMap<Uuid, Vec<outbox::Model>> = HashMap::new();
    let rows = outbox::Entity::find().order_by_asc(outbox::Column::Sequence);
    for row in rows.all(db).await.unwrap() {
        told.entry(row.checkout_id).or_default().push(row);
    }
    for booking in bookings {
        let rows = told.remove(&booking.checkout_id).unwrap_or_default();
        let sequences: Vec<i32> = rows.iter().map(|it| it.sequence).collect();
        let expected: Vec<i32> = (1..).take(rows.len()).collect();
        assert_eq!(sequences, expected);
        let last = rows.last().expect("every booking is told of");
        if last.document.is_empty() {
            continue; // erased, as it is old
        }
        let last: Value = serde_json::from_str(&last.document).unwrap();
        assert_eq!(last["booking"]["status"], booking.status.as_str());
        assert_eq!(last["booking"]["reason"], json!(booking.reason));
        let payment = payments
            .iter()
            .find(|it| it.checkout_id == booking.checkout_id)
            .unwrap();
        assert_eq!(
            last["payment"]["amount_refunded"],
            payment.amount_refunded_minor_units
        );
    }
    assert!(told.is_empty(), "told of what is not booked: {told:?}");
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
