use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;

use crate::operator::words::{counted, wrapped};

/// What an audit has compared, and found.
#[derive(Debug, Default, Serialize, ToSchema)]
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
    pub differences: Vec<Difference>,
    /// What is known and waits for an operator or a verdict; no difference.
    pub waiting: Waiting,
}

/// What waits for an operator or a verdict.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct Waiting {
    /// Bookings that an operator has to decide.
    pub needs_attention: u64,
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
    pub(crate) fn rows(&self) -> [(&'static str, u64); 5] {
        [
            ("owed refund", self.refunds_owed),
            ("needs_attention booking", self.needs_attention),
            ("dead letter", self.dead_letters),
            ("unanswered dispute", self.disputes_to_answer),
            ("charged-back booking", self.charged_back),
        ]
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Difference {
    pub what: What,
    /// The session, slot or checkout it is about.
    pub subject: String,
    /// By Stripe's books; for seats, what holds and bookings add up to.
    pub expected: String,
    /// By ours; for seats, what the slot says.
    pub found: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
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

impl fmt::Display for What {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(out)
    }
}

impl What {
    fn advice(self) -> &'static str {
        match self {
            Self::PaymentMissing
            | Self::RefundedDiffers
            | Self::RefundDiffers
            | Self::DisputeDiffers => "run worker reconcile",
            Self::BookingMissing
            | Self::BookingUnpaid
            | Self::AmountDiffers
            | Self::SeatsHeldDiffer => "look with worker booking show; report it",
            Self::NotPaidAtStripe | Self::NotRefundedAtStripe => {
                "is STRIPE_SECRET_KEY of the account that sells?"
            }
            Self::HoldMissing => {
                "after a restore, worker reconcile --restored; else refund it at Stripe"
            }
            Self::SeatsDiffer => {
                "were seats changed by hand? worker slot recount ID counts them anew"
            }
        }
    }
}

impl fmt::Display for Audit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, number) in [
            ("sessions at Stripe", self.sessions),
            ("  ours and paid", self.paid_sessions),
            ("  not ours", self.foreign_sessions),
            ("refunds of ours at Stripe", self.refunds),
            ("disputes of ours at Stripe", self.disputes),
            ("payments here", self.payments),
            ("slots", self.slots),
        ] {
            writeln!(out, "{what:<30} {number:>8}")?;
        }
        let waiting = self.waiting.rows();
        let waiting: Vec<String> = waiting
            .iter()
            .filter(|(_, number)| *number > 0)
            .map(|(what, number)| counted(*number, what))
            .collect();
        if !waiting.is_empty() {
            let waiting = format!("waiting: {}; see worker doctor", waiting.join(", "));
            writeln!(out, "{}", wrapped(&waiting, 9))?;
        }
        if self.differences.is_empty() {
            return writeln!(out, "no difference");
        }
        writeln!(out, "\n{}", counted(self.differences.len(), "difference"))?;
        for it in &self.differences {
            let (expected, found, advice) = (&it.expected, &it.found, it.what.advice());
            writeln!(out, "{}: {}", it.what, it.subject)?;
            let more = format!("    expected {expected}, found {found}; {advice}");
            writeln!(out, "{}", wrapped(&more, 4))?;
        }
        Ok(())
    }
}
