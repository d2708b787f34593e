//! The site's own function, called in our transaction: its rows and ours are committed together, or
//! not at all.

use std::collections::HashMap;

use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, EntityTrait, QueryFilter, Statement,
};
use shared::db::{self, booking, offering, slot};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    config::BookingHook,
    fulfill_checkout::{
        booking_document::BookingDocument, fulfill_error::FulfillError, record::Draft,
    },
};

/// Calls `hook` for each of `drafts` whose booking is not what the database had, after the rows are
/// written. One statement for all, in the order of slots and checkouts, so that two of them do not
/// wait for each other: if it fails, they are tried one by one.
///
/// Returns whether it was called. The commit is then its own as well: what it left to be checked at
/// the commit is, and none of our tables leaves anything.
pub async fn call(
    tx: &DatabaseTransaction,
    hook: &BookingHook,
    drafts: impl Iterator<Item = &Draft>,
    now: OffsetDateTime,
) -> Result<bool, FulfillError> {
    let mut changed: Vec<&Draft> = drafts.filter(|it| is_changed(it)).collect();
    changed.sort_unstable_by_key(|it| (it.current.checkout.slot_id, it.current.checkout.id));
    if changed.is_empty() {
        return Ok(false);
    }
    let slots = slots(tx, &changed).await?;
    let documents = changed.iter().filter_map(|Draft { current, persisted }| {
        let before = persisted.booking.as_ref().map(|booking| booking.status);
        let slot = current.checkout.slot_id.and_then(|id| slots.get(&id));
        BookingDocument::new(current, before, slot, now)
    });
    let documents: Vec<BookingDocument> = documents.collect();
    let documents =
        serde_json::to_string(&documents).map_err(|error| DbErr::Json(error.to_string()))?;
    let call = Statement::from_sql_and_values(
        DbBackend::Postgres,
        format!(
            "SELECT {hook}(document) FROM jsonb_array_elements($1::jsonb) AS changed (document)"
        ),
        [documents.into()],
    );
    tx.execute_raw(call).await.map_err(FulfillError::of_hook)?;
    Ok(true)
}

fn is_changed(draft: &Draft) -> bool {
    let told = |it: &booking::Model| (it.status, it.reason.clone());
    draft.current.booking.as_ref().map(told) != draft.persisted.booking.as_ref().map(told)
}

async fn slots(
    tx: &DatabaseTransaction,
    changed: &[&Draft],
) -> Result<HashMap<Uuid, (slot::Model, Option<offering::Model>)>, DbErr> {
    let ids = changed
        .iter()
        .filter_map(|draft| draft.current.checkout.slot_id);
    let rows = slot::Entity::find()
        .find_also_related(offering::Entity)
        .filter(db::one_of(DbBackend::Postgres, slot::Column::Id, ids))
        .all(tx)
        .await?;
    let by_id = rows.into_iter().map(|row| (row.0.id, row));
    Ok(by_id.collect())
}
