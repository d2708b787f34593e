//! The words of fulfilment: what can be known about a session, and what came of it.

/// What is known about a session. Facts arrive in any order and more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// The buyer has not finished.
    Open,
    /// The buyer has finished, with a payment method that takes days.
    PaymentPending,
    /// Nothing is owed any more.
    Paid,
    /// The delayed payment did not arrive.
    PaymentFailed,
    /// The session ended unpaid.
    Expired,
}

/// The event that brought the fact, for the inbox.
#[derive(Debug, Clone)]
pub struct EventRef {
    pub id: String,
    pub kind: String,
}

/// How one run of the job ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fulfillment {
    /// Booking and payment were created.
    Created,
    /// They were there before.
    AlreadyFulfilled,
    /// This very event was acted on before.
    AlreadyProcessed,
    /// A delayed payment is on its way; the seats stay held.
    PaymentPending,
    /// The buyer can still pay; the seats stay held.
    StillOpen,
    /// A hold ended without a payment; its seats are free.
    Released,
    /// The checkout had ended before, in another way that stands.
    AlreadyEnded,
    /// Somebody else's session, or one of the other mode. Nothing was written.
    NotOurs,
}

impl Fulfillment {
    /// The word for logs and for the inbox.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::AlreadyFulfilled => "already_fulfilled",
            Self::AlreadyProcessed => "already_processed",
            Self::PaymentPending => "payment_pending",
            Self::StillOpen => "still_open",
            Self::Released => "released",
            Self::AlreadyEnded => "already_ended",
            Self::NotOurs => "not_ours",
        }
    }
}
