//! What a request can fail with, and how each failure is told to the client.

use std::{borrow::Cow, sync::Arc, time::Duration};

use axum::http::StatusCode;
use sea_orm::DbErr;
use serde::Serialize;
use shared::{
    db::{self, Trouble, offering::NotForSale},
    queue::PublishError,
    stripe::{error::StripeError, signature::SignatureError},
    unreadable::Unreadable,
};
use utoipa::ToSchema;

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Where, such as `customer.email` or `line_items[2].name`.
    pub field: Cow<'static, str>,
    /// What is wrong, in words for a person.
    pub message: Cow<'static, str>,
}

impl FieldError {
    pub fn new(field: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

/// Everything a handler can fail with. The variant names the cause for us; the client gets
/// a stable code and words of our own, never internal text.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error("request body is not the expected JSON")]
    MalformedRequest(Option<FieldError>),
    #[error("content type is not JSON")]
    UnsupportedMediaType,
    #[error("request body is too large")]
    PayloadTooLarge,
    #[error("no valid key of the site")]
    Unauthorized,
    #[error("SITE_API_KEYS is not set")]
    SiteApiOff,
    #[error("Idempotency-Key is malformed")]
    MalformedIdempotencyKey,
    #[error("session id is malformed")]
    MalformedSessionId,
    #[error("session was not created by this shop")]
    SessionNotFound,
    #[error("no such booking of theirs")]
    BookingNotFound,
    #[error("booking cannot be cancelled by its buyer")]
    CancellationClosed,
    #[error("less comes back than the buyer was told")]
    CancellationChanged,
    #[error("slot does not exist")]
    SlotNotFound,
    #[error("slot has too few seats left")]
    SlotFull,
    #[error("slot has begun")]
    SlotClosed,
    #[error("request is not valid")]
    Validation(Vec<FieldError>),
    #[error("Idempotency-Key was used for another request")]
    IdempotencyKeyReused,
    #[error("another request with the same Idempotency-Key is running or just failed")]
    CheckoutConflict,
    #[error("checkout of this Idempotency-Key is paid")]
    CheckoutCompleted,
    #[error("too many orders of one client")]
    TooManyOrders(Duration),
    #[error("webhook signature rejected")]
    Signature(#[from] SignatureError),
    #[error("too many webhooks that are not signed, from one client")]
    TooManyBadSignatures(Duration),
    #[error("webhook payload is not an event")]
    MalformedEvent(#[source] Unreadable),
    #[error("offering cannot be sold as it is")]
    OfferingUnavailable,
    #[error("could not create a Checkout Session")]
    Stripe(#[from] StripeError),
    #[error("Stripe refuses the Checkout Session for good: {0}")]
    StripeRefused(&'static str, #[source] StripeError),
    #[error("could not publish")]
    Queue(#[from] PublishError),
    #[error("could not use the database")]
    Database(#[from] Arc<DbErr>),
    #[error("request took too long")]
    TimedOut,
    #[error("body did not come in time")]
    RequestTimedOut,
    #[error("handler panicked")]
    Panicked,
    #[error("no such page")]
    NotFound,
    #[error("method not allowed")]
    MethodNotAllowed,
}

/// A kind of problem, as the client sees it.
#[derive(Debug, Clone, Copy)]
pub struct ProblemKind {
    pub status: StatusCode,
    /// For programs; never changes.
    pub code: &'static str,
    /// In few words.
    pub title: &'static str,
    /// In a sentence.
    pub detail: &'static str,
}

fn problem(
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: &'static str,
) -> ProblemKind {
    ProblemKind {
        status,
        code,
        title,
        detail,
    }
}

impl From<NotForSale> for ApiError {
    fn from(error: NotForSale) -> Self {
        let error: &dyn std::error::Error = &error;
        tracing::warn!(error, "An offering cannot be sold; see worker doctor");
        Self::OfferingUnavailable
    }
}

impl From<DbErr> for ApiError {
    fn from(error: DbErr) -> Self {
        Self::Database(Arc::new(error))
    }
}

impl ApiError {
    /// Whether another transaction was in the way, so that the same may succeed at once.
    pub fn is_contention(&self) -> bool {
        matches!(self, Self::Database(error) if db::trouble(error) == Trouble::Contention)
    }

    /// How it is told to the client.
    #[expect(
        clippy::too_many_lines,
        reason = "one arm for each error, all in one place"
    )]
    pub fn kind(&self) -> ProblemKind {
        use StatusCode as S;
        match self {
            Self::MalformedRequest(_) => problem(
                S::BAD_REQUEST,
                "malformed_request",
                "Malformed request",
                "The JSON body, or a parameter, is not what this endpoint expects.",
            ),
            Self::UnsupportedMediaType => problem(
                S::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "Unsupported media type",
                "Send JSON with Content-Type: application/json.",
            ),
            Self::PayloadTooLarge => problem(
                S::PAYLOAD_TOO_LARGE,
                "payload_too_large",
                "Payload too large",
                "The body is larger than this endpoint takes.",
            ),
            Self::Unauthorized => problem(
                S::UNAUTHORIZED,
                "invalid_api_key",
                "Invalid API key",
                "Send Authorization: Bearer with one of the keys in SITE_API_KEYS.",
            ),
            Self::SiteApiOff => problem(
                S::NOT_FOUND,
                "site_api_off",
                "Site API is off",
                "This address works once SITE_API_KEYS is set.",
            ),
            Self::MalformedIdempotencyKey => problem(
                S::BAD_REQUEST,
                "malformed_idempotency_key",
                "Malformed Idempotency-Key",
                "Idempotency-Key must be 1 to 255 printable ASCII characters.",
            ),
            Self::MalformedSessionId => problem(
                S::BAD_REQUEST,
                "malformed_session_id",
                "Malformed session id",
                "session_id must be the id of a Checkout Session (cs_…).",
            ),
            Self::SessionNotFound => problem(
                S::NOT_FOUND,
                "session_not_found",
                "Unknown session",
                "This shop did not create that Checkout Session.",
            ),
            Self::BookingNotFound => problem(
                S::NOT_FOUND,
                "booking_not_found",
                "No such booking",
                "There is no booking of this reference, or it is not of this address or link.",
            ),
            Self::CancellationClosed => problem(
                S::CONFLICT,
                "cancellation_closed",
                "Cannot be cancelled",
                "The booking has ended or begun, or what is booked cannot be cancelled by its buyer.",
            ),
            Self::CancellationChanged => problem(
                S::CONFLICT,
                "cancellation_changed",
                "Less comes back by now",
                "Ask for the booking again, and show what comes back now.",
            ),
            Self::SlotNotFound => problem(
                S::NOT_FOUND,
                "slot_not_found",
                "Unknown slot",
                "There is no such slot.",
            ),
            Self::SlotFull => problem(
                S::CONFLICT,
                "slot_full",
                "Slot is full",
                "Fewer seats are left than asked for.",
            ),
            Self::SlotClosed => problem(
                S::CONFLICT,
                "slot_closed",
                "Slot is closed",
                "The slot has begun, or is closed.",
            ),
            Self::Validation(_) => problem(
                S::UNPROCESSABLE_ENTITY,
                "validation_failed",
                "Validation failed",
                "Some fields are missing or wrong; errors lists them.",
            ),
            Self::IdempotencyKeyReused => problem(
                S::UNPROCESSABLE_ENTITY,
                "idempotency_key_reused",
                "Idempotency-Key reused",
                "This Idempotency-Key was used with another body. Use a new one.",
            ),
            Self::CheckoutConflict => problem(
                S::CONFLICT,
                "checkout_conflict",
                "Checkout conflict",
                "Another request with this Idempotency-Key has not ended well yet. Try again.",
            ),
            Self::CheckoutCompleted => problem(
                S::CONFLICT,
                "checkout_completed",
                "Checkout is completed",
                "What this Idempotency-Key or client_reference stands for is paid. Use a new one to book more.",
            ),
            Self::TooManyOrders(_) => problem(
                S::TOO_MANY_REQUESTS,
                "too_many_orders",
                "Too many orders",
                "There were too many orders, or too many of yours are not paid yet. Try again in a moment.",
            ),
            Self::Signature(_) => problem(
                S::BAD_REQUEST,
                "signature_verification_failed",
                "Signature verification failed",
                "Stripe-Signature does not match the body and one of our endpoint secrets.",
            ),
            Self::TooManyBadSignatures(_) => problem(
                S::TOO_MANY_REQUESTS,
                "too_many_bad_signatures",
                "Too many bad signatures",
                "Stripe-Signature does not match, as of many requests from your address before. One that \
                 matches is taken at any time.",
            ),
            Self::MalformedEvent(_) => problem(
                S::BAD_REQUEST,
                "malformed_event",
                "Malformed event",
                "The body is signed but is not a Stripe event.",
            ),
            Self::Stripe(_) => problem(
                S::BAD_GATEWAY,
                "stripe_unavailable",
                "Stripe is unavailable",
                "Stripe did not open a checkout. No more seats are held than before; try again.",
            ),
            Self::StripeRefused(..) => problem(
                S::BAD_GATEWAY,
                "stripe_refused",
                "Stripe refused the order",
                "Stripe does not open a checkout for this order. Trying again does not help; the \
                 shop has been told why.",
            ),
            Self::OfferingUnavailable => problem(
                S::CONFLICT,
                "offering_unavailable",
                "Offering is unavailable",
                "This offering cannot be sold at the moment.",
            ),
            Self::Queue(_) => problem(
                S::SERVICE_UNAVAILABLE,
                "queue_unavailable",
                "Queue is unavailable",
                "The message could not be stored safely. Try again.",
            ),
            Self::Database(_) => problem(
                S::SERVICE_UNAVAILABLE,
                "database_unavailable",
                "Database is unavailable",
                "The database did not answer. Try again.",
            ),
            Self::RequestTimedOut => problem(
                S::REQUEST_TIMEOUT,
                "request_timed_out",
                "Request timed out",
                "The body of the request did not come in time.",
            ),
            Self::TimedOut => problem(
                S::SERVICE_UNAVAILABLE,
                "timed_out",
                "Timed out",
                "The request took too long. Try again.",
            ),
            Self::Panicked => problem(
                S::INTERNAL_SERVER_ERROR,
                "internal_error",
                "Internal error",
                "Something is wrong on our side.",
            ),
            Self::NotFound => problem(
                S::NOT_FOUND,
                "not_found",
                "Not found",
                "There is nothing at this address.",
            ),
            Self::MethodNotAllowed => problem(
                S::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "Method not allowed",
                "This address does not take that method.",
            ),
        }
    }

    /// For programs; never changes.
    pub fn code(&self) -> &'static str {
        self.kind().code
    }

    /// Whether a webhook is none that Stripe has signed, at whatever time.
    pub fn is_bad_signature(&self) -> bool {
        use SignatureError::{InvalidHeader, NoValidSignature, NotSigned};
        matches!(
            self,
            Self::Signature(NotSigned | InvalidHeader | NoValidSignature)
        )
    }

    /// In whole seconds.
    pub fn retry_after(&self, status: StatusCode) -> Option<u64> {
        match self {
            Self::TooManyOrders(wait) | Self::TooManyBadSignatures(wait) => {
                Some(wait.as_secs().saturating_add(1))
            }
            _ => (status == StatusCode::SERVICE_UNAVAILABLE).then_some(2),
        }
    }

    /// Logs what an operator can act on; what a client did wrong is the client's to see, and of webhooks
    /// that Stripe did not sign there are notes.
    pub fn log(&self, status: StatusCode) {
        let error: &dyn std::error::Error = self;
        if status.is_server_error() {
            tracing::error!(error, "Request failed");
        } else if matches!(self, Self::MalformedEvent(_)) {
            tracing::warn!(error, "Webhook refused");
        }
    }
}
