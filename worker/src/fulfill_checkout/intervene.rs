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
mod tests {
    use shared::db::refund::Status::{Pending, Succeeded};

    use super::*;
    use crate::fulfill_checkout::sample::{PRICE, paid};

    fn cancelled(refund: Share) -> Kind {
        Kind::Cancel {
            wish: Wish::Merchant,
            refund,
        }
    }

    #[test]
    fn a_cancellation_gives_back_what_it_says_and_never_more_than_there_is() {
        let confirmed = || paid().booked(Status::Confirmed, None);
        let owed = |record: &CheckoutRecord, refund| {
            intervene(record, cancelled(refund)).map(|it| it.refund)
        };

        assert_eq!(owed(&confirmed(), Share::Full), Ok(Refund::OweAnew(None)));
        assert_eq!(owed(&confirmed(), Share::None), Ok(Refund::Forget));
        assert_eq!(
            owed(&confirmed(), Share::Part(900)),
            Ok(Refund::OweAnew(Some(900)))
        );
        assert_eq!(
            owed(&confirmed(), Share::Part(PRICE)),
            Ok(Refund::OweAnew(None))
        );
        let partly = confirmed().refund(Pending, 4000);
        let mut partly = partly.refund(Succeeded, 900);
        assert_eq!(owed(&partly, Share::Part(1)), Ok(Refund::OweAnew(Some(1))));
        partly.payment.as_mut().unwrap().amount_refunded_minor_units = 900;
        assert_eq!(owed(&partly, Share::Part(1)), Err(Refusal::TooMuch(0)));
        // The one on its way may come back.
        assert_eq!(owed(&partly, Share::Full), Ok(Refund::OweAnew(None)));
        let mut all = confirmed().refund(Succeeded, PRICE);
        all.payment.as_mut().unwrap().amount_refunded_minor_units = PRICE;
        assert_eq!(owed(&all, Share::Full), Ok(Refund::Forget));
        let mut rest = confirmed().refund(Pending, 4000);
        rest.payment.as_mut().unwrap().amount_refunded_minor_units = 0;
        assert_eq!(
            owed(&rest, Share::Part(900)),
            Ok(Refund::OweAnew(Some(900)))
        );
        for wrong in [0, -1, PRICE + 1] {
            assert_eq!(
                owed(&confirmed(), Share::Part(wrong)),
                Err(Refusal::TooMuch(PRICE))
            );
        }
    }

    #[test]
    fn a_buyer_gets_what_they_were_told_or_what_is_left() {
        let by_buyer = |record: &CheckoutRecord, amount| {
            let refund = Share::UpTo(amount);
            let wish = Wish::Buyer;
            let decided = intervene(record, Kind::Cancel { wish, refund });
            decided.map(|it| (it.outcome, it.refund))
        };
        let confirmed = || paid().booked(Status::Confirmed, None);
        let cancelled = |refund| Ok((Fulfillment::Cancelled, refund));

        assert_eq!(
            by_buyer(&confirmed(), PRICE),
            cancelled(Refund::OweAnew(None))
        );
        assert_eq!(
            by_buyer(&confirmed(), 900),
            cancelled(Refund::OweAnew(Some(900)))
        );
        assert_eq!(by_buyer(&confirmed(), 0), cancelled(Refund::Forget));
        // More went back meanwhile than the buyer was told would be left.
        let mut partly = confirmed().refund(Succeeded, 4000);
        partly.payment.as_mut().unwrap().amount_refunded_minor_units = 4000;
        assert_eq!(by_buyer(&partly, PRICE), cancelled(Refund::OweAnew(None)));
        let mut all = confirmed().refund(Succeeded, PRICE);
        all.payment.as_mut().unwrap().amount_refunded_minor_units = PRICE;
        assert_eq!(by_buyer(&all, PRICE), cancelled(Refund::Forget));
        // All of it is on its way, and may come back.
        let mut on_its_way = confirmed().refund(Pending, PRICE);
        let payment = on_its_way.payment.as_mut().unwrap();
        payment.amount_refunded_minor_units = PRICE;
        for told in [0, PRICE] {
            assert_eq!(
                by_buyer(&on_its_way, told),
                cancelled(Refund::OweAnew(None))
            );
        }

        let again = paid().booked(Status::Cancelled, None);
        let alone = Ok((Fulfillment::AlreadyProcessed, Refund::Keep));
        assert_eq!(by_buyer(&again, PRICE), alone);
        let unclear = paid().booked(Status::NeedsAttention, None);
        assert_eq!(by_buyer(&unclear, PRICE), Err(Refusal::NeedsAttention));
    }

    #[test]
    fn what_was_decided_is_not_decided_again() {
        let record = |status| paid().booked(status, None);
        let slot_id = Uuid::from_u128(1);

        let cancel = |status| intervene(&record(status), cancelled(Share::Full)).err();
        let moved = |status| intervene(&record(status), Kind::Move { slot_id }).err();
        let booked = |status| intervene(&record(status), Kind::Book).err();

        assert_eq!(cancel(Status::Cancelled), Some(Refusal::AlreadyCancelled));
        assert_eq!(cancel(Status::RefundPending), Some(Refusal::GoingBack));
        assert_eq!(moved(Status::Confirmed), None);
        assert_eq!(moved(Status::NeedsAttention), Some(Refusal::NotConfirmed));
        assert_eq!(moved(Status::Cancelled), Some(Refusal::AlreadyCancelled));
        assert_eq!(booked(Status::Confirmed), Some(Refusal::NeedsNoAttention));
        assert_eq!(booked(Status::NeedsAttention), None);
        assert_eq!(intervene(&paid(), Kind::End), Err(Refusal::NotBooked));
    }
}
