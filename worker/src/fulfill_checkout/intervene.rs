//! What follows from a person's decision. Nothing is asked and nothing written here.

use shared::{
    db::booking::{self, Status},
    money::{self, Marks},
};

use crate::fulfill_checkout::{
    decide::{Decision, Refund, Seats, reason},
    intervention::{Kind, Share, Wish},
    outcome::Fulfillment,
    payment_balance::PaymentBalance,
    record::CheckoutRecord,
};

/// Why a decision cannot be carried out. Nothing is changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
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
    #[error("at most {0} is left to give back")]
    TooMuch(String),
    /// Nothing is left of the payment.
    #[error("nothing is left to give back")]
    NothingLeft,
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
        Share::Part(amount) if amount <= 0 || amount > left => {
            let currency = &record.checkout.currency;
            return Err(Refusal::TooMuch(money::written(
                left,
                currency,
                Marks::ENGLISH,
            )));
        }
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
