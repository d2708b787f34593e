//! What follows from everything that is known about a checkout: its booking, its seats, and
//! whether money has to go back. Nothing is asked and nothing written here.

use shared::db::{booking::Status, checkout, owed_refund, payment, refund};
use uuid::Uuid;

use crate::{
    config::OnUnfulfillable,
    fulfill_checkout::{
        exact_amount, outcome::Fulfillment, payment_balance::PaymentBalance, record::CheckoutRecord,
    },
};

/// Reasons of a booking that is not what the buyer wanted; part of the contract.
pub mod reason {
    /// Paid, but not what the hold says, as Stripe adds it up.
    pub const AMOUNT_MISMATCH: &str = "amount_mismatch";
    /// Paid, but in another currency than the hold's.
    pub const CURRENCY_MISMATCH: &str = "currency_mismatch";
    /// Paid after the hold had ended, and the seats are another buyer's now.
    pub const NO_SEATS: &str = "no_seats";
    /// The same order is booked already, by another session.
    pub const DUPLICATE_PAYMENT: &str = "duplicate_payment";
    /// The money came back to us, or Stripe would not take it.
    pub const REFUND_FAILED: &str = "refund_failed";
    /// A refund came back to us while the buyer's bank has taken money as well.
    pub const DISPUTED: &str = "disputed";
    /// Paid after the slot had begun.
    pub const SLOT_STARTED: &str = "slot_started";
    /// It needed attention, and an operator gives the payment back.
    pub const GIVEN_BACK: &str = "given_back";

    pub use shared::db::booking::{CANCELLED_BY_BUYER, CANCELLED_BY_MERCHANT, ENDS, SETTLED};
}

/// What a decision depends on besides the record.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances {
    /// Another checkout of the same order is booked.
    pub duplicate: bool,
    /// The buyer paid after the slot had begun.
    pub slot_started: bool,
    /// The slot has seats for this checkout, should it hold none.
    pub seats_left: bool,
    /// What becomes of a payment without seats.
    pub policy: OnUnfulfillable,
}

/// What becomes of the seats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seats {
    /// They stay as they are.
    Keep,
    /// They are taken. If there are none after all, the decision is made again without them.
    Take,
    /// They are for sale again.
    Free,
    /// Those of this slot are taken in their place; if it has none, nothing is changed at all.
    MoveTo(Uuid),
}

/// What becomes of the refund we owe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refund {
    /// It stays as it is.
    Keep,
    /// The whole payment has to go back.
    Owe,
    /// So much of it has to go back, or all that is left; whatever was owed before.
    OweAnew(Option<i64>),
    /// Nothing has to go back any more.
    OweNothing,
    /// Nothing is owed, and nothing was.
    Forget,
}

/// What to do about a checkout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// The booking's new status, with a reason; `None` leaves it as it is.
    pub booking: Option<(Status, Option<&'static str>)>,
    /// What becomes of the seats.
    pub seats: Seats,
    /// What becomes of the refund we owe.
    pub refund: Refund,
    /// The word for it.
    pub outcome: Fulfillment,
}

impl Decision {
    /// Nothing changes.
    pub fn leave_alone(outcome: Fulfillment) -> Self {
        Self {
            booking: None,
            seats: Seats::Keep,
            refund: Refund::Keep,
            outcome,
        }
    }
}

