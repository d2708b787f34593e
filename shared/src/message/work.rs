//! Reading a message: what the worker is asked to do.

use bytes::Bytes;
use serde::{Deserialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{
    message::{BOOKING_CANCEL, CHECKOUT_CONFIRM, Envelope, SCHEMA, STRIPE_EVENT},
    stripe::id::CheckoutSessionId,
    unreadable::Unreadable,
};

/// What the worker is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Act on an event; the bytes are Stripe's.
    StripeEvent(Bytes),
    /// Ask Stripe about a session.
    CheckoutConfirm(CheckoutSessionId),
    /// Carry a buyer's wish out.
    BookingCancel(BookingCancel),
}

/// The body of a `booking.cancel`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BookingCancel {
    /// Which.
    pub booking_id: Uuid,
    /// What the buyer was told comes back, in the currency's minor unit.
    pub refund_amount: i64,
    /// Of the two, by a secret that who may publish does not have; see `booking_link`.
    pub signature: String,
}

/// A message that cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// A later release published it; a worker of that release will take it.
    #[error("schema is newer than this worker")]
    NewerSchema,
    /// No header `bookonce-schema`, or a version no longer read.
    #[error("schema is missing or no longer supported")]
    UnsupportedSchema,
    /// The property `type` is missing or none of ours.
    #[error("type is missing or unknown")]
    UnknownType,
    /// The body of a `checkout.confirm` or `booking.cancel` is not the JSON it should be.
    #[error("body is malformed")]
    MalformedBody(#[source] Unreadable),
}

#[derive(Deserialize)]
struct ConfirmBody {
    checkout_session_id: CheckoutSessionId,
}

impl Envelope {
    /// What the message asks for.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if this worker cannot tell.
    pub fn work(&self) -> Result<Work, DecodeError> {
        match self.schema {
            Some(SCHEMA) => {}
            Some(newer) if newer > SCHEMA => return Err(DecodeError::NewerSchema),
            _ => return Err(DecodeError::UnsupportedSchema),
        }
        match self.kind.as_deref() {
            Some(STRIPE_EVENT) => Ok(Work::StripeEvent(self.body.clone())),
            Some(CHECKOUT_CONFIRM) => {
                let body: ConfirmBody = self.read()?;
                Ok(Work::CheckoutConfirm(body.checkout_session_id))
            }
            Some(BOOKING_CANCEL) => self.read().map(Work::BookingCancel),
            _ => Err(DecodeError::UnknownType),
        }
    }

    fn read<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        serde_json::from_slice(&self.body).map_err(|error| DecodeError::MalformedBody(error.into()))
    }
}
