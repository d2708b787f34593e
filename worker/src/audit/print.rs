//! An audit as a person reads it.

use std::fmt;

use super::{Audit, What};

impl What {
    /// The word for people and programs alike.
    fn as_str(self) -> &'static str {
        match self {
            Self::PaymentMissing => "payment_missing",
            Self::BookingMissing => "booking_missing",
            Self::BookingUnpaid => "booking_unpaid",
            Self::AmountDiffers => "amount_differs",
            Self::RefundedDiffers => "refunded_differs",
            Self::NotPaidAtStripe => "not_paid_at_stripe",
            Self::HoldMissing => "hold_missing",
            Self::SeatsDiffer => "seats_differ",
            Self::SeatsHeldDiffer => "seats_held_differ",
        }
    }

    /// What to do about it.
    fn advice(self) -> &'static str {
        match self {
            Self::PaymentMissing | Self::RefundedDiffers => "run worker reconcile",
            Self::BookingMissing
            | Self::BookingUnpaid
            | Self::AmountDiffers
            | Self::SeatsHeldDiffer => "look with worker booking show; report it",
            Self::NotPaidAtStripe => "is STRIPE_SECRET_KEY of the account that sells?",
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
            ("payments here", self.payments),
            ("slots", self.slots),
            ("refunds on their way", self.waiting.refunds_owed),
            ("bookings that need attention", self.waiting.needs_attention),
            ("dead letters", self.waiting.dead_letters),
        ] {
            writeln!(out, "{what:<30} {number:>8}")?;
        }
        if self.differences.is_empty() {
            return writeln!(out, "no difference");
        }
        writeln!(out, "\n{} differences", self.differences.len())?;
        for it in &self.differences {
            writeln!(
                out,
                "{:<20} {}\n{:<20} expected {}, found {}; {}",
                it.what.as_str(),
                it.subject,
                "",
                it.expected,
                it.found,
                it.what.advice()
            )?;
        }
        Ok(())
    }
}
