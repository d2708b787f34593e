//! What a person decides about a booking, and what follows from it. Nothing is asked and nothing
//! written here.

use shared::db::booking::{self, Status};
use uuid::Uuid;

use crate::fulfill_checkout::{
    decide::{Decision, Refund, Seats, reason},
    outcome::Fulfillment,
    payment_balance::PaymentBalance,
    record::CheckoutRecord,
};

/// A decision of an operator, or of a buyer by a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intervention {
    /// What.
    pub kind: Kind,
    /// Who.
    pub by: String,
    /// And why.
    pub why: String,
}

/// What is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The booking ends, and its seats are free.
    Cancel {
        /// Whose wish it is.
        wish: Wish,
        /// What goes back of the payment.
        refund: Share,
    },
    /// It is for another slot of the same offering.
    Move {
        /// The slot.
        slot_id: Uuid,
    },
    /// What needed attention is booked as it is.
    Book,
    /// What needed attention goes back, all of it.
    GiveBack,
    /// What needed attention is settled outside: it ends, and no money moves.
    End,
}

/// Whose wish an end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// The shop's.
    Merchant,
    /// Who booked.
    Buyer,
}

/// What goes back of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// All that is left.
    Full,
    /// Nothing.
    None,
    /// So much of it, in minor units.
    Part(i64),
    /// So much of it, or what is left if that is less: as the offering's policy says.
    UpTo(i64),
}

/// Why a decision cannot be carried out. Nothing is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no booking.
    #[error("nothing is booked by it")]
    NotBooked,
    /// It was decided before.
    #[error("it is cancelled already")]
    AlreadyCancelled,
    /// It is where it shall be.
    #[error("it is for this slot already")]
    SameSlot,
    /// The money is going back.
    #[error("its payment is going back already")]
    GoingBack,
    /// The shop has to decide first.
    #[error("it needs attention; worker booking resolve decides about it")]
    NeedsAttention,
    /// Only what needs attention can be resolved.
    #[error("it needs no attention")]
    NeedsNoAttention,
    /// Only what is confirmed can be moved.
    #[error("only a confirmed booking can be moved; this one needs attention")]
    NotConfirmed,
    /// What is booked has no slot of the catalogue.
    #[error("it is for no slot of an offering; its site moves it")]
    NotOfCatalogue,
    /// There is no such slot.
    #[error("there is no such slot")]
    NoSuchSlot,
    /// Another offering has another price.
    #[error("the slot is of another offering; cancel, and have it booked anew")]
    OtherOffering,
    /// It is over, or going on.
    #[error("the slot has begun")]
    SlotStarted,
    /// There are too few seats.
    #[error("the slot has too few seats left")]
    NoSeats,
    /// More than there is.
    #[error("at most {0} minor units are left to give back")]
    TooMuch(i64),
    /// Nothing is left of the payment.
    #[error("nothing is left to give back")]
    NothingLeft,
}

impl Kind {
    /// The word for the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cancel { .. } => "cancel",
            Self::Move { .. } => "move",
            Self::Book => "book",
            Self::GiveBack => "refund",
            Self::End => "end",
        }
    }

    /// What else is to be kept of it.
    pub fn detail(self) -> Option<String> {
        match self {
            Self::Cancel { refund, .. } => Some(match refund {
                Share::Full => "refund full".to_owned(),
                Share::None => "refund none".to_owned(),
                Share::Part(amount) | Share::UpTo(amount) => format!("refund {amount}"),
            }),
            Self::Move { slot_id } => Some(format!("to slot {slot_id}")),
            Self::Book | Self::GiveBack | Self::End => None,
        }
    }
}

