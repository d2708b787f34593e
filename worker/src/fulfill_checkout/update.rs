//! What a job wants changed: which checkout, what Stripe said about it, and the event that said it.

use shared::{
    db::checkout,
    stripe::{
        checkout_session::{CheckoutSession, TotalDetails},
        dispute as stripe,
        refund::Refund,
    },
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::fulfill_checkout::intervention::Intervention;

/// What one checkout is to be brought in line with.
#[derive(Debug, Clone)]
pub struct Update {
    pub target: Target,
    pub change: Change,
    /// The event that said it, for the inbox.
    pub event: Option<EventRef>,
    /// The trace of the message that led to it, if one did.
    pub traceparent: Option<String>,
}

/// The checkout that an update is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// By a Checkout Session.
    Session {
        /// `cs_…`
        id: String,
        /// The checkout that the session's metadata names.
        checkout_id: Option<Uuid>,
    },
    /// By its own id, as a payment leads to it.
    Checkout(Uuid),
}

impl Target {
    /// The checkout of `session`.
    pub fn of(session: &CheckoutSession) -> Self {
        Self::Session {
            id: session.id.clone(),
            checkout_id: session.checkout_id(),
        }
    }

    /// Whether `checkout` is meant. A session is known by its own id; or by the hold's, if the
    /// session's was never stored: the event was faster than ingress, or ingress crashed right
    /// after Stripe made the session.
    pub fn is(&self, checkout: &checkout::Model) -> bool {
        match (self, &checkout.session_id) {
            (Self::Checkout(id), _) => checkout.id == *id,
            (Self::Session { id, .. }, Some(stored)) => id == stored,
            (Self::Session { checkout_id, .. }, None) => *checkout_id == Some(checkout.id),
        }
    }
}

/// What Stripe, or a person, said about a checkout. Changes arrive in any order and more than once.
#[derive(Debug, Clone)]
pub enum Change {
    /// The buyer has not finished.
    Open,
    /// The buyer has finished, with a payment method that takes days.
    PaymentPending,
    /// Nothing is owed any more.
    Paid(Paid),
    /// The delayed payment did not arrive.
    PaymentFailed,
    /// The session ended unpaid.
    Expired,
    /// Money went back, or did not after all.
    Refunds(Vec<Refund>),
    /// The refund we owed is made or given up.
    OwedRefundEnded {
        /// Which debt, by its name.
        name: String,
        /// All there is of it, and what was made by hand.
        refunds: Vec<Refund>,
    },
    /// The buyer took it to the bank.
    Disputes(Vec<Dispute>),
    /// A person decided about it.
    Decided(Intervention),
}

impl Change {
    /// When the buyer paid, if that is what was said.
    pub fn paid_at(&self) -> Option<OffsetDateTime> {
        match self {
            Self::Paid(paid) => paid.completed_at,
            _ => None,
        }
    }

    /// What a person decided, if one did.
    pub fn intervention(&self) -> Option<&Intervention> {
        match self {
            Self::Decided(intervention) => Some(intervention),
            _ => None,
        }
    }
}

/// What was paid, whatever the hold says about it.
#[derive(Debug, Clone)]
pub struct Paid {
    /// `cs_…`
    pub session_id: String,
    /// `pi_…`; absent where nothing had to be paid.
    pub payment_intent_id: Option<String>,
    /// Stripe's `amount_total`.
    pub minor_units: i64,
    /// Stripe's `amount_subtotal`: what the line items cost.
    pub subtotal: i64,
    /// What lies between the two.
    pub details: TotalDetails,
    /// Lower-case ISO 4217.
    pub currency: String,
    /// When the buyer was done, as far as Stripe says.
    pub completed_at: Option<OffsetDateTime>,
}

/// One piece of news about a dispute.
#[derive(Debug, Clone)]
pub struct Dispute {
    pub object: stripe::Dispute,
    /// The object or its event says that the money left.
    pub funds_withdrawn: bool,
    /// And that it came back.
    pub funds_reinstated: bool,
    /// When Stripe was asked; `None` if an event said it, which may be old.
    pub asked_at: Option<OffsetDateTime>,
}

impl Dispute {
    /// - `asked_at`: when Stripe was asked, if it was.
    pub fn new(object: stripe::Dispute, asked_at: Option<OffsetDateTime>) -> Self {
        Self {
            funds_withdrawn: object.funds_withdrawn(),
            funds_reinstated: object.funds_reinstated(),
            object,
            asked_at,
        }
    }
}

/// An event, by what the inbox keeps of it.
#[derive(Debug, Clone)]
pub struct EventRef {
    pub id: String,
    pub kind: String,
}
