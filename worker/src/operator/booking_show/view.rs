//! The story for programs. Amounts are integers in the currency's minor unit, times are in UTC.

use sea_orm::ActiveEnum;
use serde::Serialize;
use serde_json::Value;
use shared::db::{booking, dispute, intervention, owed_refund, payment, refund, stripe_event};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::operator::booking_show::{
    Story,
    others::{Other, OtherView},
    told::{NotificationView, Told},
};

/// Everything known about one checkout.
#[derive(Debug, Serialize, ToSchema)]
pub struct StoryView {
    checkout: CheckoutView,
    booking: Option<BookingView>,
    payment: Option<PaymentView>,
    /// Other checkouts of the same order, or that the site calls the same.
    others: Vec<OtherView>,
    /// In order of arrival.
    events: Vec<EventView>,
    /// What people decided about it, in order.
    interventions: Vec<InterventionView>,
    /// What was told of it, in order.
    notifications: Vec<NotificationView>,
    refunds: Vec<RefundView>,
    disputes: Vec<DisputeView>,
    owed_refund: Option<OwedRefundView>,
}

/// The hold, and the Checkout Session it was made for.
#[derive(Debug, Serialize, ToSchema)]
struct CheckoutView {
    id: Uuid,
    /// `cs_…`
    session_id: Option<String>,
    /// open, `payment_pending`, paid, `payment_failed`, expired or abandoned.
    state: String,
    /// What is sold, in a line.
    offering: String,
    #[serde(with = "time::serde::rfc3339::option")]
    starts_at: Option<OffsetDateTime>,
    /// What the site sells by prices of its own.
    #[schema(value_type = Option<Vec<Object>>)]
    line_items: Value,
    /// What Stripe's page was made to do.
    #[schema(value_type = Option<Object>)]
    options: Option<Value>,
    quantity: i32,
    seats_held: bool,
    /// What the site calls it.
    client_reference: Option<String>,
    /// What the site gave along.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
    amount: i64,
    currency: String,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// When the hold ends.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

#[derive(Debug, Serialize, ToSchema)]
struct BookingView {
    reference: String,
    /// confirmed, `refund_pending`, `needs_attention` or cancelled.
    status: String,
    /// Why, as a code.
    reason: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl From<&booking::Model> for BookingView {
    fn from(it: &booking::Model) -> Self {
        Self {
            reference: it.reference.clone(),
            status: it.status.to_value(),
            reason: it.reason.clone(),
            created_at: it.created_at,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct PaymentView {
    /// `pi_…`; a free order has none.
    intent_id: Option<String>,
    status: String,
    amount: i64,
    amount_subtotal: i64,
    amount_discount: i64,
    amount_tax: i64,
    amount_shipping: i64,
    amount_refunded: i64,
    currency: String,
    /// Of the latest dispute.
    dispute_status: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl From<&payment::Model> for PaymentView {
    fn from(it: &payment::Model) -> Self {
        Self {
            intent_id: it.payment_intent_id.clone(),
            status: it.status.to_value(),
            amount: it.amount_minor_units,
            amount_subtotal: it.amount_subtotal(),
            amount_discount: it.amount_discount_minor_units,
            amount_tax: it.amount_tax_minor_units,
            amount_shipping: it.amount_shipping_minor_units,
            amount_refunded: it.amount_refunded_minor_units,
            currency: it.currency.clone(),
            dispute_status: it.dispute_status.map(|status| status.to_value()),
            created_at: it.created_at,
        }
    }
}

/// An event of Stripe's that was acted on.
#[derive(Debug, Serialize, ToSchema)]
struct EventView {
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// `evt_…`
    id: String,
    /// Stripe's `type`.
    kind: String,
    /// What acting on it came to.
    outcome: String,
}

impl From<&stripe_event::Model> for EventView {
    fn from(it: &stripe_event::Model) -> Self {
        Self {
            at: it.processed_at,
            id: it.id.clone(),
            kind: it.kind.clone(),
            outcome: it.outcome.clone(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct InterventionView {
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// cancel, move, book, refund or end.
    kind: String,
    detail: Option<String>,
    by: String,
    why: String,
}

impl From<&intervention::Model> for InterventionView {
    fn from(it: &intervention::Model) -> Self {
        Self {
            at: it.created_at,
            kind: it.kind.clone(),
            detail: it.detail.clone(),
            by: it.decided_by.clone(),
            why: it.why.clone(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct RefundView {
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// `re_…`
    id: String,
    amount: i64,
    currency: String,
    status: String,
}

impl From<&refund::Model> for RefundView {
    fn from(it: &refund::Model) -> Self {
        Self {
            at: it.created_at,
            id: it.id.clone(),
            amount: it.amount_minor_units,
            currency: it.currency.clone(),
            status: it.status.to_value(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct DisputeView {
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// `du_…`
    id: String,
    amount: i64,
    currency: String,
    reason: String,
    status: String,
    funds_withdrawn: bool,
    funds_reinstated: bool,
}

impl From<&dispute::Model> for DisputeView {
    fn from(it: &dispute::Model) -> Self {
        Self {
            at: it.created_at,
            id: it.id.clone(),
            amount: it.amount_minor_units,
            currency: it.currency.clone(),
            reason: it.reason.clone(),
            status: it.status.to_value(),
            funds_withdrawn: it.funds_withdrawn,
            funds_reinstated: it.funds_reinstated,
        }
    }
}

/// A refund that a worker makes, or made.
#[derive(Debug, Serialize, ToSchema)]
struct OwedRefundView {
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// All that is left, if there is none.
    amount: Option<i64>,
    attempts: i32,
    last_error: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    done_at: Option<OffsetDateTime>,
}

impl From<&owed_refund::Model> for OwedRefundView {
    fn from(it: &owed_refund::Model) -> Self {
        Self {
            at: it.created_at,
            amount: it.amount_minor_units,
            attempts: it.attempts,
            last_error: it.last_error.clone(),
            done_at: it.done_at,
        }
    }
}

impl From<&Story> for StoryView {
    fn from(story: &Story) -> Self {
        let record = &story.record;
        let checkout = &record.checkout;
        Self {
            checkout: CheckoutView {
                id: checkout.id,
                session_id: checkout.session_id.clone(),
                state: checkout.state.to_value(),
                offering: story.offering.clone(),
                starts_at: story.starts_at,
                line_items: serde_json::to_value(&checkout.line_items).unwrap_or_default(),
                options: checkout.options.clone(),
                quantity: checkout.quantity,
                seats_held: checkout.seats_held,
                client_reference: checkout.client_reference.clone(),
                metadata: checkout.metadata.clone(),
                amount: checkout.amount_minor_units,
                currency: checkout.currency.clone(),
                created_at: checkout.created_at,
                expires_at: checkout.expires_at,
            },
            booking: record.booking.as_ref().map(BookingView::from),
            payment: record.payment.as_ref().map(PaymentView::from),
            others: story.others.iter().map(Other::view).collect(),
            events: story.events.iter().map(EventView::from).collect(),
            interventions: all(&story.interventions),
            notifications: story.told.iter().map(Told::view).collect(),
            refunds: all(&record.refunds),
            disputes: all(&record.disputes),
            owed_refund: record.owed_refund.as_ref().map(OwedRefundView::from),
        }
    }
}

fn all<'a, M: 'a, V: From<&'a M>>(rows: impl IntoIterator<Item = &'a M>) -> Vec<V> {
    rows.into_iter().map(V::from).collect()
}
