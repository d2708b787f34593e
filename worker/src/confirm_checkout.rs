//! A job of type `checkout.confirm`: somebody asks about a session, so we ask Stripe.

use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter};
use shared::{
    checkout_session::{CheckoutSession, Status},
    db::{checkout, payment},
    stripe_error::StripeError,
    stripe_id::CheckoutSessionId,
};
use uuid::Uuid;

use crate::{
    Context,
    checkout_session_fact::{fact, refuse},
    fact::{Fact, Fulfillment},
    fulfill_checkout::fulfill_checkout,
    job_error::JobError,
    lock_checkout::Subject,
};

/// Retrieves the session and acts on what it is. A session that is still open when its hold
/// has ended is expired first: nobody must be able to pay for seats that are given away.
pub async fn confirm_checkout(
    context: &Context,
    session_id: &CheckoutSessionId,
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
        // Nobody can pay it; its seats must not wait for ever.
        (Err(StripeError::NotFound), Some(checkout_id)) => {
            let subject = Subject::Checkout(checkout_id);
            return fulfill_checkout(context, subject, &Fact::Expired, None).await;
        }
        (session, _) => session?,
    };
    if session.status == Some(Status::Open) && over.is_some() {
        session = expire(context, session_id).await?;
    }
    if let Some(not_ours) = refuse(context.mode, &session) {
        return Ok(Fulfillment::NotOurs(not_ours));
    }
    let fact = match session.status {
        _ if session.is_paid() => fact(&session, Fact::Open)?,
        Some(Status::Expired) => Fact::Expired,
        Some(Status::Complete) if session.has_failed() => Fact::PaymentFailed,
        Some(Status::Complete) => Fact::PaymentPending,
        _ => Fact::Open,
    };
    let outcome = fulfill_checkout(context, Subject::Session(&session), &fact, None).await?;
    Ok(follow_refunds(context, &session).await?.unwrap_or(outcome))
}

/// Catches up with refunds whose events never came, if Stripe's books have others than ours.
async fn follow_refunds(
    context: &Context,
    session: &CheckoutSession,
) -> Result<Option<Fulfillment>, JobError> {
    let (Some(refunded), Some(intent)) = (session.amount_refunded(), session.payment_intent_id())
    else {
        return Ok(None);
    };
    let payment = payment::Entity::find()
        .filter(payment::Column::SessionId.eq(session.id.as_str()))
        .one(&context.db)
        .await?;
    let Some(payment) = payment.filter(|it| it.amount_refunded_minor_units != refunded) else {
        return Ok(None);
    };
    let refunds = context.stripe()?.refunds_of(intent).await?;
    let subject = Subject::Checkout(payment.checkout_id);
    let outcome = fulfill_checkout(context, subject, &Fact::Refunds(refunds), None).await?;
    Ok(Some(outcome))
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
