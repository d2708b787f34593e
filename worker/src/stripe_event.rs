//! A job of type `stripe.event`: what a signed event says is enough, Stripe is not asked.

use bytes::Bytes;
use serde::Deserialize;
use shared::checkout_session::CheckoutSession;

use crate::{
    Context, Fulfillment,
    fulfill_checkout::fulfill_checkout,
    fulfillment::{EventRef, Fact},
    job_error::JobError,
};

/// What the worker reads of an event.
///
/// Source: <https://docs.stripe.com/api/events/object>
#[derive(Deserialize)]
struct Event {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    object: CheckoutSession,
}

/// Acts on the event in `body`.
pub async fn handle(context: &Context, body: &Bytes) -> Result<Fulfillment, JobError> {
    let Event {
        id,
        kind,
        data: Data { object: session },
    } = serde_json::from_slice(body).map_err(|error| JobError::reject("malformed_event", error))?;
    let fact = match kind.as_str() {
        _ if session.is_paid() => Fact::Paid,
        "checkout.session.completed" | "checkout.session.async_payment_succeeded" => {
            Fact::PaymentPending
        }
        "checkout.session.async_payment_failed" => Fact::PaymentFailed,
        "checkout.session.expired" => Fact::Expired,
        // Ingress of a later release lets more types through.
        _ => return Err(JobError::reject("unhandled_event_type", kind)),
    };
    fulfill_checkout(context, &session, fact, Some(EventRef { id, kind })).await
}