/// Decides about `record`. Deciding again on what came of it changes nothing.
///
/// A dispute alone changes no booking. It counts where a refund is in question: money that the
/// bank has taken is not ours to book for again, and not ours to give back.
pub fn decide(record: &CheckoutRecord, given: Circumstances) -> Decision {
    let Some(payment) = &record.payment else {
        return unpaid(&record.checkout);
    };
    let money = PaymentBalance::of(record, payment);
    let before = record.booking.as_ref().map(|it| it.status);
    let reason_before = record.booking.as_ref().and_then(|it| it.reason.as_deref());
    let disputed = reason_before == Some(reason::DISPUTED);
    let given_up = money.was_given_back() || record.owed_refund.is_some();
    let on_its_way = record.refunds.iter().any(|it| it.status.is_on_its_way());
    let (mut wants_seats, mut late) = (false, false);
    let ended = before == Some(Status::Cancelled)
        && reason_before.is_some_and(|it| reason::ENDS.contains(&it));
    let (status, reason) = match (before, &record.owed_refund) {
        (_, None) if ended => return Decision::leave_alone(Fulfillment::Recorded),
        (_, Some(owed)) if ended && !has_failed(record, money, owed) => {
            let refund = if owed.done_at.is_none() && (money.is_refunded() || money.is_gone()) {
                Refund::OweNothing
            } else {
                Refund::Keep
            };
            return Decision {
                refund,
                ..Decision::leave_alone(Fulfillment::Recorded)
            };
        }
        _ if money.is_refunded() => (Status::Cancelled, None),
        _ if given_up && money.is_gone() => (Status::Cancelled, None),
        _ if money.refund_failed > 0 && (money.lost > 0 || money.contested > 0) => {
            wants_seats = true;
            (Status::NeedsAttention, Some(reason::DISPUTED))
        }
        // Once a refund is owed there is no way back to a booking, whatever came of it.
        (_, Some(owed)) if owed.done_at.is_some() && !on_its_way => {
            (Status::NeedsAttention, Some(reason::REFUND_FAILED))
        }
        (Some(Status::Cancelled), Some(_)) => (Status::RefundPending, None),
        (Some(Status::Confirmed | Status::RefundPending), _) => {
            return Decision::leave_alone(Fulfillment::Recorded);
        }
        (Some(Status::NeedsAttention), owed) if owed.is_some() || !disputed => {
            return Decision::leave_alone(Fulfillment::Recorded);
        }
        // Nothing to go by yet; or a refund that was taken back.
        (None | Some(Status::Cancelled | Status::NeedsAttention), _) => {
            late = before.is_none() && given.slot_started;
            wants_seats = !late;
            for_payment(&record.checkout, payment, before, given)
        }
    };
    let is_new =
        before != Some(status) || (status == Status::NeedsAttention && reason_before != reason);
    let ends_here = is_new && matches!(status, Status::Cancelled | Status::RefundPending);
    let held = record.checkout.seats_held;
    let seats = if held && (ends_here || late) {
        Seats::Free
    } else if wants_seats && !held && !given.duplicate && given.seats_left {
        Seats::Take
    } else {
        Seats::Keep
    };
    Decision {
        booking: is_new.then_some((status, reason)),
        seats,
        refund: if is_new && status == Status::RefundPending {
            Refund::Owe
        } else if status == Status::Cancelled && money.is_gone() {
            Refund::OweNothing
        } else {
            Refund::Keep
        },
        outcome: if is_new {
            outcome_of(status)
        } else {
            Fulfillment::Recorded
        },
    }
}

/// Whether what was owed when a booking was ended did not go back after all.
fn has_failed(record: &CheckoutRecord, money: PaymentBalance, owed: &owed_refund::Model) -> bool {
    let on_its_way = record.refunds.iter().any(|it| it.status.is_on_its_way());
    let went_back = match &owed.refund_id {
        Some(id) => record
            .refunds
            .iter()
            .any(|it| it.id == *id && it.status == refund::Status::Succeeded),
        None => false,
    };
    let over = owed.done_at.is_some() && !on_its_way;
    over && !went_back && !money.is_refunded() && !money.is_gone()
}

/// Not paid: the seats stay held for as long as the buyer may still pay.
fn unpaid(checkout: &checkout::Model) -> Decision {
    use checkout::State;
    match checkout.state {
        State::Open => Decision::leave_alone(Fulfillment::StillOpen),
        State::PaymentPending => Decision::leave_alone(Fulfillment::PaymentPending),
        _ if checkout.seats_held => Decision {
            seats: Seats::Free,
            ..Decision::leave_alone(Fulfillment::Released)
        },
        _ => Decision::leave_alone(Fulfillment::Recorded),
    }
}

/// What a payment leads to. The hold is the authority on what had to be paid, not what the
/// session says about itself.
fn for_payment(
    checkout: &checkout::Model,
    payment: &payment::Model,
    before: Option<Status>,
    given: Circumstances,
) -> (Status, Option<&'static str>) {
    if payment.currency != checkout.currency {
        return (Status::NeedsAttention, Some(reason::CURRENCY_MISMATCH));
    }
    if !exact_amount::is_exact(checkout, payment) {
        return (Status::NeedsAttention, Some(reason::AMOUNT_MISMATCH));
    }
    let late = before.is_none() && given.slot_started;
    let why = if given.duplicate {
        reason::DUPLICATE_PAYMENT
    } else if late {
        reason::SLOT_STARTED
    } else if checkout.seats_held || given.seats_left {
        return (Status::Confirmed, None);
    } else {
        reason::NO_SEATS
    };
    match (before, given.policy) {
        // There is nothing to give back.
        _ if payment.amount_minor_units == 0 => (Status::Cancelled, Some(why)),
        // The money had gone back, and came back to us.
        (Some(_), _) => (Status::NeedsAttention, Some(reason::REFUND_FAILED)),
        (None, OnUnfulfillable::Refund) => (Status::RefundPending, Some(why)),
        (None, OnUnfulfillable::Hold) => (Status::NeedsAttention, Some(why)),
    }
}

fn outcome_of(status: Status) -> Fulfillment {
    match status {
        Status::Confirmed => Fulfillment::Booked,
        Status::RefundPending => Fulfillment::RefundPending,
        Status::NeedsAttention => Fulfillment::NeedsAttention,
        Status::Cancelled => Fulfillment::Cancelled,
    }
}

/// Whether a checkout is paid and has its seats.
pub fn is_booked(checkout: &checkout::Model) -> bool {
    checkout.state == checkout::State::Paid && checkout.seats_held
}

#[cfg(test)]
mod tests;
