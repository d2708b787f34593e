//! Finding the checkout that a fact is about, and keeping everybody else from it until the
//! transaction ends.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};
use shared::{checkout_session::CheckoutSession, db::checkout, stripe_id::CheckoutSessionId};
use uuid::Uuid;

/// What a fact is about.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// A Checkout Session.
    Session(&'a CheckoutSession),
    /// The checkout itself, found by its payment.
    Checkout(Uuid),
}

/// A checkout whose row is locked.
pub struct Locked {
    pub checkout: checkout::Model,
    /// Other checkouts of the same intent, locked as well: one of them may be paid, too.
    pub siblings: Vec<checkout::Model>,
}

/// The checkout of `subject`, or `None` if it is none of ours.
pub async fn lock(
    tx: &impl ConnectionTrait,
    subject: Subject<'_>,
) -> Result<Option<Locked>, DbErr> {
    let found = match subject {
        Subject::Session(session) => find_by_session(tx, session).await?,
        Subject::Checkout(id) => checkout::Entity::find_by_id(id).one(tx).await?,
    };
    let Some(found) = found else {
        return Ok(None);
    };
    // All of an intent in one order, so that two transactions cannot wait for each other.
    let same_intent = match &found.intent {
        Some(intent) => checkout::Column::Intent.eq(intent),
        None => checkout::Column::Id.eq(found.id),
    };
    let mut rows = checkout::Entity::find()
        .filter(same_intent)
        .order_by_asc(checkout::Column::Id)
        .lock_exclusive()
        .all(tx)
        .await?;
    let Some(at) = rows.iter().position(|row| row.id == found.id) else {
        return Ok(None);
    };
    let mut checkout = rows.swap_remove(at);
    if let Subject::Session(session) = subject
        && !claim(tx, &mut checkout, &session.id).await?
    {
        return Ok(None);
    }
    Ok(Some(Locked {
        checkout,
        siblings: rows,
    }))
}

/// By the session's id; or by the hold's own id, if the session's was never stored: the event
/// was faster than ingress, or ingress crashed right after Stripe made the session.
async fn find_by_session(
    tx: &impl ConnectionTrait,
    session: &CheckoutSession,
) -> Result<Option<checkout::Model>, DbErr> {
    let by_session = checkout::Entity::find()
        .filter(checkout::Column::SessionId.eq(session.id.as_str()))
        .one(tx)
        .await?;
    match (by_session, session.checkout_id()) {
        (None, Some(id)) => checkout::Entity::find_by_id(id).one(tx).await,
        (found, _) => Ok(found),
    }
}

/// Judged under the lock: the id may have been stored at this very moment.
async fn claim(
    tx: &impl ConnectionTrait,
    checkout: &mut checkout::Model,
    id: &CheckoutSessionId,
) -> Result<bool, DbErr> {
    if let Some(session_id) = &checkout.session_id {
        return Ok(session_id == id.as_str());
    }
    checkout::Entity::update_many()
        .col_expr(checkout::Column::SessionId, Expr::value(id.as_str()))
        .filter(checkout::Column::Id.eq(checkout.id))
        .exec(tx)
        .await?;
    checkout.session_id = Some(id.to_string());
    Ok(true)
}
