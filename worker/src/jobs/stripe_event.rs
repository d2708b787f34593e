//! A job of type `stripe.event`: what a signed event says. That a session is paid is said by the
//! event alone; a refund or dispute leads to its payment first, and a thin event only names what it
//! is about.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use shared::{
    config::EndpointSecrets,
    message::{Envelope, Work},
    stripe::{
        checkout_session::CheckoutSession,
        event_type,
        id::Mode,
        lenient,
        signature::{self, SignatureError},
    },
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
        job::Job,
        payment_event::{Named, PaymentEvent, PaymentObject},
        plan::Plan,
    },
};

/// What the worker reads of an event.
///
/// Source: <https://docs.stripe.com/api/events/object>,
/// <https://docs.stripe.com/api/v2/core/events/object>
#[derive(Deserialize)]
struct Event<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    livemode: bool,
    /// Seconds in a snapshot event, a text in a thin one.
    #[serde(default, borrow)]
    created: Option<&'a RawValue>,
    /// Of a snapshot event.
    #[serde(default, borrow)]
    data: Option<Data<'a>>,
    /// Of a thin event.
    #[serde(default)]
    related_object: Option<RelatedObject>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Deserialize)]
struct RelatedObject {
    id: String,
}

/// What an event is about.
#[derive(Debug, Clone, Copy)]
enum About<'a> {
    /// The object, as it was when the event was made.
    Snapshot(&'a [u8]),
    /// Its id; Stripe knows the rest.
    Id(&'a str),
}

impl About<'_> {
    fn named<T: DeserializeOwned>(self) -> Result<Named<T>, JobError> {
        Ok(match self {
            Self::Snapshot(json) => Named::Object(parse(json)?),
            Self::Id(id) => Named::Id(id.to_owned()),
        })
    }
}

/// An event without an object and without the id of one.
#[derive(Debug, thiserror::Error)]
#[error("an event about nothing")]
struct AboutNothing;

impl Event<'_> {
    fn about(&self) -> Result<About<'_>, JobError> {
        match (&self.data, &self.related_object) {
            (Some(data), _) => Ok(About::Snapshot(data.object.get().as_bytes())),
            (None, Some(related)) => Ok(About::Id(&related.id)),
            (None, None) => Err(JobError::new(FailureCode::MalformedEvent, AboutNothing)),
        }
    }

    fn created_at(&self) -> Option<OffsetDateTime> {
        let seconds = self.created?.get().parse().ok()?;
        OffsetDateTime::from_unix_timestamp(seconds).ok()
    }

    fn reference(&self) -> EventRef {
        EventRef {
            id: self.id.clone(),
            kind: event_type::of_snapshot(&self.kind).to_owned(),
        }
    }
}

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
    let event: Event<'_> = parse(body)?;
    if event.livemode != mode.livemode() {
        return Ok(Job::Planned(Plan::Ignore(NotOurs::OtherMode)));
    }
    let (about, reference) = (event.about()?, event.reference());
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
                        Job::Confirm(id, Some(reference))
                    })),
            };
        }
        "charge.refunded" => PaymentObject::Charge(about.named()?),
        "refund.created" | "refund.updated" | "refund.failed" | "charge.refund.updated" => {
            PaymentObject::Refund(about.named()?)
        }
        kind if kind.starts_with("charge.dispute.") => PaymentObject::Dispute(about.named()?),
        // Ingress of a later release lets more types through.
        _ => {
            return Err(JobError::new(
                FailureCode::UnhandledEventType,
                reference.kind,
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
            let error = JobError::new(FailureCode::UnhandledEventType, event.kind);
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

fn parse<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, JobError> {
    serde_json::from_slice(json).map_err(|error| JobError::new(FailureCode::MalformedEvent, error))
}
