//! What Stripe says of a session, against what we have.

use shared::stripe::{checkout_session::CheckoutSession, error::StripeError};
use uuid::Uuid;

use crate::{
    Context,
    fulfill_checkout::record::CheckoutRecord,
    job_error::JobError,
    operator::audit::report::{Difference, What},
};

/// What a paid session says against what we have.
pub fn compare(session: &CheckoutSession, entry: &CheckoutRecord) -> Vec<Difference> {
    let amount = session.amount_total.unwrap_or_default();
    let currency = session.currency.as_deref().unwrap_or_default();
    let at_stripe = format!("{amount} {currency}");
    let difference = |what, expected: String, found: String| Difference {
        what,
        subject: session.id.clone(),
        expected,
        found,
    };
    let Some(payment) = &entry.payment else {
        return vec![difference(
            What::PaymentMissing,
            at_stripe,
            "nothing".to_owned(),
        )];
    };
    let mut differences = Vec::new();
    let here = format!("{} {}", payment.amount_minor_units, payment.currency);
    if at_stripe != here {
        differences.push(difference(What::AmountDiffers, at_stripe, here));
    }
    let refunded = entry.amount_refunded().unwrap_or_default();
    // A session without a charge, such as a free one, has nothing that could go back.
    let refunded_at_stripe = session.amount_refunded().unwrap_or(0);
    if refunded != refunded_at_stripe {
        differences.push(difference(
            What::RefundedDiffers,
            refunded_at_stripe.to_string(),
            refunded.to_string(),
        ));
    }
    if entry.booking.is_none() {
        differences.push(difference(
            What::BookingMissing,
            "a booking".to_owned(),
            "nothing".to_owned(),
        ));
    }
    differences
}

/// Whether a session that we think is paid is paid, though the list did not show it: it may be
/// from before the time that was looked at.
pub async fn is_paid_after_all(context: &Context, session_id: &str) -> Result<bool, JobError> {
    let Ok(id) = session_id.parse() else {
        return Ok(false);
    };
    match context.stripe.retrieve_checkout_session(&id).await {
        Ok(session) => Ok(session.is_paid()),
        Err(StripeError::NotFound) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The slot that a session's metadata names.
pub fn slot_of(session: &CheckoutSession) -> Option<Uuid> {
    Uuid::parse_str(session.metadata.get("slot_id")?).ok()
}
