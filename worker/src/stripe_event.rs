//! A job of type `stripe.event`: what a signed event says. That a session is paid needs no
//! question to Stripe; a refund or dispute whose payment we have not heard of does.

use bytes::Bytes;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter};
use serde::Deserialize;
use serde_json::value::RawValue;
use shared::{
    checkout_session::{CheckoutSession, Expandable, METADATA_CHECKOUT_ID},
    db::{dispute, payment},
    message::{Envelope, Work},
    refund::Refund,
    stripe_error::StripeError,
    stripe_id::Mode,
};
use uuid::Uuid;

use crate::{
    Context,
    checkout_session_fact::{fact, refuse},
    fact::{Dispute, EventRef, Fact, Fulfillment, NotOurs},
    fulfill_checkout::fulfill_checkout,
    job_error::JobError,
    lock_checkout::Subject,
};

/// What the worker reads of an event.
///
/// Source: <https://docs.stripe.com/api/events/object>
#[derive(Deserialize)]
struct Event<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    livemode: bool,
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    object: &'a RawValue,
}

/// Source: <https://docs.stripe.com/api/charges/object>
#[derive(Deserialize)]
struct Charge {
    #[serde(default)]
    payment_intent: Option<Expandable>,
    /// Events of API versions before 2022-11-15 bring the refunds along.
    #[serde(default)]
    refunds: Option<RefundList>,
}

#[derive(Deserialize)]
struct RefundList {
    data: Vec<Refund>,
    #[serde(default)]
    has_more: bool,
}

/// Source: <https://docs.stripe.com/api/disputes/object>
#[derive(Deserialize)]
struct DisputeObject {
    id: String,
    amount: i64,
    currency: String,
    #[serde(default)]
    reason: String,
    status: dispute::Status,
    #[serde(default)]
    payment_intent: Option<Expandable>,
}

/// What an event says about a Checkout Session. Nobody has to be asked to act on it, so that
/// many can be acted on at once.
#[derive(Debug)]
pub struct SessionSaid {
    pub(crate) session: CheckoutSession,
    pub(crate) fact: Fact,
    pub(crate) event: EventRef,
}

/// Reads `message`, if it is an event about a session of ours and in order. Everything else is
/// for a job of its own to find out about.
///
/// - `mode`: the one we serve.
#[must_use]
pub fn session_said(mode: Mode, message: &Envelope) -> Option<SessionSaid> {
    let Ok(Work::StripeEvent(body)) = message.work() else {
        return None;
    };
    let event: Event<'_> = serde_json::from_slice(&body).ok()?;
    if event.livemode != mode.livemode() || !event.kind.starts_with("checkout.session.") {
        return None;
    }
    let reference = EventRef {
        id: event.id,
        kind: event.kind,
    };
    let object = event.data.object.get().as_bytes();
    read_session(mode, object, reference).ok()?.ok()
}

