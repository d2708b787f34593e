//! Jobs: what a message asks for becomes what is to change. Stripe and the tables are asked while
//! it is planned; nothing is written until plans are committed, one or many at once.

mod asker;
mod cancel_booking;
mod confirm_checkout;
pub(crate) mod job;
mod payment_event;
pub(crate) mod plan;
pub(crate) mod stripe_event;

use shared::{
    config::EndpointSecrets,
    message::{DecodeError, Envelope, Source, Work},
    service::failpoint,
    stripe::id::Mode,
};

use crate::{
    Context,
    failure_code::FailureCode,
    fulfill_checkout::{
        Rules, fulfill_checkouts,
        outcome::Fulfillment,
        update::{Target, Update},
    },
    job_error::JobError,
    jobs::{asker::Asker, job::Job, plan::Plan},
    notifications::handover::Handover,
};

/// Reads what `message` asks for, without I/O.
///
/// - `mode`: the one we serve.
///
/// # Errors
///
/// [`JobError`]: the message is forged, or cannot be understood.
pub fn read(mode: Mode, secrets: &EndpointSecrets, message: &Envelope) -> Result<Job, JobError> {
    failpoint::crash_by_message(message.message_id.as_deref());
    let (code, error) = match message.work() {
        Ok(Work::StripeEvent(body)) => {
            stripe_event::authenticate(secrets, message)
                .map_err(|error| JobError::new(FailureCode::Forged, error))?;
            return stripe_event::read(mode, &body);
        }
        Ok(Work::CheckoutConfirm(session_id)) => {
            let reconciles = message.source.as_deref() == Some(Source::Reconcile.as_str());
            let asker = if reconciles {
                Asker::Books
            } else {
                Asker::Buyer
            };
            return Ok(Job::Confirm(session_id, asker));
        }
        Ok(Work::BookingCancel(wish)) => return Ok(Job::Cancel(wish)),
        // A worker of that release will take it.
        Err(error @ DecodeError::NewerSchema) => (FailureCode::NewerSchema, error),
        Err(error @ DecodeError::UnsupportedSchema) => (FailureCode::UnsupportedSchema, error),
        Err(error @ DecodeError::UnknownType) => (FailureCode::UnknownType, error),
        Err(error @ DecodeError::MalformedBody(_)) => (FailureCode::MalformedBody, error),
    };
    Err(JobError::new(code, error))
}

/// Puts the Checkout Session that `plan` is about on the log lines of `span`.
pub(crate) fn name_session(span: &tracing::Span, plan: &Plan) {
    if let Some(Update {
        target: Target::Session { id, .. },
        ..
    }) = plan.updates().first()
    {
        span.record("checkout_session.id", id);
    }
}

/// What holds for every transaction of `context`.
pub(crate) fn rules(context: &Context) -> Rules<'_> {
    Rules {
        policy: context.on_unfulfillable,
        hook: context.booking_hook.as_ref(),
        clock: context.clock,
        handover: Some(Handover {
            wakes: &context.wakes,
            mailer: context.mailer.as_ref(),
        }),
    }
}

/// Commits `plans` in one transaction: all of them, or none. The only caller of the transaction.
///
/// Returns what came of each, in the same order.
pub(crate) async fn commit(
    context: &Context,
    plans: &[Plan],
) -> Result<Vec<Fulfillment>, JobError> {
    let updates: Vec<&Update> = plans.iter().flat_map(Plan::updates).collect();
    let rules = rules(context);
    let outcomes = if updates.is_empty() {
        Vec::new()
    } else {
        fulfill_checkouts(&context.db, rules, &updates).await?
    };
    let mut outcomes = outcomes.into_iter();
    let of_plan = |plan: &Plan| match plan {
        Plan::Ignore(not_ours) => Fulfillment::NotOurs(*not_ours),
        // What the last of its updates led to is how things are.
        Plan::Commit(updates) => {
            let mine = outcomes.by_ref().take(updates.len());
            mine.last().unwrap_or(Fulfillment::Recorded)
        }
    };
    Ok(plans.iter().map(of_plan).collect())
}

/// Does what `message` asks for. Safe to run any number of times, also at once.
///
/// # Errors
///
/// [`JobError`], which says whether to try again.
pub async fn run(context: &Context, message: &Envelope) -> Result<Fulfillment, JobError> {
    let job = read(context.mode, &context.endpoint_secrets, message)?;
    run_job(context, job, message.traceparent.as_deref()).await
}

/// The same for a message that was read before.
///
/// - `traceparent`: the message's.
pub(crate) async fn run_job(
    context: &Context,
    job: Job,
    traceparent: Option<&str>,
) -> Result<Fulfillment, JobError> {
    // The others learn their session, if any, while they are planned.
    if let Job::Planned(plan) = &job {
        name_session(&tracing::Span::current(), plan);
    }
    let plan = job.plan(context).await?.traced(traceparent);
    let outcomes = commit(context, &[plan]).await?;
    Ok(outcomes.into_iter().next().unwrap_or(Fulfillment::Recorded))
}
