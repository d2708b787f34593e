//! A job of type `stripe.event`: what a signed event says. That a session is paid is said by the
//! event alone; a refund or dispute leads to its payment first, and a thin event only names what it
//! is about.

use serde::de::DeserializeOwned;
use shared::{
    config::EndpointSecrets,
    message::{Envelope, Work},
    one_line::in_one_line,
    stripe::{
        checkout_session::CheckoutSession,
        event::{About, Event},
        id::Mode,
        signature::{self, SignatureError},
    },
    unreadable::Unreadable,
};
use time::OffsetDateTime;

use crate::{
    failure_code::FailureCode,
    fulfill_checkout::{
        outcome::NotOurs,
        session_update,
        update::{Change, EventRef, Target},
    },
    job_error::JobError,
    jobs::{
        asker::Asker,
        job::Job,
        payment_event::{Named, PaymentEvent, PaymentObject},
        plan::Plan,
    },
};

/// Checks that Stripe signed the event in `message`: others than ingress may have published it.
pub(crate) fn authenticate(
    secrets: &EndpointSecrets,
    message: &Envelope,
) -> Result<(), SignatureError> {
    let signature = message.signature.as_deref();
    let signature = signature.ok_or(SignatureError::NotSigned)?;
    signature::authenticate(&message.body, signature, secrets.expose()).map(drop)
}

/// Whether `message` says that it is an event of Stripe's, and is none.
pub(crate) fn is_forged(secrets: &EndpointSecrets, message: &Envelope) -> bool {
    matches!(message.work(), Ok(Work::StripeEvent(_))) && authenticate(secrets, message).is_err()
}

/// Reads the event in `body`, which is authentic.
///
/// - `mode`: the one we serve.
pub(crate) fn read(mode: Mode, body: &[u8]) -> Result<Job, JobError> {
    let event: Event = parse(body)?;
    if event.livemode != mode.livemode() {
        return Ok(Job::Planned(Plan::Ignore(NotOurs::OtherMode)));
    }
    let nothing = || JobError::new(FailureCode::MalformedEvent, "an event about nothing");
    let about = event.about().ok_or_else(nothing)?;
    let reference = EventRef {
        id: event.id.clone(),
        kind: event.kind().to_owned(),
    };
    let payment_event = match reference.kind.as_str() {
        kind if kind.starts_with("checkout.session.") => {
            return match about {
                About::Snapshot(object) => Ok(read_session(
                    mode,
                    &parse(object)?,
                    reference,
                    event.created_at(),
                )),
                // An id that cannot be one of ours is another integration's.
                About::Id(id) => Ok(id
                    .parse()
                    .map_or(Job::Planned(Plan::Ignore(NotOurs::Foreign)), |id| {
                        Job::Confirm(id, Asker::Event(reference))
                    })),
            };
        }
        "charge.refunded" => PaymentObject::Charge(named(about)?),
        "refund.created" | "refund.updated" | "refund.failed" | "charge.refund.updated" => {
            PaymentObject::Refund(named(about)?)
        }
        kind if kind.starts_with("charge.dispute.") => PaymentObject::Dispute(named(about)?),
        // Ingress of a later release lets more types through.
        _ => {
            return Err(JobError::new(
                FailureCode::UnhandledEventType,
                in_one_line(&reference.kind),
            ));
        }
    };
    Ok(Job::Payment(Box::new(PaymentEvent {
        object: payment_event,
        event: reference,
    })))
}

fn read_session(
    mode: Mode,
    session: &CheckoutSession,
    event: EventRef,
    created_at: Option<OffsetDateTime>,
) -> Job {
    if let Some(not_ours) = session_update::not_ours(mode, session) {
        return Job::Planned(Plan::Ignore(not_ours));
    }
    // What the event means if the session is not paid.
    let (unpaid, paid_at) = match event.kind.as_str() {
        "checkout.session.completed" => (Change::PaymentPending, created_at),
        // The buyer was done long before.
        "checkout.session.async_payment_succeeded" => (Change::PaymentPending, None),
        "checkout.session.async_payment_failed" => (Change::PaymentFailed, None),
        "checkout.session.expired" => (Change::Expired, None),
        // Ingress of a later release lets more types through.
        _ => {
            let error = JobError::new(FailureCode::UnhandledEventType, in_one_line(&event.kind));
            return Job::Faulty(Target::of(session), error);
        }
    };
    let target = Target::of(session);
    match session_update::change(session, unpaid, paid_at) {
        Ok(change) => Job::Planned(Plan::one(target, change, Some(event))),
        Err(incomplete) => {
            let error = JobError::new(FailureCode::MalformedEvent, incomplete);
            Job::Faulty(target, error)
        }
    }
}

fn named<T: DeserializeOwned>(about: About<'_>) -> Result<Named<T>, JobError> {
    Ok(match about {
        About::Snapshot(json) => Named::Object(parse(json)?),
        About::Id(id) => Named::Id(id.to_owned()),
    })
}

fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, JobError> {
    serde_json::from_slice(json)
        .map_err(|error| JobError::new(FailureCode::MalformedEvent, Unreadable::from(error)))
}
