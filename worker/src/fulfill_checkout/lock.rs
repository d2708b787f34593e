//! Finding the checkouts that updates are about, and locking their rows until the transaction
//! ends.

use sea_orm::{
    Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use shared::db::{self, checkout};
use uuid::Uuid;

use crate::fulfill_checkout::update::Target;

/// The checkout that `target` means, unless it is another integration's.
pub async fn find(
    conn: &impl ConnectionTrait,
    target: &Target,
) -> Result<Option<checkout::Model>, DbErr> {
    let named = named(conn, std::iter::once(target));
    let candidates = checkout::Entity::find().filter(named).all(conn).await?;
    Ok(candidates.into_iter().find(|row| target.is(row)))
}

/// The checkouts that may be those of `targets`, and all others of the same orders: one of
/// them may be paid, too. Their rows are locked, all in one order, so that two transactions
/// cannot wait for each other.
///
/// Which one belongs to which target is to be judged now, under the lock: a session's id may
/// have been stored at this very moment.
pub async fn lock<'a>(
    tx: &impl ConnectionTrait,
    targets: impl Iterator<Item = &'a Target>,
) -> Result<Vec<checkout::Model>, DbErr> {
    let backend = tx.get_database_backend();
    let named = named(tx, targets);
    let found: Vec<(Uuid, Option<String>)> = checkout::Entity::find()
        .select_only()
        .columns([checkout::Column::Id, checkout::Column::OrderFingerprint])
        .filter(named)
        .into_tuple()
        .all(tx)
        .await?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    // By values, not by a subquery: until a new table is analyzed, the planner would rather read
    // all of it than believe how little a subquery yields.
    let (ids, orders): (Vec<Uuid>, Vec<Option<String>>) = found.into_iter().unzip();
    let orders: Vec<String> = orders.into_iter().flatten().collect();
    let mut wanted = Condition::any().add(db::one_of(backend, checkout::Column::Id, ids));
    if !orders.is_empty() {
        wanted = wanted.add(db::one_of(
            backend,
            checkout::Column::OrderFingerprint,
            orders,
        ));
    }
    checkout::Entity::find()
        .filter(wanted)
        .order_by_asc(checkout::Column::Id)
        .lock_exclusive()
        .all(tx)
        .await
}

/// By the session's id, or by the hold's that the session names.
fn named<'a>(conn: &impl ConnectionTrait, targets: impl Iterator<Item = &'a Target>) -> Condition {
    let backend = conn.get_database_backend();
    let mut sessions = Vec::new();
    let mut ids = Vec::new();
    for target in targets {
        match target {
            Target::Session { id, checkout_id } => {
                sessions.push(id.clone());
                ids.extend(*checkout_id);
            }
            Target::Checkout(id) => ids.push(*id),
        }
    }
    // Beside a condition that says nothing, such as one of no ids, PostgreSQL may read the whole table.
    let mut named = Condition::any();
    if !sessions.is_empty() {
        named = named.add(db::one_of(backend, checkout::Column::SessionId, sessions));
    }
    if !ids.is_empty() {
        named = named.add(db::one_of(backend, checkout::Column::Id, ids));
    }
    named
}
