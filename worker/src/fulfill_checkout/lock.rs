//! Finding the checkouts that facts are about, and keeping everybody else from them until the
//! transaction ends.

use sea_orm::{
    Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use shared::{
    db::{self, checkout},
    stripe::checkout_session::CheckoutSession,
};
use uuid::Uuid;

/// What a fact is about.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// A Checkout Session.
    Session(&'a CheckoutSession),
    /// The checkout itself, found by its payment.
    Checkout(Uuid),
}

impl Subject<'_> {
    /// Whether `checkout` is what it is about. A session is known by its own id; or by the
    /// hold's, if the session's was never stored: the event was faster than ingress, or ingress
    /// crashed right after Stripe made the session.
    pub fn is(self, checkout: &checkout::Model) -> bool {
        match (self, &checkout.session_id) {
            (Self::Checkout(id), _) => checkout.id == id,
            (Self::Session(session), Some(id)) => session.id == *id,
            (Self::Session(session), None) => session.checkout_id() == Some(checkout.id),
        }
    }
}

/// Whether there is a checkout that `subject` may be about.
pub async fn exists(conn: &impl ConnectionTrait, subject: Subject<'_>) -> Result<bool, DbErr> {
    let named = named(conn, std::iter::once(subject));
    let candidates = checkout::Entity::find().filter(named).all(conn).await?;
    Ok(candidates.iter().any(|checkout| subject.is(checkout)))
}

/// The checkouts that may be those of `subjects`, and all others of the same intents: one of
/// them may be paid, too. Their rows are locked, all in one order, so that two transactions
/// cannot wait for each other.
///
/// Which one belongs to which subject is to be judged now, under the lock: a session's id may
/// have been stored at this very moment.
pub async fn lock(
    tx: &impl ConnectionTrait,
    subjects: impl Iterator<Item = Subject<'_>>,
) -> Result<Vec<checkout::Model>, DbErr> {
    let backend = tx.get_database_backend();
    let named = named(tx, subjects);
    let found = checkout::Entity::find().filter(named).all(tx).await?;
    if found.is_empty() {
        return Ok(found);
    }
    // By values, not by a subquery: until a new table is analyzed, the planner would rather read
    // all of it than believe how little a subquery yields.
    let ids: Vec<Uuid> = found.iter().map(|row| row.id).collect();
    let intents: Vec<String> = found.iter().filter_map(|row| row.intent.clone()).collect();
    let mut wanted = Condition::any().add(db::one_of(backend, checkout::Column::Id, ids));
    if !intents.is_empty() {
        wanted = wanted.add(db::one_of(backend, checkout::Column::Intent, intents));
    }
    checkout::Entity::find()
        .filter(wanted)
        .order_by_asc(checkout::Column::Id)
        .lock_exclusive()
        .all(tx)
        .await
}

/// By the session's id, or by the hold's that the session names.
fn named<'a>(
    conn: &impl ConnectionTrait,
    subjects: impl Iterator<Item = Subject<'a>>,
) -> Condition {
    let backend = conn.get_database_backend();
    let mut sessions = Vec::new();
    let mut ids = Vec::new();
    for subject in subjects {
        match subject {
            Subject::Session(session) => {
                sessions.push(session.id.clone());
                ids.extend(session.checkout_id());
            }
            Subject::Checkout(id) => ids.push(id),
        }
    }
    Condition::any()
        .add(db::one_of(backend, checkout::Column::SessionId, sessions))
        .add(db::one_of(backend, checkout::Column::Id, ids))
}
