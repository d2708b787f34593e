//! What one message asks for.

pub(crate) mod confirm_checkout;
mod payment_event;
pub mod stripe_event;

use std::{sync::Arc, time::Duration};

use shared::{
    message::{DecodeError, Envelope, Work},
    service::failpoint,
};
use tracing::Instrument;

use crate::{
    Context, Fulfillment, failure_code::FailureCode, job_error::JobError,
    jobs::confirm_checkout::confirm_checkout,
};

/// For one attempt. Shorter than the lease of the embedded queue and than the broker's
/// patience, and longer than all tries of one call to Stripe.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(27);

/// Does what `message` asks for. Safe to run any number of times, also at once.
///
/// # Errors
///
/// [`JobError`], which says whether to try again.
pub async fn run(context: &Context, message: &Envelope) -> Result<Fulfillment, JobError> {
    failpoint::crash_by_message(message.message_id.as_deref());
    match message.work() {
        Ok(Work::StripeEvent(body)) => {
            stripe_event::authenticate(&context.endpoint_secrets, message)
                .map_err(|error| JobError::new(FailureCode::Forged, error))?;
            stripe_event::handle(context, &body).await
        }
        Ok(Work::CheckoutConfirm(session_id)) => confirm_checkout(context, &session_id, None).await,
        // Published by a later release; a worker of that release will take it.
        Err(error @ DecodeError::NewerSchema) => {
            Err(JobError::new(FailureCode::NewerSchema, error))
        }
        Err(error @ DecodeError::UnsupportedSchema) => {
            Err(JobError::new(FailureCode::UnsupportedSchema, error))
        }
        Err(error @ DecodeError::UnknownType) => {
            Err(JobError::new(FailureCode::UnknownType, error))
        }
        Err(error @ DecodeError::MalformedBody(_)) => {
            Err(JobError::new(FailureCode::MalformedBody, error))
        }
    }
}

/// The same as a task of its own, for a bounded time: a panic ends the job, not the worker.
///
/// # Errors
///
/// [`JobError`], which says whether to try again.
pub async fn attempt(context: &Arc<Context>, message: &Envelope) -> Result<Fulfillment, JobError> {
    let (context, message) = (context.clone(), message.clone());
    let job = async move { run(&context, &message).await };
    let mut task = tokio::spawn(job.in_current_span());
    match tokio::time::timeout(ATTEMPT_TIMEOUT, &mut task).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panic)) => Err(JobError::new(FailureCode::Panicked, panic)),
        Err(elapsed) => {
            task.abort();
            Err(JobError::new(FailureCode::TimedOut, elapsed))
        }
    }
}