/// Acts on the event in `body`.
pub(crate) async fn handle(context: &Context, body: &Bytes) -> Result<Fulfillment, JobError> {
    let event: Event<'_> = parse(body)?;
    if event.livemode != context.mode.livemode() {
        return Ok(Fulfillment::NotOurs(NotOurs::OtherMode));
    }
    let object = event.data.object.get().as_bytes();
    let reference = EventRef {
        id: event.id,
        kind: event.kind,
    };
    match reference.kind.as_str() {
        kind if kind.starts_with("checkout.session.") => {
            match read_session(context.mode, object, reference)? {
                Ok(said) => {
                    let (subject, fact) = (Subject::Session(&said.session), &said.fact);
                    fulfill_checkout(context, subject, fact, Some(&said.event)).await
                }
                Err(not_ours) => Ok(Fulfillment::NotOurs(not_ours)),
            }
        }
        "charge.refunded" => {
            let charge: Charge = parse(object)?;
            let intent = charge.payment_intent.as_ref().map(Expandable::id);
            let brought_along = charge.refunds.filter(|refunds| !refunds.has_more);
            let fact = async |intent: &str| match brought_along {
                Some(refunds) => Ok(Fact::Refunds(refunds.data)),
                None => Ok(Fact::Refunds(context.stripe()?.refunds_of(intent).await?)),
            };
            about_payment(context, intent, fact, &reference).await
        }
        "refund.created" | "refund.updated" | "refund.failed" | "charge.refund.updated" => {
            let refund: Refund = parse(object)?;
            let intent = refund.payment_intent.clone();
            let fact = async |_: &str| Ok(Fact::Refunds(vec![refund]));
            about_payment(
                context,
                intent.as_ref().map(Expandable::id),
                fact,
                &reference,
            )
            .await
        }
        kind if kind.starts_with("charge.dispute.") => {
            let object: DisputeObject = parse(object)?;
            let dispute = Dispute {
                id: object.id,
                amount: object.amount,
                currency: object.currency,
                reason: object.reason,
                status: object.status,
                funds_withdrawn: kind.ends_with(".funds_withdrawn"),
                funds_reinstated: kind.ends_with(".funds_reinstated"),
            };
            let intent = object.payment_intent.as_ref().map(Expandable::id);
            let fact = async |_: &str| Ok(Fact::Dispute(dispute));
            about_payment(context, intent, fact, &reference).await
        }
        // Ingress of a later release lets more types through.
        _ => Err(JobError::reject("unhandled_event_type", reference.kind)),
    }
}

fn parse<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, JobError> {
    serde_json::from_slice(json).map_err(|error| JobError::reject("malformed_event", error))
}

/// What the event says about the session in it, or why that is none of ours.
fn read_session(
    mode: Mode,
    object: &[u8],
    event: EventRef,
) -> Result<Result<SessionSaid, NotOurs>, JobError> {
    // What the event means if the session is not paid.
    let unpaid = match event.kind.as_str() {
        "checkout.session.completed" | "checkout.session.async_payment_succeeded" => {
            Fact::PaymentPending
        }
        "checkout.session.async_payment_failed" => Fact::PaymentFailed,
        "checkout.session.expired" => Fact::Expired,
        // Ingress of a later release lets more types through.
        _ => return Err(JobError::reject("unhandled_event_type", event.kind)),
    };
    let session: CheckoutSession = parse(object)?;
    tracing::Span::current().record("checkout_session.id", session.id.as_str());
    if let Some(not_ours) = refuse(mode, &session) {
        return Ok(Err(not_ours));
    }
    let fact = fact(&session, unpaid)?;
    Ok(Ok(SessionSaid {
        session,
        fact,
        event,
    }))
}

/// - `fact`: made once it is known that the payment is ours, because it may cost a call.
async fn about_payment(
    context: &Context,
    payment_intent: Option<&str>,
    fact: impl AsyncFnOnce(&str) -> Result<Fact, JobError>,
    event: &EventRef,
) -> Result<Fulfillment, JobError> {
    let foreign = Ok(Fulfillment::NotOurs(NotOurs::Foreign));
    // Payments of Checkout always have a PaymentIntent.
    let Some(intent) = payment_intent else {
        return foreign;
    };
    let Some(checkout_id) = checkout_of(context, intent).await? else {
        return foreign;
    };
    let fact = fact(intent).await?;
    fulfill_checkout(context, Subject::Checkout(checkout_id), &fact, Some(event)).await
}

/// The checkout that a PaymentIntent paid; Stripe knows it if we have not heard of the
/// payment yet.
async fn checkout_of(context: &Context, intent: &str) -> Result<Option<Uuid>, JobError> {
    if let Some(payment) = payment_of(context, intent).await? {
        return Ok(Some(payment.checkout_id));
    }
    match context.stripe()?.payment_intent_metadata(intent).await {
        Ok(metadata) => Ok(metadata
            .get(METADATA_CHECKOUT_ID)
            .and_then(|id| Uuid::parse_str(id).ok())),
        Err(StripeError::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn payment_of(context: &Context, intent: &str) -> Result<Option<payment::Model>, DbErr> {
    payment::Entity::find()
        .filter(payment::Column::PaymentIntentId.eq(intent))
        .one(&context.db)
        .await
}
