//! What a Checkout Session says, whether an event brought it or Stripe's API.

use shared::stripe::{
    checkout_session::{self, CheckoutSession},
    id::{Mode, is_plausible_id},
};
use time::OffsetDateTime;

use crate::fulfill_checkout::{
    outcome::NotOurs,
    update::{Change, Paid},
};

/// A paid session without what every paid session has.
#[derive(Debug, thiserror::Error)]
#[error(
    "a paid session without amount_total or currency, or with a PaymentIntent that is none of Stripe's"
)]
pub struct Incomplete;

/// Why a session cannot be ours, if the session itself tells.
///
/// - `mode`: the one we serve.
pub fn not_ours(mode: Mode, session: &CheckoutSession) -> Option<NotOurs> {
    if session.livemode != mode.livemode() {
        return Some(NotOurs::OtherMode);
    }
    (session.mode == Some(checkout_session::Mode::Other)).then_some(NotOurs::NotAPayment)
}

/// The payment, if the session is paid; else `unpaid`.
///
/// - `paid_at`: when the buyer paid, if the session itself does not tell.
pub fn change(
    session: &CheckoutSession,
    unpaid: Change,
    paid_at: Option<OffsetDateTime>,
) -> Result<Change, Incomplete> {
    if !session.is_paid() {
        return Ok(unpaid);
    }
    let (Some(minor_units), Some(currency)) = (session.amount_total, &session.currency) else {
        return Err(Incomplete);
    };
    let payment_intent = session.payment_intent_id();
    if payment_intent.is_some_and(|id| !is_plausible_id(&["pi_"], id)) {
        return Err(Incomplete);
    }
    Ok(Change::Paid(Paid {
        session_id: session.id.clone(),
        payment_intent_id: payment_intent.map(str::to_owned),
        minor_units,
        subtotal: session.amount_subtotal.unwrap_or(minor_units),
        details: session.total_details,
        currency: currency.clone(),
        completed_at: session.paid_at().or(paid_at),
    }))
}
