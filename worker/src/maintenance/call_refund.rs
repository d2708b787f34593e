//! The call that gives money back: of the same debt there is one refund, however often it is tried.

use shared::{
    db::{owed_refund, payment},
    service::failpoint,
    stripe::{
        error::StripeError,
        refund::{OWED, Refund, Status},
    },
};
use uuid::Uuid;

use crate::{Context, job_error::JobError};

/// What Stripe made of it, or why it does not make it.
pub type Made = Result<Vec<Refund>, JobError>;

/// Gives back what is `owed` of `payment`.
///
/// # Errors
///
/// [`JobError`] if it is not known what Stripe made of it.
pub async fn call_refund(
    context: &Context,
    payment: &payment::Model,
    intent: &str,
    owed: &owed_refund::Model,
) -> Result<Made, JobError> {
    // For this attempt only: Stripe keeps a 500 as the answer to its key for a day.
    let key = format!("refund:{}:{}", payment.session_id, Uuid::now_v7());
    failpoint::crash_at("refund_before_call");
    let refund = match owed.amount_minor_units {
        // A second call gives nothing back twice; there is only what is left.
        None => context.stripe()?.refund(intent, &key).await,
        Some(amount) => {
            let name = owed.name();
            if let Some(made) = made_before(context, intent, &name).await? {
                return Ok(Ok(vec![made]));
            }
            let stripe = context.stripe()?;
            stripe.refund_part(intent, amount, &name, &key).await
        }
    };
    match refund {
        Ok(refund) if owed.amount_minor_units.is_some() => Ok(Ok(vec![refund])),
        // With those made by hand, whose events may not be here yet: together they are all of it.
        Ok(refund) => match context.stripe()?.refunds_of(intent).await {
            Ok(all) if all.iter().any(|it| it.id == refund.id) => Ok(Ok(all)),
            Ok(_) | Err(_) => Ok(Ok(vec![refund])),
        },
        Err(StripeError::Refused {
            code: Some(code), ..
        }) if code == "charge_already_refunded" => {
            Ok(Ok(context.stripe()?.refunds_of(intent).await?))
        }
        Err(refused @ StripeError::Refused { .. }) => Ok(Err(refused.into())),
        Err(error) => Err(error.into()),
    }
}

/// The attempt before may have made it, and not have got to writing it down.
async fn made_before(
    context: &Context,
    intent: &str,
    name: &str,
) -> Result<Option<Refund>, JobError> {
    let refunds = context.stripe()?.refunds_of(intent).await?;
    let is_it = |it: &Refund| {
        it.metadata.get(OWED).is_some_and(|it| it == name)
            && !matches!(it.status(), Status::Failed | Status::Canceled)
    };
    Ok(refunds.into_iter().find(is_it))
}
