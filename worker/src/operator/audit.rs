//! Is every payment accounted for? Stripe's books against ours, both ways, and the seats.

pub mod command;
mod later;
pub(crate) mod our_side;
mod report;
mod seats;
mod window;

pub(crate) use self::our_side::waiting;
pub use self::report::{Audit, Difference, Waiting, What};

use std::{collections::HashSet, time::Duration};

use shared::{db::recurring_job, stripe::checkout_session::CheckoutSession};
use time::OffsetDateTime;

use crate::{
    Context,
    fulfill_checkout::{record::CheckoutRecord, session_update::not_ours},
    job_error::JobError,
    operator::words::money,
    reconcile::{checkout_lookup, count, patiently},
};

/// What is on its way when an audit begins has arrived after that.
const SECOND_LOOK: Duration = Duration::from_secs(10);

/// Compares everything since `since`; and once more a moment later if anything differs, since what was
/// only on its way has arrived by then. That the books agree is noted.
///
/// - `progress`: told after each page.
pub async fn audit_twice(
    context: &Context,
    since: OffsetDateTime,
    mut progress: impl FnMut(&Audit),
) -> Result<Audit, JobError> {
    let mut found = audit(context, since, &mut progress).await?;
    if !found.differences.is_empty() {
        tokio::time::sleep(SECOND_LOOK).await;
        let second = audit(context, since, &mut progress).await?;
        found = lasting(&found, second);
    }
    if found.differences.is_empty() {
        // For the metric that says when this was last so.
        let now = (context.clock)();
        let noted = recurring_job::note_success(&context.db, recurring_job::AUDIT, now).await;
        if let Err(error) = noted {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "Cannot note that the books agree");
        }
    }
    Ok(found)
}

/// Compares everything since `since`.
///
/// - `progress`: told after each page.
pub async fn audit(
    context: &Context,
    since: OffsetDateTime,
    mut progress: impl FnMut(&Audit),
) -> Result<Audit, JobError> {
    let stripe = &context.stripe;
    let mut audit = Audit::default();
    let mut paid_at_stripe = HashSet::new();
    let mut after: Option<String> = None;
    loop {
        let list = || stripe.list_checkout_sessions(since, after.as_deref());
        let page = patiently(list).await?;
        let ours = checkout_lookup::of_sessions(&context.db, &page.items).await?;
        for session in &page.items {
            count(&mut audit.sessions);
            if not_ours(context.mode, session).is_some() {
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
    our_side::bookings(context, since, &mut audit).await?;
    seats::seats(context, since, &mut audit).await?;
    audit.waiting = our_side::waiting(&context.db).await?;
    Ok(audit)
}

/// What a paid session says against what we have.
fn compare(session: &CheckoutSession, entry: &CheckoutRecord) -> Vec<Difference> {
    let difference = |what, expected: &str, found: &str| Difference {
        what,
        subject: session.id.clone(),
        expected: expected.to_owned(),
        found: found.to_owned(),
    };
    let total = session.amount_total.unwrap_or_default();
    let subtotal = session.amount_subtotal.unwrap_or(total);
    let currency = session.currency.as_deref().unwrap_or_default();
    let there = money((subtotal, total), session.total_details, currency);
    let Some(payment) = &entry.payment else {
        return vec![difference(What::PaymentMissing, &there, "nothing")];
    };
    let mut differences = Vec::new();
    let (subtotal, details) = match payment.amount_subtotal_minor_units {
        Some(subtotal) => (subtotal, payment.total_details()),
        // An earlier release did not ask what it is made of.
        None => (subtotal, session.total_details),
    };
    let paid = (subtotal, payment.amount_minor_units);
    let here = money(paid, details, &payment.currency);
    if there != here {
        differences.push(difference(What::AmountDiffers, &there, &here));
    }
    // A session without a charge, such as a free one, has nothing that could go back.
    let there = session.amount_refunded().unwrap_or(0).to_string();
    let here = entry.amount_refunded().unwrap_or_default().to_string();
    if there != here {
        differences.push(difference(What::RefundedDiffers, &there, &here));
    }
    if entry.booking.is_none() {
        differences.push(difference(What::BookingMissing, "a booking", "nothing"));
    }
    differences
}

/// The differences that are in both: what was only on its way has arrived in between.
fn lasting(first: &Audit, mut second: Audit) -> Audit {
    second.differences.retain(|it| {
        let same = |other: &Difference| other.what == it.what && other.subject == it.subject;
        first.differences.iter().any(same)
    });
    second
}
