/// How one run of a job ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fulfillment {
    /// Paid, and the seats are the buyer's.
    Booked,
    /// Paid, but there is nothing for the money: a refund is owed.
    RefundPending,
    /// Paid, and an operator has to decide.
    NeedsAttention,
    /// The whole payment went back, and the booking with it; or a person ended it.
    Cancelled,
    /// The booking is for another slot.
    Moved,
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
    /// No checkout of ours belongs to it: another integration uses the same Stripe account.
    Foreign,
    /// Test mode, and we serve live mode; or the other way round.
    OtherMode,
    /// A session that sells by `setup` or `subscription`.
    NotAPayment,
}

impl Fulfillment {
    /// The word for logs and for the inbox.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Booked => "booked",
            Self::RefundPending => "refund_pending",
            Self::NeedsAttention => "needs_attention",
            Self::Cancelled => "cancelled",
            Self::Moved => "moved",
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
