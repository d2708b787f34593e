//! Seats: a slot's against its checkouts, and each checkout's against what became of it.

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, Statement};
use shared::db;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Context,
    operator::audit::{
        report::{Audit, Difference, What},
        window::first_id,
    },
    reconcile::count,
};

#[derive(FromQueryResult)]
struct SlotSeats {
    id: Uuid,
    seats_taken: i32,
    held: i64,
}

#[derive(FromQueryResult)]
struct CheckoutSeats {
    id: Uuid,
    seats_held: bool,
}

/// Of slots that were not over at `since`, whenever they were ordered, and of checkouts since then.
pub async fn seats(
    context: &Context,
    since: OffsetDateTime,
    audit: &mut Audit,
) -> Result<(), DbErr> {
    // Each by its key: for a join, PostgreSQL may read all checkouts there ever were.
    const BY_SLOT: &str = "SELECT id, seats_taken, \
             (SELECT CAST(COALESCE(SUM(quantity), 0) AS BIGINT) FROM checkout \
              WHERE checkout.slot_id = slot.id AND checkout.seats_held) AS held \
         FROM slot WHERE ends_at >= $1";
    // An operator decides about the seats of what needs attention.
    const BY_CHECKOUT: &str = "SELECT id, seats_held FROM ( \
             SELECT id, state, seats_held, \
                 (SELECT status FROM booking WHERE booking.checkout_id = checkout.id) AS booked \
             FROM checkout WHERE id >= $2 \
             UNION SELECT checkout.id, state, seats_held, \
                 (SELECT status FROM booking WHERE booking.checkout_id = checkout.id) \
             FROM slot JOIN checkout ON checkout.slot_id = slot.id WHERE slot.ends_at >= $1) AS looked_at \
         WHERE (seats_held AND (booked IN ('cancelled', 'refund_pending') \
                OR booked IS NULL AND state IN ('expired', 'payment_failed', 'abandoned'))) \
            OR (NOT seats_held AND (booked = 'confirmed' \
                OR booked IS NULL AND state IN ('open', 'payment_pending')))";
    let tx = db::begin_long_read(&context.db).await?;
    let backend = tx.get_database_backend();
    let by_slot = Statement::from_sql_and_values(backend, BY_SLOT, [since.into()]);
    let rows = tx.query_all_raw(by_slot).await?;
    // One that cannot be read is doctor's to name.
    let readable = rows
        .iter()
        .filter_map(|row| SlotSeats::from_query_result(row, "").ok());
    for row in readable {
        count(&mut audit.slots);
        if i64::from(row.seats_taken) != row.held {
            audit.differences.push(Difference {
                what: What::SeatsDiffer,
                subject: format!("slot {}", row.id),
                expected: row.held.to_string(),
                found: row.seats_taken.to_string(),
            });
        }
    }
    let values = [since.into(), first_id(since).into()];
    let by_checkout = Statement::from_sql_and_values(backend, BY_CHECKOUT, values);
    let rows = CheckoutSeats::find_by_statement(by_checkout)
        .all(&tx)
        .await?;
    tx.commit().await?;
    for row in rows {
        let word = |held| if held { "held" } else { "free" }.to_owned();
        audit.differences.push(Difference {
            what: What::SeatsHeldDiffer,
            subject: format!("checkout {}", row.id),
            expected: word(!row.seats_held),
            found: word(row.seats_held),
        });
    }
    Ok(())
}
