//! A job of type `checkout.confirm`: a buyer, a sweep or reconcile asks about a session, so we
//! ask Stripe, about all that came of it.

use sea_orm::{ColumnTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter};
use shared::{
    db::{checkout, dispute, payment, refund},
    stripe::{
        checkout_session::{CheckoutSession, Status},
        error::StripeError,
        id::CheckoutSessionId,
    },
};
use uuid::Uuid;

use crate::{
    Context,
    fulfill_checkout::{
        fulfill_checkout,
        lock::{self, Subject},
        session_update::{fact, refuse},
        update::{Dispute, EventRef, Fact, Fulfillment, NotOurs},
    },
    job_error::JobError,
};

/// Retrieves the session and acts on what it is. A session that is still open when its hold
/// has ended is expired first: nobody must be able to pay for seats that are given away.
///
/// - `event`: the thin event that asks, for the inbox.
pub async fn confirm_checkout(
    context: &Context,
    session_id: &CheckoutSessionId,
    event: Option<&EventRef>,
) -> Result<Fulfillment, JobError> {
    tracing::Span::current().record("checkout_session.id", session_id.as_str());
    // Before the transaction: no row stays locked during a call to Stripe.
    let over = overdue_hold(context, session_id).await?;
    let mut session = match (
        context
            .stripe()?
            .retrieve_checkout_session(session_id)
            .await,
        over,
    ) {
        // It cannot be paid; its seats must not wait for ever.
        (Err(StripeError::NotFound), Some(checkout_id)) => {
            let subject = Subject::Checkout(checkout_id);
            return fulfill_checkout(context, subject, &Fact::Expired, event).await;
        }
        (session, _) => session?,
    };
    if session.status == Some(Status::Open) && over.is_some() {
        session = expire(context, session_id).await?;
    }
    if let Some(not_ours) = refuse(context.mode, &session) {
        return Ok(Fulfillment::NotOurs(not_ours));
    }
    let subject = Subject::Session(&session);
    let fact = match session.status {
        _ if session.is_paid() => match fact(&session, Fact::Open, None) {
            Ok(fact) => fact,
            // What another integration's sessions lack is no concern of ours.
            Err(_) if !lock::exists(&context.db, subject).await? => {
                return Ok(Fulfillment::NotOurs(NotOurs::Foreign));
            }
            Err(error) => return Err(error),
        },
        Some(Status::Expired) => Fact::Expired,
        Some(Status::Complete) if session.has_failed() => Fact::PaymentFailed,
        Some(Status::Complete) => Fact::PaymentPending,
        _ => Fact::Open,
    };
    let paid_before = payment_of(context, session_id).await?;
    let outcome = fulfill_checkout(context, subject, &fact, event).await?;
    let later = follow_refunds_and_disputes(context, &session, paid_before.is_some()).await?;
    Ok(later.unwrap_or(outcome))
}

/// Catches up with what came after the payment. Of one that was just made nothing can have come,
/// unless its charge says so.
///
/// - `paid_before`: whether we knew of the payment before this job.
async fn follow_refunds_and_disputes(
    context: &Context,
    session: &CheckoutSession,
    paid_before: bool,
) -> Result<Option<Fulfillment>, JobError> {
    let Some(intent) = session.payment_intent_id().filter(|_| session.is_paid()) else {
        return Ok(None);
    };
    let Some(session_id) = session.checked_id() else {
        return Ok(None);
    };
    let Some(payment) = payment_of(context, &session_id).await? else {
        return Ok(None);
    };
    let (id, stripe) = (payment.checkout_id, context.stripe()?);
    let mut outcome = None;
    let refunded = session.amount_refunded().unwrap_or_default() > 0;
    if refunded || paid_before || has_refunds(context, id).await? {
        let fact = Fact::Refunds(stripe.refunds_of(intent).await?);
        outcome = Some(fulfill_checkout(context, Subject::Checkout(id), &fact, None).await?);
    }
    if session.is_disputed() || paid_before || has_disputes(context, id).await? {
        let asked_at = (context.clock)();
        let disputes = stripe.disputes_of(intent).await?.into_iter();
        let disputes = disputes.map(|it| Dispute::new(it, Some(asked_at)));
        let fact = Fact::Disputes(disputes.collect());
        outcome = Some(fulfill_checkout(context, Subject::Checkout(id), &fact, None).await?);
    }
    Ok(outcome)
}

async fn payment_of(
    context: &Context,
    session_id: &CheckoutSessionId,
) -> Result<Option<payment::Model>, DbErr> {
    payment::Entity::find()
        .filter(payment::Column::SessionId.eq(session_id.as_str()))
        .one(&context.db)
        .await
}

async fn has_refunds(context: &Context, checkout_id: Uuid) -> Result<bool, DbErr> {
    let refunds = refund::Entity::find().filter(refund::Column::CheckoutId.eq(checkout_id));
    Ok(refunds.count(&context.db).await? > 0)
}

async fn has_disputes(context: &Context, checkout_id: Uuid) -> Result<bool, DbErr> {
    let disputes = dispute::Entity::find().filter(dispute::Column::CheckoutId.eq(checkout_id));
    Ok(disputes.count(&context.db).await? > 0)
}

/// The checkout of a session whose hold has ended by our clock.
async fn overdue_hold(
    context: &Context,
    session_id: &CheckoutSessionId,
) -> Result<Option<Uuid>, DbErr> {
    let checkout = checkout::Entity::find()
        .filter(checkout::Column::SessionId.eq(session_id.as_str()))
        .one(&context.db)
        .await?;
    let now = (context.clock)();
    Ok(checkout
        .filter(|checkout| checkout.expires_at < now)
        .map(|checkout| checkout.id))
}

/// Stripe refuses if the session is not open any more: then it is worth another look.
async fn expire(
    context: &Context,
    session_id: &CheckoutSessionId,
) -> Result<CheckoutSession, JobError> {
    match context.stripe()?.expire_checkout_session(session_id).await {
        Err(StripeError::Refused { .. }) => Ok(context
            .stripe()?
            .retrieve_checkout_session(session_id)
            .await?),
        outcome => Ok(outcome?),
    }
}
