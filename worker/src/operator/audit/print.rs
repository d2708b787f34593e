//! An audit as a person reads it.

use std::fmt;

use crate::operator::{
    audit::report::{Audit, What},
    words::{counted, wrapped},
};

impl What {
    /// The word for people and programs alike.
    fn as_str(self) -> &'static str {
        match self {
            Self::PaymentMissing => "payment_missing",
            Self::BookingMissing => "booking_missing",
            Self::BookingUnpaid => "booking_unpaid",
            Self::AmountDiffers => "amount_differs",
            Self::RefundedDiffers => "refunded_differs",
            Self::RefundDiffers => "refund_differs",
            Self::NotRefundedAtStripe => "not_refunded_at_stripe",
            Self::DisputeDiffers => "dispute_differs",
            Self::NotPaidAtStripe => "not_paid_at_stripe",
            Self::HoldMissing => "hold_missing",
            Self::SeatsDiffer => "seats_differ",
            Self::SeatsHeldDiffer => "seats_held_differ",
        }
    }

    /// What to do about it.
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
            Self::HoldMissing => "restore the checkout from a backup, or refund it at Stripe",
            Self::SeatsDiffer => "were seats changed by hand? Correct slot.seats_taken",
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
        let number = u64::try_from(self.differences.len()).unwrap_or(u64::MAX);
        writeln!(out, "\n{}", counted(number, "difference"))?;
        for it in &self.differences {
            let (expected, found, advice) = (&it.expected, &it.found, it.what.advice());
            writeln!(out, "{}: {}", it.what.as_str(), it.subject)?;
            let more = format!("    expected {expected}, found {found}; {advice}");
            writeln!(out, "{}", wrapped(&more, 4))?;
        }
        Ok(())
    }
}
