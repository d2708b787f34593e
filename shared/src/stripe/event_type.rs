//! The event types we act on. Ingress queues these and acknowledges the rest; the webhook
//! endpoint at Stripe should send no other.
//!
//! Source: <https://docs.stripe.com/api/events/types>

/// All of them, as snapshot events call them.
pub const HANDLED: [&str; 14] = [
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "charge.refunded",
    "charge.refund.updated",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "charge.dispute.closed",
];

/// What thin events put before the type of an object of API v1.
///
/// Source: <https://docs.stripe.com/event-destinations>
const THIN: &str = "v1.";

/// The type of a snapshot event that means the same as `kind`, which may be a thin event's.
pub fn of_snapshot(kind: &str) -> &str {
    kind.strip_prefix(THIN).unwrap_or(kind)
}

/// Whether we act on events of the type `kind`, thin or not.
pub fn is_handled(kind: &str) -> bool {
    HANDLED.contains(&of_snapshot(kind))
}
