//! What was lost: the stand-in's ledger against the database, by rules of this file's own.

mod wishes;

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use sea_orm::{ActiveEnum, ColumnTrait, EntityTrait, QueryFilter};
use shared::db::{
    booking::{self, Status},
    checkout::{self, State},
    dead_letter, dispute, owed_refund, payment, refund, slot,
};
use stripe_sim::{LedgerEntry, LedgerItem};

use crate::{environment::Environment, site};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// What a comparison found.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Sessions at Stripe.
    pub sessions: usize,
    /// Notifications that arrived.
    pub told: usize,
    /// Paid, and no booking or no payment here.
    pub lost: Vec<String>,
    /// Paid once, and booked, written down or given back more than once.
    pub doubled: Vec<String>,
    /// Anything else that differs.
    pub unaccounted: Vec<String>,
}

impl Verdict {
    /// Whether everything is as it has to be.
    pub fn is_clean(&self) -> bool {
        self.lost.is_empty() && self.doubled.is_empty() && self.unaccounted.is_empty()
    }
}

/// Waits until the books agree, at most for `patience`. Returns the last comparison and how
/// long it took.
pub async fn wait_until_consistent(
    environment: &Environment,
    patience: Duration,
    dead_letters: usize,
) -> anyhow::Result<(Verdict, Duration)> {
    let start = Instant::now();
    loop {
        let verdict = compare(environment, dead_letters).await?;
        if verdict.is_clean() || start.elapsed() > patience {
            return Ok((verdict, start.elapsed()));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Compares the books now.
///
/// - `dead_letters`: how many there have to be.
pub async fn compare(environment: &Environment, dead_letters: usize) -> anyhow::Result<Verdict> {
    let ledger = environment.stripe.ledger();
    let db = &environment.db;
    let checkouts = checkout::Entity::find().all(db).await?;
    let payments = by_checkout(payment::Entity::find().all(db).await?, |row| {
        row.checkout_id
    });
    let bookings = by_checkout(booking::Entity::find().all(db).await?, |row| {
        row.checkout_id
    });

    let refunds = refund::Entity::find().all(db).await?;
    let disputes = dispute::Entity::find().all(db).await?;
    let mut verdict = Verdict {
        sessions: ledger.len(),
        ..Verdict::default()
    };
    let mut by_session: HashMap<&str, &checkout::Model> = HashMap::new();
    for row in &checkouts {
        if let Some(id) = &row.session_id {
            by_session.insert(id, row);
        }
    }
    for entry in &ledger {
        let checkout = by_session.get(entry.session_id.as_str()).copied();
        let id = checkout.map(|row| row.id).unwrap_or_default();
        let payments = payments.get(&id).map_or(&[][..], Vec::as_slice);
        let bookings = bookings.get(&id).map_or(&[][..], Vec::as_slice);
        judge(&mut verdict, entry, checkout, payments, bookings);
    }
    let (doubled, payable) = wishes::compare(&ledger, &by_session);
    verdict.doubled.extend(doubled);
    verdict.unaccounted.extend(payable);
    let here = refunds.iter().map(|row| {
        (
            row.id.as_str(),
            (row.status.to_value(), row.amount_minor_units),
        )
    });
    let there = ledger.iter().flat_map(|entry| &entry.refunds);
    later(&mut verdict, "refund", here.collect(), there);
    let here = disputes.iter().map(|row| {
        (
            row.id.as_str(),
            (row.status.to_value(), row.amount_minor_units),
        )
    });
    let there = ledger.iter().flat_map(|entry| &entry.disputes);
    later(&mut verdict, "dispute", here.collect(), there);
    seats(
        &mut verdict,
        &checkouts,
        slot::Entity::find().all(db).await?,
    );
    let owed = owed_refund::Entity::find().filter(owed_refund::Column::DoneAt.is_null());
    for row in owed.all(db).await? {
        verdict
            .unaccounted
            .push(format!("refund owed for checkout {}", row.checkout_id));
    }
    let unresolved = dead_letter::Column::Resolution.is_null();
    let dead = dead_letter::Entity::find()
        .filter(unresolved)
        .all(db)
        .await?;
    if dead.len() != dead_letters {
        for row in &dead {
            let name = row.message_id.as_deref().unwrap_or_default();
            verdict
                .unaccounted
                .push(format!("dead letter {name}: {}", row.reason));
        }
        verdict
            .unaccounted
            .push(format!("{} dead letters, not {dead_letters}", dead.len()));
    }
    let (told, differences) = environment.told.compare(db).await?;
    verdict.told = told;
    verdict.unaccounted.extend(differences);
    if environment.site {
        let differences = site::differences(db).await?;
        verdict.unaccounted.extend(differences);
    }
    Ok(verdict)
}

fn by_checkout<T>(rows: Vec<T>, of: impl Fn(&T) -> uuid::Uuid) -> HashMap<uuid::Uuid, Vec<T>> {
    let mut map: HashMap<_, Vec<T>> = HashMap::new();
    for row in rows {
        map.entry(of(&row)).or_default().push(row);
    }
    map
}

/// One session.
fn judge(
    verdict: &mut Verdict,
    entry: &LedgerEntry,
    checkout: Option<&checkout::Model>,
    payments: &[payment::Model],
    bookings: &[booking::Model],
) {
    let id = &entry.session_id;
    let paid = entry.status == "complete" && entry.payment_status != "unpaid";
    let mut wrong = |what: String| verdict.unaccounted.push(format!("{id}: {what}"));
    let Some(checkout) = checkout else {
        // An order whose answer was lost, and whose hold was given back: no buyer can have paid.
        if paid {
            verdict.lost.push(id.clone());
        }
        return;
    };
    if !paid {
        if !payments.is_empty() || !bookings.is_empty() {
            wrong("not paid, and booked".to_owned());
        }
        let over = entry.status != "open";
        if over && (checkout.seats_held || checkout.state.is_undecided()) {
            wrong(format!("over, and the hold is {:?}", checkout.state));
        }
        return;
    }
    let ([payment], [booking]) = (payments, bookings) else {
        if payments.is_empty() || bookings.is_empty() {
            verdict.lost.push(id.clone());
        } else {
            verdict.doubled.push(id.clone());
        }
        return;
    };
    if entry.amount_refunded > entry.amount_total {
        verdict.doubled.push(format!("{id}: given back twice"));
    }
    let here = (
        payment.amount_minor_units,
        payment.amount_refunded_minor_units,
    );
    let there = (entry.amount_total, entry.amount_refunded);
    if here != there || payment.currency != entry.currency {
        wrong(format!("{here:?} here, {there:?} at Stripe"));
    }
    if checkout.state != State::Paid {
        wrong(format!("paid, and the checkout is {:?}", checkout.state));
    }
    let given_back = entry.amount_refunded == entry.amount_total;
    let expected = match booking.status {
        Status::Confirmed => !given_back && checkout.seats_held,
        Status::Cancelled => given_back && !checkout.seats_held,
        // On its way to one of the other two.
        Status::RefundPending | Status::NeedsAttention => false,
    };
    if !expected {
        let reason = booking.reason.as_deref().unwrap_or("no reason");
        wrong(format!(
            "{:?} ({reason}), seats {}",
            booking.status, checkout.seats_held
        ));
    }
}

/// What came after the payments: each refund and dispute, with its status and amount.
fn later<'a>(
    verdict: &mut Verdict,
    what: &str,
    mut here: HashMap<&str, (String, i64)>,
    there: impl Iterator<Item = &'a LedgerItem>,
) {
    for item in there {
        let found = here.remove(item.id.as_str());
        let expected = (item.status.clone(), item.amount);
        if found.as_ref() != Some(&expected) {
            let id = &item.id;
            let difference = format!("{what} {id}: {found:?} here, {expected:?} at Stripe");
            verdict.unaccounted.push(difference);
        }
    }
    for id in here.keys() {
        verdict
            .unaccounted
            .push(format!("{what} {id} is unknown at Stripe"));
    }
}

/// Each slot's seats are those of its checkouts.
fn seats(verdict: &mut Verdict, checkouts: &[checkout::Model], slots: Vec<slot::Model>) {
    let mut held: HashMap<uuid::Uuid, i32> = HashMap::new();
    for row in checkouts.iter().filter(|row| row.seats_held) {
        let Some(slot_id) = row.slot_id else { continue };
        let seats = held.entry(slot_id).or_default();
        *seats = seats.saturating_add(row.quantity);
    }
    for slot in slots {
        let held = held.get(&slot.id).copied().unwrap_or_default();
        if held != slot.seats_taken {
            let what = format!("slot {}: {} taken, {held} held", slot.id, slot.seats_taken);
            verdict.unaccounted.push(what);
        }
    }
}
