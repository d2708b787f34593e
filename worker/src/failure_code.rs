//! Why jobs fail: the codes that stand in headers, in the table of dead letters, in logs and
//! metrics, and what to do about each.

use std::fmt;

use sea_orm::{EnumIter, Iterable};
use shared::stripe::error::StripeError;

use crate::outage::dependency::Dependency;

/// Why a job failed. The word for each is part of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter)]
pub enum FailureCode {
    /// The body of a `checkout.confirm` or `booking.cancel` cannot be read.
    MalformedBody,
    /// An event lacks what every event of its type has.
    MalformedEvent,
    /// The message has no type, or none of ours.
    UnknownType,
    /// The message has no schema, or one that is no longer read.
    UnsupportedSchema,
    /// The message is of a later release.
    NewerSchema,
    /// An event of a type that this release does not act on.
    UnhandledEventType,
    /// An event without Stripe's signature, or a cancellation without ours.
    Forged,
    /// Workers died of it.
    DeliveryLimit,
    /// The job panicked.
    Panicked,
    /// An attempt took too long.
    TimedOut,
    /// The database is down, or takes no writes.
    DatabaseUnavailable,
    /// Another transaction was in the way.
    DatabaseBusy,
    /// The database refused a statement.
    DatabaseError,
    /// A row would break a constraint.
    ConstraintViolated,
    /// The site's function failed.
    HookFailed,
    /// What a person decided about a booking cannot be carried out.
    DecisionRefused,
    /// The queue does not take a message.
    QueueUnavailable,
    /// Stripe cannot be reached.
    StripeUnavailable,
    /// Stripe asks for fewer requests.
    StripeRateLimited,
    /// Stripe does not accept the key.
    StripeUnauthorized,
    /// The key lacks a permission.
    StripeForbidden,
    /// Stripe is still at the first call with this idempotency key.
    StripeInProgress,
    /// Stripe knows no such object.
    StripeNotFound,
    /// Stripe refuses the request.
    StripeRefused,
    /// Stripe's answer lacks what is needed.
    MalformedAnswer,
    /// A refund is owed for a payment without a PaymentIntent.
    NoPaymentIntent,
    /// A refund is owed for a payment that is another checkout's by Stripe's books.
    PaymentNotOurs,
}

