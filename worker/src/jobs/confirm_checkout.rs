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
        update::{Change, Dispute, Target, Update},
    },
    job_error::JobError,
    jobs::{asker::Asker, plan::Plan},
};

/// Retrieves the session, and plans for what it is. A session that is still open when its hold
/// has ended is expired first: seats that are given away must not be payable.
///
/// - `asker`: who wants to know.
pub async fn plan(
    context: &Context,
    session_id: &CheckoutSessionId,
    asker: Asker,
) -> Result<Plan, JobError> {
    let for_books = matches!(asker, Asker::Books);
    let event = match asker {
        Asker::Event(event) => Some(event),
        Asker::Buyer | Asker::Books => None,
    };
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
        traceparent: None,
    }];
    if let Some(intent) = session.payment_intent_id().filter(|_| session.is_paid()) {
        let id = checkout.id;
        let mut records = CheckoutRecord::load(&context.db, vec![checkout]).await?;
        if let Some(record) = records.remove(&id) {
            let later = refunds_and_disputes(context, &session, intent, &record, for_books).await?;
            updates.extend(later.into_iter().map(|change| Update {
                target: Target::Checkout(id),
                change,
                event: None,
                traceparent: None,
            }));
        }
    }
    Ok(Plan::Commit(updates))
}

/// What came after the payment. Of one that we hear of while the buyer waits, nothing can have come
/// that its charge does not say.
///
/// - `for_books`: something may have come that it does not say, such as a refund that failed. A key
///   that may not look there is no reason not to book.
async fn refunds_and_disputes(
    context: &Context,
    session: &CheckoutSession,
    intent: &str,
    record: &CheckoutRecord,
    for_books: bool,
) -> Result<Vec<Change>, JobError> {
    let paid_before = record.payment.is_some();
    let mut changes = Vec::new();
    let refunded = session.amount_refunded().unwrap_or_default() > 0;
    let has_refunds = refunded || paid_before || !record.refunds.is_empty();
    if has_refunds || for_books {
        let refunds = context.stripe()?.refunds_of(intent).await;
        let refunds = unless_forbidden(refunds, !has_refunds)?;
        changes.extend(refunds.map(Change::Refunds));
    }
    let has_disputes = session.is_disputed() || paid_before || !record.disputes.is_empty();
    if has_disputes || for_books {
        let asked_at = (context.clock)();
        let disputes = context.stripe()?.disputes_of(intent).await;
        let disputes = unless_forbidden(disputes, !has_disputes)?.map(|disputes| {
            let asked = disputes
                .into_iter()
                .map(|it| Dispute::new(it, Some(asked_at)));
            Change::Disputes(asked.collect())
        });
        changes.extend(disputes);
    }
    Ok(changes)
}

/// - `optional`: `None` will do where the key may not look.
fn unless_forbidden<T>(
    answer: Result<T, StripeError>,
    optional: bool,
) -> Result<Option<T>, StripeError> {
    match answer {
        Err(StripeError::Forbidden { .. }) if optional => Ok(None),
        answer => answer.map(Some),
    }
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
