//! Everything we know of a checkout, in memory for as long as a transaction has its row locked:
//! read for many at once, changed one by one, and [stored](crate::fulfill_checkout::save) for many at once.

use std::collections::HashMap;

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, QueryTrait, Select,
    sea_query::{SelectStatement, UnionType},
};
use shared::db::{self, booking, checkout, dispute, outbox, payment, refund, stripe_event};
use uuid::Uuid;

/// What the tables say about a checkout.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    pub checkout: checkout::Model,
    pub payment: Option<payment::Model>,
    pub booking: Option<booking::Model>,
    pub refunds: Vec<refund::Model>,
    pub disputes: Vec<dispute::Model>,
    /// The refund we owe or owed.
    pub promise: Option<outbox::Model>,
}

/// A checkout with what is in the database about it, and what will be.
#[derive(Debug)]
pub struct Dossier {
    /// What will be.
    pub known: Known,
    /// What the database has.
    pub stored: Known,
}

/// Which of `checkouts` have left anything but their own row. Most have not: then one look is
/// enough.
pub async fn with_a_past(
    tx: &impl ConnectionTrait,
    checkouts: &[checkout::Model],
) -> Result<Vec<Uuid>, DbErr> {
    let ids: Vec<Uuid> = checkouts.iter().map(|row| row.id).collect();
    let mut all = ids_of::<stripe_event::Entity>(tx, stripe_event::Column::CheckoutId, &ids);
    for other in [
        ids_of::<payment::Entity>(tx, payment::Column::CheckoutId, &ids),
        ids_of::<booking::Entity>(tx, booking::Column::CheckoutId, &ids),
        ids_of::<refund::Entity>(tx, refund::Column::CheckoutId, &ids),
        ids_of::<dispute::Entity>(tx, dispute::Column::CheckoutId, &ids),
        ids_of::<outbox::Entity>(tx, outbox::Column::CheckoutId, &ids)
            .and_where(outbox::Column::Kind.eq(outbox::Kind::Refund))
            .take(),
    ] {
        all.union(UnionType::Distinct, other);
    }
    let rows = tx.query_all(&all).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}

/// The rows of a table that are about the checkouts `ids`.
fn about<E: EntityTrait>(
    tx: &impl ConnectionTrait,
    checkout_id: E::Column,
    ids: &[Uuid],
) -> Select<E> {
    E::find().filter(db::one_of(
        tx.get_database_backend(),
        checkout_id,
        ids.iter().copied(),
    ))
}

/// Of the same rows, which checkouts they are about.
fn ids_of<E: EntityTrait>(
    tx: &impl ConnectionTrait,
    checkout_id: E::Column,
    ids: &[Uuid],
) -> SelectStatement {
    let rows = about::<E>(tx, checkout_id, ids);
    rows.select_only().column(checkout_id).into_query()
}

/// Reads the rest about `checkouts`, whose rows are locked.
///
/// - `past`: those of them of which there is more.
pub async fn open(
    tx: &impl ConnectionTrait,
    checkouts: Vec<checkout::Model>,
    past: &[Uuid],
) -> Result<HashMap<Uuid, Dossier>, DbErr> {
    let mut known: HashMap<Uuid, Known> = checkouts
        .into_iter()
        .map(|checkout| {
            let known = Known {
                payment: None,
                booking: None,
                refunds: Vec::new(),
                disputes: Vec::new(),
                promise: None,
                checkout,
            };
            (known.checkout.id, known)
        })
        .collect();
    if !past.is_empty() {
        read_past(tx, past, &mut known).await?;
    }
    let dossier = |(id, known): (Uuid, Known)| {
        let stored = known.clone();
        (id, Dossier { known, stored })
    };
    Ok(known.into_iter().map(dossier).collect())
}

async fn read_past(
    tx: &impl ConnectionTrait,
    past: &[Uuid],
    known: &mut HashMap<Uuid, Known>,
) -> Result<(), DbErr> {
    let payments = about::<payment::Entity>(tx, payment::Column::CheckoutId, past);
    for row in payments.all(tx).await? {
        if let Some(known) = known.get_mut(&row.checkout_id) {
            known.payment = Some(row);
        }
    }
    let bookings = about::<booking::Entity>(tx, booking::Column::CheckoutId, past);
    for row in bookings.all(tx).await? {
        if let Some(known) = known.get_mut(&row.checkout_id) {
            known.booking = Some(row);
        }
    }
    let refunds = about::<refund::Entity>(tx, refund::Column::CheckoutId, past);
    for row in refunds.all(tx).await? {
        if let Some(known) = known.get_mut(&row.checkout_id) {
            known.refunds.push(row);
        }
    }
    let disputes = about::<dispute::Entity>(tx, dispute::Column::CheckoutId, past);
    for row in disputes.all(tx).await? {
        if let Some(known) = known.get_mut(&row.checkout_id) {
            known.disputes.push(row);
        }
    }
    let promises = about::<outbox::Entity>(tx, outbox::Column::CheckoutId, past)
        .filter(outbox::Column::Kind.eq(outbox::Kind::Refund));
    for row in promises.all(tx).await? {
        if let Some(known) = known.get_mut(&row.checkout_id) {
            known.promise = Some(row);
        }
    }
    Ok(())
}
