//! What ingress puts on the queue and the worker takes off it: the wire contract.
//!
//! Three kinds travel. A `stripe.event` carries the bytes Stripe signed, untouched, and the
//! signature, so that the worker need not trust the publisher. A
//! `checkout.confirm` carries a Checkout Session id only, because a browser chose it: the
//! worker asks Stripe. A `booking.cancel` is a buyer's wish, with what they were told comes back; ingress
//! signs it, for the same reason. Add a kind before any service publishes it, and remove one only after the
//! queue has drained.

mod work;

use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

pub use self::work::{BookingCancel, DecodeError, Work};
use crate::{clock, stripe::id::CheckoutSessionId, traceparent::Traceparent};

/// The version of the contract written here. Readers take this one and the one before.
pub const SCHEMA: i64 = 1;

/// The AMQP `type` of an event as Stripe signed it; part of the contract.
const STRIPE_EVENT: &str = "stripe.event";
/// That of the wish to find out at Stripe whether a Checkout Session is paid.
const CHECKOUT_CONFIRM: &str = "checkout.confirm";
/// That of a buyer's wish to cancel a booking.
const BOOKING_CANCEL: &str = "booking.cancel";

/// Who asked for the work: the header `bookonce-source`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Stripe delivered an event.
    Webhook,
    /// A buyer's page asked for a session that has no final state yet.
    Confirm,
    /// A buyer cancels.
    Buyer,
    /// A hold has ended, and its outcome was not announced.
    Sweep,
    /// Stripe's books have what ours lack.
    Reconcile,
    /// An operator wants it tried again.
    Replay,
}

impl Source {
    /// The header's value; part of the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Confirm => "confirm",
            Self::Buyer => "buyer",
            Self::Sweep => "sweep",
            Self::Reconcile => "reconcile",
            Self::Replay => "replay",
        }
    }
}

/// A message as a queue carries it: AMQP properties and headers, or a row of the embedded
/// queue. Every field that a publisher may have got wrong is optional here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Envelope {
    /// Property `message_id`: the event id, or `confirm:<session id>`, or `cancel:<booking id>`.
    pub message_id: Option<String>,
    /// Property `type`.
    pub kind: Option<String>,
    /// Header `bookonce-schema`.
    pub schema: Option<i64>,
    /// Header `bookonce-attempt`: failed attempts so far.
    pub attempt: i64,
    /// Header `bookonce-received-at-ms`: when ingress took it in.
    pub received_at_ms: Option<i64>,
    /// Header `bookonce-source`.
    pub source: Option<String>,
    /// Header `bookonce-last-error`: the code of the last failure.
    pub last_error: Option<String>,
    /// Header `bookonce-last-error-detail`: what that failure said, if a code does not say it all.
    pub last_error_detail: Option<String>,
    /// Header `traceparent`.
    pub traceparent: Option<String>,
    /// Header `bookonce-signature`: Stripe's `Stripe-Signature` of the body, verbatim.
    pub signature: Option<String>,
    /// The body.
    pub body: Bytes,
}

impl Envelope {
    /// A message that carries `body`, the event `event_id` byte for byte as Stripe sent it.
    ///
    /// - `signature`: the header that came with it.
    pub fn stripe_event(
        event_id: &str,
        body: Bytes,
        signature: &str,
        received_at: OffsetDateTime,
        traceparent: &Traceparent,
    ) -> Self {
        Self {
            message_id: Some(event_id.to_owned()),
            signature: Some(signature.to_owned()),
            body,
            ..Self::new(STRIPE_EVENT, Source::Webhook, received_at, traceparent)
        }
    }

    /// A message that asks for the state of `session_id` at Stripe.
    pub fn checkout_confirm(
        session_id: &CheckoutSessionId,
        received_at: OffsetDateTime,
        traceparent: &Traceparent,
    ) -> Self {
        let body = serde_json::json!({ "checkout_session_id": session_id.as_str() });
        Self {
            message_id: Some(format!("confirm:{session_id}")),
            body: body.to_string().into(),
            ..Self::new(CHECKOUT_CONFIRM, Source::Confirm, received_at, traceparent)
        }
    }

    /// A message by which a buyer cancels.
    pub fn booking_cancel(
        wish: &BookingCancel,
        received_at: OffsetDateTime,
        traceparent: &Traceparent,
    ) -> Self {
        let BookingCancel {
            booking_id,
            refund_amount,
            signature,
        } = wish;
        let body = serde_json::json!({
            "booking_id": booking_id,
            "refund_amount": refund_amount,
            "signature": signature,
        });
        Self {
            message_id: Some(format!("cancel:{booking_id}")),
            body: body.to_string().into(),
            ..Self::new(BOOKING_CANCEL, Source::Buyer, received_at, traceparent)
        }
    }

    /// The same message, asked for by `source`.
    #[must_use]
    pub fn from_source(self, source: Source) -> Self {
        Self {
            source: Some(source.as_str().to_owned()),
            ..self
        }
    }

    /// The same message, further along its trace.
    pub(crate) fn continuing(&self, trace: &Traceparent) -> Self {
        Self {
            traceparent: Some(trace.as_str().to_owned()),
            ..self.clone()
        }
    }

    fn new(
        kind: &str,
        source: Source,
        received_at: OffsetDateTime,
        traceparent: &Traceparent,
    ) -> Self {
        Self {
            kind: Some(kind.to_owned()),
            schema: Some(SCHEMA),
            received_at_ms: Some(clock::unix_ms(received_at)),
            source: Some(source.as_str().to_owned()),
            traceparent: Some(traceparent.as_str().to_owned()),
            ..Self::default()
        }
    }

    /// A name that the same message always has, together with `context`. Its id is not enough: who
    /// may publish may give it to another message as well.
    pub fn fingerprint(&self, context: &[&str]) -> String {
        let mut hash = Sha256::new();
        let id = self.message_id.as_deref().unwrap_or_default();
        for part in context.iter().copied().chain([id]) {
            hash.update(part);
            hash.update([0]);
        }
        hash.update(self.signature.as_deref().unwrap_or_default());
        hash.update([0]);
        hash.update(&self.body);
        hex::encode(hash.finalize())
    }

    /// How long ago it was first received.
    pub fn age(&self, now: OffsetDateTime) -> Duration {
        let received = self.received_at_ms.unwrap_or_else(|| clock::unix_ms(now));
        let age_ms = clock::unix_ms(now).saturating_sub(received);
        Duration::from_millis(u64::try_from(age_ms).unwrap_or_default())
    }

    /// Its type, for metrics: one of a few words, whatever was published.
    pub fn kind_word(&self) -> &'static str {
        match self.kind.as_deref() {
            Some(STRIPE_EVENT) => STRIPE_EVENT,
            Some(CHECKOUT_CONFIRM) => CHECKOUT_CONFIRM,
            Some(BOOKING_CANCEL) => BOOKING_CANCEL,
            _ => "unknown",
        }
    }
}

#[cfg(test)]
mod tests;
