//! What Stripe has of a session, refund or dispute beside what we have.

use std::collections::HashMap;

use shared::{
    db::{checkout::State, dispute, refund},
    stripe::{
        checkout_session::{CheckoutSession, Expandable, Status},
        dispute::Dispute,
        event::Event,
        refund::Refund,
    },
};

use crate::fulfill_checkout::record::CheckoutRecord;

/// The object that an event is about. `charge.refunded` tells nothing that its refund does not.
pub enum Told {
    Session(CheckoutSession),
    Refund(Refund),
    Dispute(Dispute),
}

impl Told {
    pub fn of(event: &Event) -> Option<Self> {
        match event.kind() {
            kind if kind.starts_with("checkout.session.") => event.object().map(Self::Session),
            kind if kind.starts_with("charge.dispute.") => event.object().map(Self::Dispute),
            kind if kind.contains("refund.") => event.object().map(Self::Refund),
            _ => None,
        }
    }

    pub fn payment_intent(&self) -> Option<&Expandable> {
        match self {
            Self::Session(_) => None,
            Self::Refund(refund) => refund.payment_intent.as_ref(),
            Self::Dispute(dispute) => dispute.payment_intent.as_ref(),
        }
    }
}

pub fn paid_by<'a>(
    ours: &'a HashMap<String, CheckoutRecord>,
    intent: Option<&Expandable>,
) -> Option<&'a CheckoutRecord> {
    ours.get(intent?.id())
}

/// Whether Stripe knows more of the session than we do.
pub fn is_behind(session: &CheckoutSession, entry: &CheckoutRecord) -> bool {
    let state = entry.checkout.state;
    match entry.amount_refunded() {
        Some(here) => session.amount_refunded().is_some_and(|there| there != here),
        None if session.is_paid() => true,
        None => match session.status {
            Some(Status::Expired) => state.is_undecided(),
            Some(Status::Complete) if session.has_failed() => state.is_undecided(),
            Some(Status::Complete) => state == State::Open,
            _ => false,
        },
    }
}

/// The same by the session in an event, which says less than one that is asked for.
pub fn is_behind_event(session: &CheckoutSession, kind: &str, entry: &CheckoutRecord) -> bool {
    let failed = kind == "checkout.session.async_payment_failed";
    is_behind(session, entry) || (failed && entry.checkout.state.is_undecided())
}

/// Whether we have not heard of the refund, or not how far it has come.
pub fn lacks_refund(entry: &CheckoutRecord, refund: &Refund) -> bool {
    let here: Option<&refund::Model> = entry.refunds.iter().find(|it| it.id == refund.id);
    here.is_none_or(|here| here.status < refund.status())
}

/// Whether a dispute here is not as Stripe has it now.
pub fn differs(here: Option<&dispute::Model>, there: &Dispute) -> bool {
    here.is_none_or(|here| here.status != there.status || here.amount_minor_units != there.amount)
}

/// Whether a dispute here has not come as far as Stripe once had it, or has the other verdict:
/// which of two is the last one, only Stripe can say.
pub fn is_older(here: Option<&dispute::Model>, there: &Dispute) -> bool {
    here.is_none_or(|here| here.status != there.status && here.status.rank() <= there.status.rank())
}
