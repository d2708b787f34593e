//! What one message asks for.

use shared::{
    failpoint,
    message::{DecodeError, Envelope, Work},
};

use crate::{
    Context, Fulfillment, confirm_checkout::confirm_checkout, job_error::JobError, stripe_event,
};

/// Does what `message` asks for. Safe to run any number of times, also at once.
///
/// # Errors
///
/// [`JobError`], which says whether to try again.
pub async fn run(context: &Context, message: &Envelope) -> Result<Fulfillment, JobError> {
    failpoint::crash_by_message(message.message_id.as_deref());
    match message.work() {
        Ok(Work::StripeEvent(body)) => stripe_event::handle(context, &body).await,
        Ok(Work::CheckoutConfirm(session_id)) => confirm_checkout(context, &session_id).await,
        // Published by a later release; a worker of that release will take it.
        Err(error @ DecodeError::NewerSchema) => Err(JobError::retry("newer_schema", error)),
        Err(error @ DecodeError::UnsupportedSchema) => {
            Err(JobError::reject("unsupported_schema", error))
        }
        Err(error @ DecodeError::UnknownType) => Err(JobError::reject("unknown_type", error)),
        Err(error @ DecodeError::MalformedBody(_)) => {
            Err(JobError::reject("malformed_body", error))
        }
    }
}
