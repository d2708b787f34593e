//! A job of type `stripe.event`: what a signed event says. That a session is paid needs no
//! question to Stripe; a refund or dispute whose payment we have not heard of does, and so does a
//! thin event, which only names what it is about.

use bytes::Bytes;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use shared::{
    config::EndpointSecrets,
    message::{Envelope, Work},
    stripe::{
        checkout_session::{CheckoutSession, Expandable},
        event_type,
        id::Mode,
        lenient,
        signature::{self, SignatureError},
    },
};
use time::OffsetDateTime;

use crate::{
    Context,
    failure_code::FailureCode,
    fulfill_checkout::{
        fulfill_checkout,
        lock::{self, Subject},
        session_update::{self, refuse},
        update::{EventRef, Fact, Fulfillment, NotOurs},
    },
    job_error::JobError,
    jobs::{confirm_checkout::confirm_checkout, payment_event},
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
pub enum About<'a> {
    /// The object, as it was when the event was made.
    Snapshot(&'a [u8]),
    /// Its id; Stripe knows the rest.
    Id(&'a str),
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

/// What an event says about a Checkout Session. Stripe need not be asked to act on it, so that
/// many can be acted on at once.
#[derive(Debug)]
pub struct SessionSaid {
    pub(crate) session: CheckoutSession,
    pub(crate) fact: Fact,
    pub(crate) event: EventRef,
}

/// Reads `message`, if it is an authentic event about a session of ours and in order. Everything
/// else is for a job of its own to find out about.
///
/// - `mode`: the one we serve.
#[must_use]
pub fn session_said(
    mode: Mode,
    secrets: &EndpointSecrets,
    message: &Envelope,
) -> Option<SessionSaid> {
    let Ok(Work::StripeEvent(body)) = message.work() else {
        return None;
    };
    authenticate(secrets, message).ok()?;
    let event: Event<'_> = serde_json::from_slice(&body).ok()?;
    if event.livemode != mode.livemode() || !event.kind.starts_with("checkout.session.") {
        return None;
    }
    let About::Snapshot(object) = event.about().ok()? else {
        return None;
    };
    let session: CheckoutSession = serde_json::from_slice(object).ok()?;
    if refuse(mode, &session).is_some() {
        return None;
    }
    let event_ref = event.reference();
    let fact = fact_of(&session, &event_ref, event.created_at()).ok()?;
    Some(SessionSaid {
        session,
        fact,
        event: event_ref,
    })
}

/// Whether Stripe signed the event in `message`, whoever published it.
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

/// Acts on the event in `body`, which is authentic.
pub(crate) async fn handle(context: &Context, body: &Bytes) -> Result<Fulfillment, JobError> {
    let event: Event<'_> = parse(body)?;
    if event.livemode != context.mode.livemode() {
        return Ok(Fulfillment::NotOurs(NotOurs::OtherMode));
    }
    let (about, reference) = (event.about()?, event.reference());
    match reference.kind.as_str() {
        kind if kind.starts_with("checkout.session.") => match about {
            About::Snapshot(object) => {
                let session: CheckoutSession = parse(object)?;
                handle_session(context, &session, &reference, event.created_at()).await
            }
            // An id that cannot be one of ours is another integration's.
            About::Id(id) => match id.parse() {
                Ok(id) => confirm_checkout(context, &id, Some(&reference)).await,
                Err(_) => Ok(Fulfillment::NotOurs(NotOurs::Foreign)),
            },
        },
        "charge.refunded" => payment_event::charge_refunded(context, about, &reference).await,
        "refund.created" | "refund.updated" | "refund.failed" | "charge.refund.updated" => {
            payment_event::refund(context, about, &reference).await
        }
        kind if kind.starts_with("charge.dispute.") => {
            payment_event::dispute(context, about, &reference).await
        }
        // Ingress of a later release lets more types through.
        _ => Err(JobError::new(
            FailureCode::UnhandledEventType,
            reference.kind,
        )),
    }
}

async fn handle_session(
    context: &Context,
    session: &CheckoutSession,
    event: &EventRef,
    created_at: Option<OffsetDateTime>,
) -> Result<Fulfillment, JobError> {
    tracing::Span::current().record("checkout_session.id", session.id.as_str());
    if let Some(not_ours) = refuse(context.mode, session) {
        return Ok(Fulfillment::NotOurs(not_ours));
    }
    let subject = Subject::Session(session);
    let fact = match fact_of(session, event, created_at) {
        Ok(fact) => fact,
        // What another integration's sessions lack is no concern of ours.
        Err(_) if !lock::exists(&context.db, subject).await? => {
            return Ok(Fulfillment::NotOurs(NotOurs::Foreign));
        }
        Err(error) => return Err(error),
    };
    fulfill_checkout(context, subject, &fact, Some(event)).await
}

/// What the event says about the session in it.
fn fact_of(
    session: &CheckoutSession,
    event: &EventRef,
    created_at: Option<OffsetDateTime>,
) -> Result<Fact, JobError> {
    // What the event means if the session is not paid.
    let (unpaid, paid_at) = match event.kind.as_str() {
        "checkout.session.completed" => (Fact::PaymentPending, created_at),
        // The buyer was done long before.
        "checkout.session.async_payment_succeeded" => (Fact::PaymentPending, None),
        "checkout.session.async_payment_failed" => (Fact::PaymentFailed, None),
        "checkout.session.expired" => (Fact::Expired, None),
        // Ingress of a later release lets more types through.
        _ => {
            let kind = event.kind.clone();
            return Err(JobError::new(FailureCode::UnhandledEventType, kind));
        }
    };
    session_update::fact(session, unpaid, paid_at)
}

/// Reads the object of an event.
pub(crate) fn parse<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, JobError> {
    serde_json::from_slice(json).map_err(|error| JobError::new(FailureCode::MalformedEvent, error))
}

/// The object an event is about, from the event or from Stripe.
///
/// - `retrieve`: asks Stripe for the object with this id.
pub(crate) async fn object<T: DeserializeOwned>(
    about: About<'_>,
    retrieve: impl AsyncFnOnce(&str) -> Result<T, JobError>,
) -> Result<T, JobError> {
    match about {
        About::Snapshot(json) => parse(json),
        About::Id(id) => retrieve(id).await,
    }
}

/// The id of an object, if that is all there is of it.
pub(crate) fn id_of(object: Option<&Expandable>) -> Option<&str> {
    object.map(Expandable::id)
}
