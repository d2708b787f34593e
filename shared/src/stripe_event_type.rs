//! The event types we act on. Ingress queues these and acknowledges the rest; the webhook
//! endpoint at Stripe should send no other.
//!
//! Source: <https://docs.stripe.com/api/events/types>

/// All of them.
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