/// What follows from `kind`.
///
/// # Errors
///
/// [`Refusal`] if it cannot be.
pub fn intervene(record: &CheckoutRecord, kind: Kind) -> Result<Decision, Refusal> {
    let booking = record.booking.as_ref().ok_or(Refusal::NotBooked)?;
    match kind {
        Kind::Cancel { wish, refund } => cancel(record, booking, wish, refund),
        Kind::Move { slot_id } => {
            let is_open = booking.status == Status::Confirmed;
            match (booking.status, booking.slot_id) {
                (Status::Cancelled, _) => Err(Refusal::AlreadyCancelled),
                (Status::RefundPending, _) => Err(Refusal::GoingBack),
                (_, None) => Err(Refusal::NotOfCatalogue),
                (_, Some(before)) if before == slot_id => Err(Refusal::SameSlot),
                _ if !is_open => Err(Refusal::NotConfirmed),
                _ => Ok(Decision {
                    seats: Seats::MoveTo(slot_id),
                    ..Decision::leave_alone(Fulfillment::Moved)
                }),
            }
        }
        Kind::Book | Kind::GiveBack | Kind::End if booking.status != Status::NeedsAttention => {
            Err(Refusal::NeedsNoAttention)
        }
        Kind::Book => {
            let money = balance(record);
            if money.is_some_and(PaymentBalance::is_refunded) {
                return Err(Refusal::NothingLeft);
            }
            let held = record.checkout.seats_held;
            Ok(Decision {
                booking: Some((Status::Confirmed, None)),
                seats: if held { Seats::Keep } else { Seats::Take },
                refund: Refund::Forget,
                outcome: Fulfillment::Booked,
            })
        }
        Kind::GiveBack => {
            if left(record) == 0 {
                return Err(Refusal::NothingLeft);
            }
            Ok(Decision {
                booking: Some((Status::RefundPending, Some(reason::GIVEN_BACK))),
                seats: free(record),
                refund: Refund::OweAnew(None),
                outcome: Fulfillment::RefundPending,
            })
        }
        Kind::End => Ok(Decision {
            booking: Some((Status::Cancelled, Some(reason::SETTLED))),
            seats: free(record),
            refund: Refund::Forget,
            outcome: Fulfillment::Cancelled,
        }),
    }
}

fn cancel(
    record: &CheckoutRecord,
    booking: &booking::Model,
    wish: Wish,
    refund: Share,
) -> Result<Decision, Refusal> {
    match booking.status {
        // Who clicks twice means it once.
        Status::Cancelled | Status::RefundPending if wish == Wish::Buyer => {
            return Ok(Decision::leave_alone(Fulfillment::AlreadyProcessed));
        }
        // What becomes of the money is a person's to say: the wish is set aside for them.
        Status::NeedsAttention if wish == Wish::Buyer => return Err(Refusal::NeedsAttention),
        Status::Cancelled => return Err(Refusal::AlreadyCancelled),
        Status::RefundPending => return Err(Refusal::GoingBack),
        Status::Confirmed | Status::NeedsAttention => {}
    }
    let left = left(record);
    // One that is on its way may come back: what is owed then says that it is missing.
    let on_its_way = record.refunds.iter().any(|it| it.status.is_on_its_way());
    let paid = record
        .payment
        .as_ref()
        .map_or(0, |it| it.amount_minor_units);
    let refund = match refund {
        Share::Full | Share::UpTo(_) if left == 0 && on_its_way => Refund::OweAnew(None),
        Share::Full | Share::UpTo(_) if left == 0 => Refund::Forget,
        Share::None | Share::UpTo(0) => Refund::Forget,
        Share::Full => Refund::OweAnew(None),
        Share::UpTo(amount) if amount >= left => Refund::OweAnew(None),
        Share::Part(amount) if amount <= 0 || amount > left => return Err(Refusal::TooMuch(left)),
        Share::Part(amount) if amount == paid && record.refunds.is_empty() => Refund::OweAnew(None),
        Share::Part(amount) | Share::UpTo(amount) => Refund::OweAnew(Some(amount)),
    };
    let why = match wish {
        Wish::Merchant => reason::CANCELLED_BY_MERCHANT,
        Wish::Buyer => reason::CANCELLED_BY_BUYER,
    };
    Ok(Decision {
        booking: Some((Status::Cancelled, Some(why))),
        seats: free(record),
        refund,
        outcome: Fulfillment::Cancelled,
    })
}

fn free(record: &CheckoutRecord) -> Seats {
    if record.checkout.seats_held {
        Seats::Free
    } else {
        Seats::Keep
    }
}

fn balance(record: &CheckoutRecord) -> Option<PaymentBalance> {
    let payment = record.payment.as_ref()?;
    Some(PaymentBalance::of(record, payment))
}

/// What can still go back, as Stripe's charge counts it.
pub fn left(record: &CheckoutRecord) -> i64 {
    let paid = record
        .payment
        .as_ref()
        .map_or(0, |it| it.amount_minor_units);
    let gone = record.amount_refunded().unwrap_or_default();
    paid.saturating_sub(gone).max(0)
}

#[cfg(test)]
mod tests;
