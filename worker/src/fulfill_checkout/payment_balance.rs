//! Where the money of a payment is: with us, with the buyer, or with the buyer's bank.

use shared::db::{dispute, payment, refund};

use crate::fulfill_checkout::record::CheckoutRecord;

/// Where the money of a payment is, in minor units. What is in another currency than the payment
/// is not counted: it cannot be compared.
#[derive(Debug, Clone, Copy)]
pub struct PaymentBalance {
    /// What the buyer paid.
    pub paid: i64,
    /// Went back.
    pub refunded: i64,
    /// Went back, and came back to us.
    pub refund_failed: i64,
    /// Taken by the buyer's bank for good.
    pub lost: i64,
    /// Taken by the buyer's bank until there is a verdict.
    pub contested: i64,
}

impl PaymentBalance {
    pub fn of(record: &CheckoutRecord, payment: &payment::Model) -> Self {
        let refunds = |status| {
            let refunds = record.refunds.iter();
            let counted = refunds
                .filter(|it| it.currency == payment.currency && it.status == status)
                .map(|it| it.amount_minor_units);
            counted.fold(0_i64, i64::saturating_add)
        };
        let disputes = |counts: fn(&dispute::Model) -> bool| {
            let disputes = record.disputes.iter();
            let counted = disputes
                .filter(|it| it.currency == payment.currency && counts(it))
                .map(|it| it.amount_minor_units);
            counted.fold(0_i64, i64::saturating_add)
        };
        Self {
            paid: payment.amount_minor_units,
            refunded: refunds(refund::Status::Succeeded),
            refund_failed: refunds(refund::Status::Failed),
            lost: disputes(dispute::Model::is_lost),
            contested: disputes(|it| it.status.is_contested()),
        }
    }

    pub fn is_refunded(self) -> bool {
        self.refunded > 0 && self.refunded >= self.paid
    }

    /// Whether all of it was to go back, whatever came of it.
    pub fn was_given_back(self) -> bool {
        self.refunded.saturating_add(self.refund_failed) >= self.paid
    }

    /// Whether nothing is left, by refunds and disputes together.
    pub fn is_gone(self) -> bool {
        self.lost > 0 && self.refunded.saturating_add(self.lost) >= self.paid
    }
}
