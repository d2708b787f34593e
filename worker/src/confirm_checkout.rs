//! A job of type `checkout.confirm`: a browser asked about a session, so we ask Stripe.

use shared::{
    checkout_session::{CheckoutSession, Status},
    stripe_id::CheckoutSessionId,
};

use crate::{
    Context, Fulfillment, fulfill_checkout::fulfill_checkout, fulfillment::Fact,
    job_error::JobError,
};

/// Retrieves the session and acts on what it is.
pub async fn confirm_checkout(
    context: &Context,
    session_id: &CheckoutSessionId,
) -> Result<Fulfillment, JobError> {
    // Before the transaction: no row stays locked during a call to Stripe.
    let session = context.stripe.retrieve_checkout_session(session_id).await?;
    fulfill_checkout(context, &session, fact(&session), None).await
}

fn fact(session: &CheckoutSession) -> Fact {
    match session.status {
        _ if session.is_paid() => Fact::Paid,
        Some(Status::Expired) => Fact::Expired,
        // Also what a failed delayed payment looks like; its event tells the difference.
        Some(Status::Complete) => Fact::PaymentPending,
        _ => Fact::Open,
    }
}
