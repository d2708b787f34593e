//! Everything the tables say about a checkout, read for many at once. For as long as a transaction
//! has its row locked it is changed in memory, and [saved](crate::fulfill_checkout::save) at the end.

use std::collections::HashMap;

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, Select,
    sea_query::{SelectStatement, UnionType},
};
use shared::db::{
    self, booking, checkout, dispute, outbox, owed_refund, payment, refund, stripe_event,
};
use uuid::Uuid;

/// A checkout, and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckoutRecord {
    pub checkout: checkout::Model,
    pub payment: Option<payment::Model>,
    pub booking: Option<booking::Model>,
    /// Oldest first.
    pub refunds: Vec<refund::Model>,
    /// Oldest first.
    pub disputes: Vec<dispute::Model>,
    /// The refund we owe or owed.
    pub owed_refund: Option<owed_refund::Model>,
    /// How many notifications there are about it.
    pub announced: i32,
}

impl CheckoutRecord {
    /// A checkout that nothing came of yet.
    pub fn new(checkout: checkout::Model) -> Self {
        Self {
            checkout,
            payment: None,
            booking: None,
            refunds: Vec::new(),
            disputes: Vec::new(),
            owed_refund: None,
            announced: 0,
        }
    }

    /// Reads the rest about `checkouts`.
    pub async fn load(
        conn: &impl ConnectionTrait,
        checkouts: Vec<checkout::Model>,
    ) -> Result<HashMap<Uuid, Self>, DbErr> {
        let ids: Vec<Uuid> = checkouts.iter().map(|row| row.id).collect();
        read(conn, checkouts, &ids).await
    }

    /// `cs_…`, as far as it is known.
    pub fn session_id(&self) -> Option<&str> {
        let paid = self.payment.as_ref().map(|payment| &payment.session_id);
        paid.or(self.checkout.session_id.as_ref())
            .map(String::as_str)
    }

    /// What went back of the payment or is on its way, as Stripe's charge counts it.
    pub fn amount_refunded(&self) -> Option<i64> {
        let payment = self.payment.as_ref()?;
        let on_their_way = self
            .refunds
            .iter()
            .filter(|it| it.status.is_on_its_way() && it.currency == payment.currency)
            .map(|it| it.amount_minor_units);
        let went_back = payment.amount_refunded_minor_units;
        Some(on_their_way.fold(went_back, i64::saturating_add))
    }

    /// The dispute with this id.
    pub fn dispute(&self, id: &str) -> Option<&dispute::Model> {
        self.disputes.iter().find(|it| it.id == id)
    }
}

/// A record that a transaction changes.
#[derive(Debug)]
pub struct Draft {
    /// What will be.
    pub current: CheckoutRecord,
    /// What the database has.
    pub persisted: CheckoutRecord,
}

/// Reads the rest about `checkouts`, whose rows are locked.
///
/// - `with_history`: those that have rows in other tables.
pub async fn open(
    tx: &impl ConnectionTrait,
    checkouts: Vec<checkout::Model>,
    with_history: &[Uuid],
) -> Result<HashMap<Uuid, Draft>, DbErr> {
    let records = read(tx, checkouts, with_history).await?;
    let draft = |(id, current): (Uuid, CheckoutRecord)| {
        let persisted = current.clone();
        (id, Draft { current, persisted })
    };
    Ok(records.into_iter().map(draft).collect())
}

/// Ids of the checkouts that already have rows in other tables; for the rest no further query is
/// needed.
pub async fn ids_with_history(
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
        ids_of::<owed_refund::Entity>(tx, owed_refund::Column::CheckoutId, &ids),
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

/// - `ids`: of those that may have rows in other tables.
async fn read(
    conn: &impl ConnectionTrait,
    checkouts: Vec<checkout::Model>,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, CheckoutRecord>, DbErr> {
    let mut records: HashMap<Uuid, CheckoutRecord> = checkouts
        .into_iter()
        .map(|row| (row.id, CheckoutRecord::new(row)))
        .collect();
    if ids.is_empty() {
        return Ok(records);
    }
    let payments = about::<payment::Entity>(conn, payment::Column::CheckoutId, ids);
    for row in payments.all(conn).await? {
        let record = records.entry(row.checkout_id);
        record.and_modify(|it| it.payment = Some(row));
    }
    let bookings = about::<booking::Entity>(conn, booking::Column::CheckoutId, ids);
    for row in bookings.all(conn).await? {
        let record = records.entry(row.checkout_id);
        record.and_modify(|it| it.booking = Some(row));
    }
    let refunds = about::<refund::Entity>(conn, refund::Column::CheckoutId, ids)
        .order_by_asc(refund::Column::CreatedAt);
    for row in refunds.all(conn).await? {
        let record = records.entry(row.checkout_id);
        record.and_modify(|it| it.refunds.push(row));
    }
    let disputes = about::<dispute::Entity>(conn, dispute::Column::CheckoutId, ids)
        .order_by_asc(dispute::Column::CreatedAt);
    for row in disputes.all(conn).await? {
        let record = records.entry(row.checkout_id);
        record.and_modify(|it| it.disputes.push(row));
    }
    let owed = about::<owed_refund::Entity>(conn, owed_refund::Column::CheckoutId, ids);
    for row in owed.all(conn).await? {
        let record = records.entry(row.checkout_id);
        record.and_modify(|it| it.owed_refund = Some(row));
    }
    let last = outbox::Column::Sequence.max();
    let announced = about::<outbox::Entity>(conn, outbox::Column::CheckoutId, ids)
        .select_only()
        .column(outbox::Column::CheckoutId)
        .column_as(last, "last")
        .group_by(outbox::Column::CheckoutId);
    for (checkout_id, last) in announced.into_tuple::<(Uuid, i32)>().all(conn).await? {
        let record = records.entry(checkout_id);
        record.and_modify(|it| it.announced = last);
    }
    Ok(records)
}
