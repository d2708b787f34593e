//! A job of type `checkout.confirm`: a buyer, a sweep or reconcile asks about a session, so we
//! ask Stripe, about all that came of it.

use shared::stripe::{
    checkout_session::{CheckoutSession, Status},
    error::StripeError,
    id::CheckoutSessionId,
};

use crate::{
    Context,
    failure_code::FailureCode,
    fulfill_checkout::{
        lock,
        outcome::NotOurs,
        record::CheckoutRecord,
        session_update,
        update::{Change, Dispute, EventRef, Target, Update},
    },
    job_error::JobError,
    jobs::plan::Plan,
};

/// Retrieves the session, and plans for what it is. A session that is still open when its hold
/// has ended is expired first: seats that are given away must not be payable.
///
/// - `event`: the thin event that asks, for the inbox.
pub async fn plan(
    context: &Context,
    session_id: &CheckoutSessionId,
    event: Option<EventRef>,
) -> Result<Plan, JobError> {
    tracing::Span::current().record("checkout_session.id", session_id.as_str());
    let by_id = Target::Session {
        id: session_id.to_string(),
        checkout_id: None,
    };
    let now = (context.clock)();
    let checkout = lock::find(&context.db, &by_id).await?;
    let overdue = checkout.filter(|checkout| checkout.expires_at < now);
    let answer = context
        .stripe()?
        .retrieve_checkout_session(session_id)
        .await;
    let mut session = match (answer, &overdue) {
        // It cannot be paid; its seats must not wait for ever.
        (Err(StripeError::NotFound), Some(checkout)) => {
            return Ok(Plan::one(
                Target::Checkout(checkout.id),
                Change::Expired,
                event,
            ));
        }
        (answer, _) => answer?,
    };
    if session.status == Some(Status::Open) && overdue.is_some() {
        session = expire(context, session_id).await?;
    }
    if let Some(not_ours) = session_update::not_ours(context.mode, &session) {
        return Ok(Plan::Ignore(not_ours));
    }
    let target = Target::of(&session);
    let Some(checkout) = lock::find(&context.db, &target).await? else {
        return Ok(Plan::Ignore(NotOurs::Foreign));
    };
    let change = match session.status {
        _ if session.is_paid() => session_update::change(&session, Change::Open, None)
            .map_err(|error| JobError::new(FailureCode::MalformedEvent, error))?,
        Some(Status::Expired) => Change::Expired,
        Some(Status::Complete) if session.has_failed() => Change::PaymentFailed,
        Some(Status::Complete) => Change::PaymentPending,
        _ => Change::Open,
    };
    let mut updates = vec![Update {
        target,
        change,
        event,
    }];
    if let Some(intent) = session.payment_intent_id().filter(|_| session.is_paid()) {
        let id = checkout.id;
        let mut records = CheckoutRecord::load(&context.db, vec![checkout]).await?;
        if let Some(record) = records.remove(&id) {
            let later = refunds_and_disputes(context, &session, intent, &record).await?;
            updates.extend(later.into_iter().map(|change| Update {
                target: Target::Checkout(id),
                change,
                event: None,
            }));
        }
    }
    Ok(Plan::Commit(updates))
}

/// What came after the payment. Of one that we have not heard of before nothing can have come,
/// unless its charge says so.
async fn refunds_and_disputes(
    context: &Context,
    session: &CheckoutSession,
    intent: &str,
    record: &CheckoutRecord,
) -> Result<Vec<Change>, JobError> {
    let paid_before = record.payment.is_some();
    let mut changes = Vec::new();
    let refunded = session.amount_refunded().unwrap_or_default() > 0;
    if refunded || paid_before || !record.refunds.is_empty() {
        changes.push(Change::Refunds(context.stripe()?.refunds_of(intent).await?));
    }
    if session.is_disputed() || paid_before || !record.disputes.is_empty() {
        let asked_at = (context.clock)();
        let disputes = context.stripe()?.disputes_of(intent).await?.into_iter();
        let disputes = disputes.map(|it| Dispute::new(it, Some(asked_at)));
        changes.push(Change::Disputes(disputes.collect()));
    }
    Ok(changes)
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
