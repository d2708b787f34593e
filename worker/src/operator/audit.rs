//! Is every payment accounted for? Stripe's books against ours, both ways, and the seats.

pub mod command;
mod later;
pub(crate) mod our_side;
mod report;
mod stripe_side;

pub use self::report::{Audit, Difference, Waiting, What};

use std::collections::HashSet;

use time::OffsetDateTime;

use crate::{
    Context,
    fulfill_checkout::session_update::not_ours,
    job_error::JobError,
    operator::audit::stripe_side::compare,
    reconcile::{checkout_lookup, count, patiently},
};

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
    our_side::bookings(context, &mut audit).await?;
    our_side::seats(context, &mut audit).await?;
    audit.waiting = our_side::waiting(&context.db).await?;
    Ok(audit)
}

/// The differences that are in both: what was only on its way has arrived in between.
pub(crate) fn lasting(first: &Audit, mut second: Audit) -> Audit {
    second.differences.retain(|it| {
        let same = |other: &Difference| other.what == it.what && other.subject == it.subject;
        first.differences.iter().any(same)
    });
    second
}
