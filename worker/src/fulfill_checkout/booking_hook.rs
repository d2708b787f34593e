//! The site's own function, called in our transaction: its rows and ours are committed together, or
//! not at all.

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use shared::db::outbox::{self, Kind};

use crate::{config::BookingHook, fulfill_checkout::fulfill_error::FulfillError};

/// Calls `hook` with each of `notifications` that says how a booking stands now, after the rows are
/// written. One statement for all, in their order, which is that of slots and checkouts, so that two of
/// them do not wait for each other: if it fails, they are tried one by one.
///
/// Returns whether it was called. The commit is then its own as well: what it left to be checked at
/// the commit is, and none of our tables leaves anything.
pub async fn call(
    tx: &impl ConnectionTrait,
    hook: &BookingHook,
    notifications: &[outbox::Model],
) -> Result<bool, FulfillError> {
    let documents: Vec<&str> = notifications
        .iter()
        .filter(|it| is_about_a_booking(it.kind))
        .map(|it| it.document.as_str())
        .collect();
    if documents.is_empty() {
        return Ok(false);
    }
    let call = Statement::from_sql_and_values(
        DbBackend::Postgres,
        format!(
            "SELECT {hook}(document) FROM jsonb_array_elements($1::jsonb) AS changed (document)"
        ),
        [format!("[{}]", documents.join(",")).into()],
    );
    tx.execute_raw(call).await.map_err(FulfillError::of_hook)?;
    Ok(true)
}

fn is_about_a_booking(kind: Kind) -> bool {
    match kind {
        Kind::BookingConfirmed
        | Kind::BookingMoved
        | Kind::BookingCancelled
        | Kind::BookingRefundPending
        | Kind::BookingNeedsAttention => true,
        Kind::PaymentRefunded | Kind::PaymentDisputed => false,
    }
}
