//! What can be known about a checkout, and what came of knowing it.

use shared::{
    db::dispute,
    stripe::{dispute as stripe, refund::Refund},
};
use time::OffsetDateTime;

/// Something Stripe let us know. Facts arrive in any order and more than once.
#[derive(Debug, Clone)]
pub enum Fact {
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
    /// The refund we owed is made, and this is all there is of it.
    PromiseKept(Vec<Refund>),
    /// The buyer took it to the bank.
    Disputes(Vec<Dispute>),
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
    /// Lower-case ISO 4217.
    pub currency: String,
    /// When the buyer was done, as far as Stripe says.
    pub completed_at: Option<OffsetDateTime>,
}

/// One piece of news about a dispute.
#[derive(Debug, Clone)]
pub struct Dispute {
    /// `du_…`
    pub id: String,
    /// In minor units of `currency`.
    pub amount: i64,
    /// Lower-case ISO 4217.
    pub currency: String,
    /// Stripe's word.
    pub reason: String,
    /// How far it has come.
    pub status: dispute::Status,
    /// The event said that the money left.
    pub funds_withdrawn: bool,
    /// The event said that the money came back.
    pub funds_reinstated: bool,
    /// When Stripe was asked; `None` if an event said it, which may be old.
    pub asked_at: Option<OffsetDateTime>,
}

impl Dispute {
    /// - `asked_at`: when Stripe was asked, if it was.
    pub fn new(dispute: stripe::Dispute, asked_at: Option<OffsetDateTime>) -> Self {
        Self {
            funds_withdrawn: dispute.funds_withdrawn(),
            funds_reinstated: dispute.funds_reinstated(),
            id: dispute.id,
            amount: dispute.amount,
            currency: dispute.currency,
            reason: dispute.reason,
            status: dispute.status,
            asked_at,
        }
    }
}

/// The event that brought the fact, for the inbox.
#[derive(Debug, Clone)]
pub struct EventRef {
    pub id: String,
    pub kind: String,
}

/// How one run of a job ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fulfillment {
    /// Paid, and the seats are the buyer's.
    Booked,
    /// Paid, but there is nothing for the money: a refund is promised.
    RefundPending,
    /// Paid, and an operator has to decide.
    NeedsAttention,
    /// The whole payment went back, and the booking with it.
    Cancelled,
    /// A delayed payment is on its way; the seats stay held.
    PaymentPending,
    /// The buyer can still pay; the seats stay held.
    StillOpen,
    /// A hold ended without a payment; its seats are free.
    Released,
    /// Written down; booking and seats stay as they were.
    Recorded,
    /// This very event was acted on before.
    AlreadyProcessed,
    /// Nothing was written.
    NotOurs(NotOurs),
}

/// Whose it is, if not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotOurs {
    /// No checkout of ours belongs to it: somebody else uses the same Stripe account.
    Foreign,
    /// Test mode, and we serve live mode; or the other way round.
    OtherMode,
    /// A session that sells by `setup` or `subscription`.
    NotAPayment,
}

impl Fulfillment {
    /// The word for logs and for the inbox.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Booked => "booked",
            Self::RefundPending => "refund_pending",
            Self::NeedsAttention => "needs_attention",
            Self::Cancelled => "cancelled",
            Self::PaymentPending => "payment_pending",
            Self::StillOpen => "still_open",
            Self::Released => "released",
            Self::Recorded => "recorded",
            Self::AlreadyProcessed => "already_processed",
            Self::NotOurs(NotOurs::Foreign) => "not_ours_foreign",
            Self::NotOurs(NotOurs::OtherMode) => "not_ours_other_mode",
            Self::NotOurs(NotOurs::NotAPayment) => "not_ours_not_a_payment",
        }
    }
}
