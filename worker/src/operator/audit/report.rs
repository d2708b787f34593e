//! What an audit says.

use serde::Serialize;

/// What an audit has compared, and found.
#[derive(Debug, Default, Serialize)]
pub struct Audit {
    /// Checkout Sessions at Stripe that were looked at.
    pub sessions: u64,
    /// Of these, ours and paid.
    pub paid_sessions: u64,
    /// Of these, another integration's.
    pub foreign_sessions: u64,
    /// Our payments that were looked at.
    pub payments: u64,
    /// Refunds of our payments at Stripe that were looked at.
    pub refunds: u64,
    /// Disputes about our payments at Stripe that were looked at.
    pub disputes: u64,
    /// Slots whose seats were added up.
    pub slots: u64,
    /// Where the books differ.
    pub differences: Vec<Difference>,
    /// What is known and waits for an operator or a verdict; no difference.
    pub waiting: Waiting,
}

/// What waits for an operator or a verdict.
#[derive(Debug, Default, Serialize)]
pub struct Waiting {
    /// Bookings that an operator has to decide.
    pub needs_attention: u64,
    /// Refunds that are owed and not made yet.
    pub refunds_owed: u64,
    /// Dead letters that are open.
    pub dead_letters: u64,
    /// Disputes that Stripe wants an answer to.
    pub disputes_to_answer: u64,
    /// Confirmed bookings whose money the buyer's bank took back for good.
    pub charged_back: u64,
}

impl Waiting {
    /// What each is called, with how many there are of it.
    pub fn rows(&self) -> [(&'static str, u64); 5] {
        [
            ("owed refund", self.refunds_owed),
            ("needs_attention booking", self.needs_attention),
            ("dead letter", self.dead_letters),
            ("unanswered dispute", self.disputes_to_answer),
            ("charged-back booking", self.charged_back),
        ]
    }
}

/// One place where the books differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What kind of difference.
    pub what: What,
    /// The session, slot or checkout it is about.
    pub subject: String,
    /// By Stripe's books; for seats, what holds and bookings add up to.
    pub expected: String,
    /// By ours; for seats, what the slot says.
    pub found: String,
}

/// A kind of difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Paid at Stripe, no payment here.
    PaymentMissing,
    /// A payment here, no booking.
    BookingMissing,
    /// A booking here, no payment.
    BookingUnpaid,
    /// Another amount or currency.
    AmountDiffers,
    /// Another amount went back.
    RefundedDiffers,
    /// A refund is missing here, or not as Stripe has it.
    RefundDiffers,
    /// A refund here that Stripe does not have.
    NotRefundedAtStripe,
    /// A dispute is missing here, or not as Stripe has it.
    DisputeDiffers,
    /// A payment here that Stripe does not have.
    NotPaidAtStripe,
    /// A session with one of our slots, and no hold here.
    HoldMissing,
    /// A slot's seats do not add up.
    SeatsDiffer,
    /// A checkout has seats that it should not have, or the other way round.
    SeatsHeldDiffer,
}

/// One more.
pub(super) fn count(number: &mut u64) {
    *number = number.saturating_add(1);
}
