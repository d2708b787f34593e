//! Is every payment accounted for? Stripe's books against ours, both ways, and the seats.

pub mod command;
mod later;
pub(crate) mod our_side;
mod print;

use std::collections::HashSet;

use serde::Serialize;
use shared::stripe::{checkout_session::CheckoutSession, error::StripeError};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Context,
    fulfill_checkout::session_update::refuse,
    job_error::JobError,
    reconcile::{
        checkout_lookup::{self, Entry},
        patiently,
    },
};

/// What an audit has compared, and found.
#[derive(Debug, Default, Serialize)]
pub struct Audit {
    /// Checkout Sessions at Stripe that were looked at.
    pub sessions: u64,
    /// Of these, ours and paid.
    pub paid_sessions: u64,
    /// Of these, somebody else's.
    pub foreign_sessions: u64,
    /// Our payments that were looked at.
    pub payments: u64,
    /// Refunds of our payments at Stripe that were looked at.
    pub refunds: u64,
    /// Disputes about our payments at Stripe that were looked at.
    pub disputes: u64,
    /// Slots whose seats were added up.
    pub slots: u64,
    /// Where the books differ.
    pub differences: Vec<Difference>,
    /// What is known and waits for somebody; no difference.
    pub waiting: Waiting,
}

/// What waits for somebody.
#[derive(Debug, Default, Serialize)]
pub struct Waiting {
    /// Bookings that an operator has to decide.
    pub needs_attention: u64,
    /// Refunds that are promised and not made yet.
    pub refunds_owed: u64,
    /// Messages set aside that nobody has dealt with.
    pub dead_letters: u64,
    /// Disputes that Stripe wants an answer to.
    pub disputes_to_answer: u64,
    /// Confirmed bookings whose money the buyer's bank took back for good.
    pub charged_back: u64,
}

impl Waiting {
    /// What each is called, with how many there are of it.
    #[must_use]
    pub fn rows(&self) -> [(&'static str, u64); 5] {
        [
            ("owed refund", self.refunds_owed),
            ("needs_attention booking", self.needs_attention),
            ("dead letter", self.dead_letters),
            ("unanswered dispute", self.disputes_to_answer),
            ("charged-back booking", self.charged_back),
        ]
    }
}

/// One place where the books differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What kind of difference.
    pub what: What,
    /// The session, slot or checkout it is about.
    pub subject: String,
    /// By Stripe's books; for seats, what holds and bookings add up to.
    pub expected: String,
    /// By ours; for seats, what the slot says.
    pub found: String,
}

/// A kind of difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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

/// Compares everything since `since`.
///
/// - `progress`: told after each page.
///
/// # Errors
///
/// [`JobError`] if Stripe or the database is in trouble.
pub async fn audit(
    context: &Context,
    since: OffsetDateTime,
    mut progress: impl FnMut(&Audit),
) -> Result<Audit, JobError> {
    let mut audit = Audit::default();
    let mut paid_at_stripe = HashSet::new();
    let mut after: Option<String> = None;
    loop {
        let list = || {
            context
                .stripe
                .list_checkout_sessions(since, after.as_deref())
        };
        let page = patiently(list).await?;
        let ours = checkout_lookup::look_up(&context.db, &page.items).await?;
        for session in &page.items {
            count(&mut audit.sessions);
            if refuse(context.mode, session).is_some() {
                count(&mut audit.foreign_sessions);
                continue;
            }
            let Some(entry) = ours.get(&session.id) else {
                count(&mut audit.foreign_sessions);
                let differences = our_side::lost_hold(context, session).await?;
                audit.differences.extend(differences);
                continue;
            };
            if session.is_paid() {
                count(&mut audit.paid_sessions);
                paid_at_stripe.insert(session.id.clone());
                audit.differences.extend(compare(session, entry));
            }
        }
        progress(&audit);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    our_side::payments(context, since, &paid_at_stripe, &mut audit).await?;
    later::refunds(context, since, &mut audit).await?;
    later::disputes(context, since, &mut audit).await?;
    our_side::bookings(context, &mut audit).await?;
    our_side::seats(context, &mut audit).await?;
    audit.waiting = our_side::waiting(&context.db).await?;
    Ok(audit)
}

/// The differences that are in both: what was only on its way has arrived in between.
#[must_use]
pub fn lasting(first: &Audit, second: Audit) -> Audit {
    let differences = second.differences.into_iter();
    Audit {
        differences: differences
            .filter(|it| {
                let same =
                    |other: &Difference| other.what == it.what && other.subject == it.subject;
                first.differences.iter().any(same)
            })
            .collect(),
        ..second
    }
}

/// What a paid session says against what we have.
fn compare(session: &CheckoutSession, entry: &Entry) -> Vec<Difference> {
    let amount = session.amount_total.unwrap_or_default();
    let currency = session.currency.as_deref().unwrap_or_default();
    let at_stripe = format!("{amount} {currency}");
    let difference = |what, expected: String, found: String| Difference {
        what,
        subject: session.id.clone(),
        expected,
        found,
    };
    let Some(payment) = &entry.payment else {
        return vec![difference(
            What::PaymentMissing,
            at_stripe,
            "nothing".to_owned(),
        )];
    };
    let mut differences = Vec::new();
    let here = format!("{} {}", payment.amount_minor_units, payment.currency);
    if at_stripe != here {
        differences.push(difference(What::AmountDiffers, at_stripe, here));
    }
    let refunded = entry.amount_refunded().unwrap_or_default();
    // A session without a charge, such as a free one, has nothing that could go back.
    let refunded_at_stripe = session.amount_refunded().unwrap_or(0);
    if refunded != refunded_at_stripe {
        differences.push(difference(
            What::RefundedDiffers,
            refunded_at_stripe.to_string(),
            refunded.to_string(),
        ));
    }
    if entry.booking.is_none() {
        differences.push(difference(
            What::BookingMissing,
            "a booking".to_owned(),
            "nothing".to_owned(),
        ));
    }
    differences
}

/// Whether a session that we think is paid is paid, though the list did not show it: it may be
/// from before the time that was looked at.
async fn is_paid_after_all(context: &Context, session_id: &str) -> Result<bool, JobError> {
    let Ok(id) = session_id.parse() else {
        return Ok(false);
    };
    match context.stripe.retrieve_checkout_session(&id).await {
        Ok(session) => Ok(session.is_paid()),
        Err(StripeError::NotFound) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn count(number: &mut u64) {
    *number = number.saturating_add(1);
}

/// The slot that a session's metadata names.
fn slot_of(session: &CheckoutSession) -> Option<Uuid> {
    Uuid::parse_str(session.metadata.get("slot_id")?).ok()
}