impl FailureCode {
    /// The word for it; part of the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MalformedBody => "malformed_body",
            Self::MalformedEvent => "malformed_event",
            Self::UnknownType => "unknown_type",
            Self::UnsupportedSchema => "unsupported_schema",
            Self::NewerSchema => "newer_schema",
            Self::UnhandledEventType => "unhandled_event_type",
            Self::Forged => "forged",
            Self::DeliveryLimit => "delivery_limit",
            Self::Panicked => "panicked",
            Self::TimedOut => "timed_out",
            Self::DatabaseUnavailable => "database_unavailable",
            Self::DatabaseBusy => "database_busy",
            Self::DatabaseError => "database_error",
            Self::ConstraintViolated => "constraint_violated",
            Self::HookFailed => "hook_failed",
            Self::DecisionRefused => "decision_refused",
            Self::QueueUnavailable => "queue_unavailable",
            Self::StripeUnavailable => "stripe_unavailable",
            Self::StripeRateLimited => "stripe_rate_limited",
            Self::StripeUnauthorized => "stripe_unauthorized",
            Self::StripeForbidden => "stripe_forbidden",
            Self::StripeInProgress => "stripe_in_progress",
            Self::StripeNotFound => "stripe_not_found",
            Self::StripeRefused => "stripe_refused",
            Self::MalformedAnswer => "malformed_answer",
            Self::NoPaymentIntent => "no_payment_intent",
            Self::PaymentNotOurs => "payment_not_ours",
        }
    }

    /// The code with this word.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        Self::iter().find(|code| code.as_str() == word)
    }

    /// Whether there may be more to say of it, for operators.
    pub(crate) fn has_detail(self) -> bool {
        matches!(self, Self::HookFailed | Self::ConstraintViolated)
    }

    /// Whether the same message may succeed later.
    pub(crate) fn is_retryable(self) -> bool {
        match self {
            Self::NewerSchema
            | Self::TimedOut
            | Self::DatabaseUnavailable
            | Self::DatabaseBusy
            | Self::DatabaseError
            // The site mends its function.
            | Self::HookFailed
            | Self::QueueUnavailable
            | Self::StripeUnavailable
            | Self::StripeRateLimited
            // An operator's mistake in progress, say a rotation, and not the message's fault.
            | Self::StripeUnauthorized
            | Self::StripeForbidden
            | Self::StripeInProgress => true,
            Self::MalformedBody
            | Self::MalformedEvent
            | Self::UnknownType
            | Self::UnsupportedSchema
            | Self::UnhandledEventType
            | Self::Forged
            | Self::DeliveryLimit
            | Self::Panicked
            | Self::ConstraintViolated
            | Self::DecisionRefused
            | Self::StripeNotFound
            | Self::StripeRefused
            | Self::MalformedAnswer
            | Self::NoPaymentIntent
            | Self::PaymentNotOurs => false,
        }
    }

    /// What may be down, if the job failed for the lack of something.
    pub(crate) fn dependency(self) -> Option<Dependency> {
        match self {
            // Whatever did not answer in time: the database is what every job waits for.
            Self::DatabaseUnavailable | Self::TimedOut => Some(Dependency::Database),
            Self::StripeUnavailable | Self::StripeRateLimited | Self::StripeUnauthorized => {
                Some(Dependency::Stripe)
            }
            _ => None,
        }
    }

    /// What an operator does about a message that is dead for it.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Self::MalformedBody
            | Self::MalformedEvent
            | Self::UnknownType
            | Self::UnsupportedSchema => {
                "not a message of ours, or of a release too old: discard; worker reconcile brings \
                 back what was lost. But a booking.cancel: update the workers, then replay"
            }
            Self::NewerSchema => "a newer release published it: update the workers, then replay",
            Self::UnhandledEventType => {
                "a newer ingress let it through: update the workers, then replay"
            }
            Self::Forged => {
                "not signed by Stripe with a secret in STRIPE_WEBHOOK_SECRET, or a booking.cancel not by \
                 ingress with one in LINK_SECRET: if the secret was rolled, add the old one and replay; otherwise find out who may publish to the \
                 broker, and discard. worker reconcile brings back what Stripe knows"
            }
            Self::DeliveryLimit => {
                "its workers died one after the other: look for a crash in the log, update, then \
                 replay"
            }
            Self::Panicked => "a fault of ours: report it, update, then replay",
            Self::ConstraintViolated => {
                "two objects of Stripe's have one id, or it is a fault of ours: worker dead show names the \
                 constraint; compare with Stripe, and discard or report it"
            }
            Self::TimedOut
            | Self::DatabaseUnavailable
            | Self::DatabaseBusy
            | Self::DatabaseError => {
                "the database failed for a day: see worker doctor, then replay"
            }
            Self::HookFailed => {
                "the function in BOOKING_HOOK refused the booking for a day: worker dead show says \
                 with which SQLSTATE and words; mend it, then replay"
            }
            Self::DecisionRefused => {
                "the booking is not as it was when this was decided: worker booking show says how \
                 it stands; discard"
            }
            Self::QueueUnavailable => "the queue failed for a day: see worker doctor, then replay",
            Self::StripeUnavailable
            | Self::StripeRateLimited
            | Self::StripeUnauthorized
            | Self::StripeInProgress => "Stripe failed for a day: see worker doctor, then replay",
            Self::StripeForbidden => {
                "the key lacks a permission: worker doctor names it; grant it, then replay"
            }
            Self::StripeNotFound => {
                "Stripe does not know the object: check that STRIPE_SECRET_KEY is of the account \
                 that sells, then replay; discard if the session is another account's"
            }
            Self::StripeRefused => {
                "Stripe refuses our request for good: see the log, then replay or discard"
            }
            Self::MalformedAnswer => {
                "Stripe's answer lacks what is needed: update, then replay; see the log for what \
                 it was"
            }
            Self::NoPaymentIntent | Self::PaymentNotOurs => {
                "nothing can go back by itself: look at the payment at Stripe, and settle it with \
                 the buyer"
            }
        }
    }
}

impl fmt::Display for FailureCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl From<&StripeError> for FailureCode {
    fn from(error: &StripeError) -> Self {
        match error {
            StripeError::Unavailable(_) => Self::StripeUnavailable,
            StripeError::RateLimited => Self::StripeRateLimited,
            StripeError::NotFound => Self::StripeNotFound,
            StripeError::Unauthorized => Self::StripeUnauthorized,
            StripeError::Forbidden { .. } => Self::StripeForbidden,
            StripeError::MalformedAnswer(_) => Self::MalformedAnswer,
            StripeError::InProgress => Self::StripeInProgress,
            StripeError::Refused { .. } => Self::StripeRefused,
        }
    }
}

impl From<Dependency> for FailureCode {
    fn from(down: Dependency) -> Self {
        match down {
            Dependency::Database => Self::DatabaseUnavailable,
            Dependency::Stripe => Self::StripeUnavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_one_word() {
        for code in FailureCode::iter() {
            assert_eq!(FailureCode::of_word(code.as_str()), Some(code));
        }
    }

    #[test]
    fn operators_can_read_about_each() {
        let manual = include_str!("../../deploy/docs/operate.md");
        for code in FailureCode::iter() {
            assert!(manual.contains(&format!("`{code}`")), "{code}");
        }
    }

    #[test]
    fn what_may_be_down_is_worth_another_try() {
        let down = |code: &FailureCode| code.dependency().is_some();

        assert!(
            FailureCode::iter()
                .filter(down)
                .all(FailureCode::is_retryable)
        );
    }
}
