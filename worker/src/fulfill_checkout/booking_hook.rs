//! The site's own function, called in our transaction: its rows and ours are committed together, or
//! not at all.

use std::collections::HashMap;

use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, EntityTrait, QueryFilter, Statement,
};
use serde_json::Value;
use shared::db::{self, Trouble, booking, offering, slot};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    config::BookingHook,
    fulfill_checkout::{booking_document::booking_document, record::Draft},
};

/// What PostgreSQL says of a statement that took too long.
const TOO_SLOW: &str = "57014";

/// The function raised an exception, took too long, or cannot be called. What it said is not part of
/// the text, since it may be about a buyer.
#[derive(Debug, thiserror::Error)]
#[error("the function in BOOKING_HOOK failed with SQLSTATE {sqlstate}")]
pub struct HookError {
    sqlstate: String,
    message: String,
    /// Whether it may succeed at once: another transaction was in the way.
    may_pass: bool,
}

impl HookError {
    /// SQLSTATE and message, for who looks after the function.
    pub fn detail(&self) -> String {
        format!("{}: {}", self.sqlstate, self.message)
    }
}

/// The transaction cannot be committed.
#[derive(Debug, thiserror::Error)]
pub enum FulfillError {
    /// The database is in trouble, or refuses a row.
    #[error("the transaction failed")]
    Database(#[from] DbErr),
    /// The site's function failed.
    #[error(transparent)]
    Hook(#[from] HookError),
}

impl FulfillError {
    /// Whether the same transaction may succeed at once.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Database(error) => db::trouble(error) != Trouble::Lasting,
            Self::Hook(error) => error.may_pass,
        }
    }

    /// An outage is the database's, whatever was asked of it.
    fn of_hook(error: DbErr) -> Self {
        let trouble = db::trouble(&error);
        match db::refusal(&error) {
            Some((sqlstate, message)) if trouble != Trouble::Outage => Self::Hook(HookError {
                may_pass: trouble == Trouble::Contention && sqlstate != TOO_SLOW,
                sqlstate,
                message,
            }),
            _ => Self::Database(error),
        }
    }
}

/// Calls `hook` for each of `drafts` whose booking is not what the database had, after the rows are
/// written. One statement for all: if it fails, they are tried one by one.
pub async fn call(
    tx: &DatabaseTransaction,
    hook: &BookingHook,
    drafts: impl Iterator<Item = &Draft>,
    now: OffsetDateTime,
) -> Result<(), FulfillError> {
    let changed: Vec<&Draft> = drafts.filter(|it| is_changed(it)).collect();
    if changed.is_empty() {
        return Ok(());
    }
    let slots = slots(tx, &changed).await?;
    let documents = changed.iter().filter_map(|Draft { current, persisted }| {
        let before = persisted.booking.as_ref().map(|booking| booking.status);
        booking_document(current, before, slots.get(&current.checkout.slot_id), now)
    });
    let documents: Value = documents.collect();
    let call = Statement::from_sql_and_values(
        DbBackend::Postgres,
        format!("SELECT {hook}(document) FROM jsonb_array_elements($1) AS changed (document)"),
        [documents.into()],
    );
    tx.execute_raw(call).await.map_err(FulfillError::of_hook)?;
    // What it left to be checked at the commit is checked now, where it is still the function's.
    tx.execute_unprepared("SET CONSTRAINTS ALL IMMEDIATE")
        .await
        .map_err(FulfillError::of_hook)?;
    Ok(())
}

fn is_changed(draft: &Draft) -> bool {
    let told = |it: &booking::Model| (it.status, it.reason.clone());
    draft.current.booking.as_ref().map(told) != draft.persisted.booking.as_ref().map(told)
}

async fn slots(
    tx: &DatabaseTransaction,
    changed: &[&Draft],
) -> Result<HashMap<Uuid, (slot::Model, Option<offering::Model>)>, DbErr> {
    let ids = changed.iter().map(|draft| draft.current.checkout.slot_id);
    let rows = slot::Entity::find()
        .find_also_related(offering::Entity)
        .filter(db::one_of(DbBackend::Postgres, slot::Column::Id, ids))
        .all(tx)
        .await?;
    let by_id = rows.into_iter().map(|row| (row.0.id, row));
    Ok(by_id.collect())
}
