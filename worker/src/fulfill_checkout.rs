//! The transaction: what Stripe said becomes rows, and what follows from all that is known
//! follows at once. The same for one update and for a hundred.

mod announce;
mod apply;
pub(crate) mod booking_document;
mod booking_hook;
mod booking_reference;
mod carry_out;
pub(crate) mod decide;
mod exact_amount;
pub(crate) mod fulfill_error;
mod inbox;
pub(crate) mod intervene;
pub(crate) mod intervention;
pub(crate) mod lock;
pub(crate) mod other_tabs;
pub(crate) mod outcome;
pub(crate) mod payment_balance;
pub(crate) mod record;
#[cfg(test)]
mod sample;
mod save;
pub(crate) mod session_update;
pub(crate) mod update;

use std::{collections::HashMap, time::Duration};

use sea_orm::{ActiveModelTrait, ConnectionTrait, DatabaseConnection, IntoActiveModel};
use shared::{
    clock::Clock,
    db::{
        self, Writes,
        checkout::{self, State},
        outbox,
    },
    retry,
    service::{failpoint, metrics, spans},
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    config::{BookingHook, OnUnfulfillable},
    fulfill_checkout::{
        announce::announce,
        apply::apply,
        carry_out::{carry_out, carry_out_decision, has_slot_started},
        decide::{Circumstances, is_booked},
        fulfill_error::FulfillError,
        inbox::Inbox,
        other_tabs::end_other_tabs,
        outcome::{Fulfillment, NotOurs},
        record::Draft,
        save::save,
        update::Update,
    },
    notifications::handover::Handover,
};

/// Pauses between tries of the whole transaction within one attempt, for deadlocks and the like.
const PAUSES: usize = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What holds for all updates.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// What becomes of a payment without seats.
    pub policy: OnUnfulfillable,
    /// The site's function that is told of each booking.
    pub hook: Option<&'a BookingHook>,
    /// Where the time comes from.
    pub clock: Clock,
    /// To those who tell others, if they are in this process.
    pub handover: Option<Handover<'a>>,
}

/// Brings the database in line with all of `updates`, or with none.
///
/// Safe to run any number of times, also at once, for the same checkouts: the locks on their
/// rows put runs one after the other, and unique indexes stand behind them.
///
/// Returns what came of each, in the same order.
///
/// # Errors
///
/// [`FulfillError`] if the database is in trouble, one of them cannot be written, or the site's
/// function refuses one.
///
/// Source: <https://docs.stripe.com/checkout/fulfillment>
pub async fn fulfill_checkouts(
    db: &DatabaseConnection,
    rules: Rules<'_>,
    updates: &[&Update],
) -> Result<Vec<Fulfillment>, FulfillError> {
    let pauses = retry::endless(FIRST_PAUSE, LONGEST_PAUSE).take(PAUSES);
    retry::retry(pauses, FulfillError::may_pass, || async {
        let now = (rules.clock)();
        let traces = updates.iter().map(|it| it.traceparent.as_deref());
        let spans: Vec<_> = traces.map(spans::commit).collect();
        let tx = db::begin(db).await?;
        failpoint::crash_at("job_after_begin");
        let locked = lock::lock(&tx, updates.iter().map(|it| &it.target)).await?;
        if locked.is_empty() {
            return Ok(vec![Fulfillment::NotOurs(NotOurs::Foreign); updates.len()]);
        }
        failpoint::crash_at("job_after_lock");
        let with_history = record::ids_with_history(&tx, &locked).await?;
        let mut drafts = record::open(&tx, locked, &with_history).await?;
        let mut inbox = if with_history.is_empty() {
            Inbox::default()
        } else {
            Inbox::open(&tx, updates).await?
        };
        let mut outcomes = Vec::with_capacity(updates.len());
        let mut interventions = Vec::new();
        let (mut traces, mut booked) = (HashMap::new(), Vec::new());
        for (place, update) in by_slot(updates, &drafts) {
            let mine = checkout_of(update, &drafts).map(|it| it.id);
            // A bank's days are not ours.
            let paid_at = update
                .change
                .paid_at()
                .filter(|_| !waits_for_bank(update, &drafts));
            traces.extend(mine.zip(update.traceparent.as_deref()));
            let outcome = fulfill(&tx, rules.policy, &mut drafts, &mut inbox, update, now).await?;
            outcomes.push((place, outcome));
            booked.extend(paid_at.filter(|_| outcome == Fulfillment::Booked));
            if outcome != Fulfillment::AlreadyProcessed {
                let decided = mine.zip(update.change.intervention());
                interventions.extend(decided.map(|(mine, decided)| decided.row(mine, now)));
            }
        }
        outcomes.sort_unstable_by_key(|(place, _)| *place);
        failpoint::crash_at("job_after_settle");
        let mut writes = Writes::new(tx.get_database_backend());
        save(&tx, &mut writes, drafts.values()).await?;
        let mut notifications = announce(&tx, drafts.values(), &traces, now).await?;
        let deliveries = match rules.handover {
            Some(handover) => handover.prepare(&tx, &mut notifications, now).await,
            None => Vec::new(),
        };
        let told = notifications
            .iter()
            .cloned()
            .map(IntoActiveModel::into_active_model);
        writes.insert(told.map(outbox::ActiveModel::reset_all).collect())?;
        let delivered = !deliveries.is_empty();
        writes.insert(deliveries)?;
        writes.insert(inbox.new)?;
        writes.insert(interventions)?;
        writes.run(&tx).await?;
        let hook_called = match rules.hook {
            Some(hook) => booking_hook::call(&tx, hook, &notifications).await?,
            None => false,
        };
        failpoint::crash_at("job_before_commit");
        tx.commit().await.map_err(|error| {
            if hook_called {
                FulfillError::of_hook(error)
            } else {
                error.into()
            }
        })?;
        drop(spans);
        failpoint::crash_at("job_after_commit");
        if let Some(handover) = rules.handover {
            handover.committed(notifications, delivered);
        }
        let committed_at = (rules.clock)();
        for paid_at in booked {
            metrics::booked(paid_at, committed_at);
        }
        Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
    })
    .await
}

/// In the order of their slots, each with its place. Seats are taken and freed at once, which locks
/// the slot until the end: two transactions must not wait for each other.
fn by_slot<'a>(updates: &[&'a Update], drafts: &HashMap<Uuid, Draft>) -> Vec<(usize, &'a Update)> {
    let mut ordered: Vec<_> = updates.iter().copied().enumerate().collect();
    ordered.sort_by_cached_key(|(_, it)| checkout_of(it, drafts).map(|mine| mine.slot_id));
    ordered
}

/// Whether its payment was known to be on the way before.
fn waits_for_bank(update: &Update, drafts: &HashMap<Uuid, Draft>) -> bool {
    checkout_of(update, drafts).is_some_and(|it| it.state == State::PaymentPending)
}

fn checkout_of<'a>(
    update: &Update,
    drafts: &'a HashMap<Uuid, Draft>,
) -> Option<&'a checkout::Model> {
    let checkouts = drafts.values().map(|draft| &draft.current.checkout);
    let candidates = checkouts.filter(|checkout| update.target.is(checkout));
    // That it is written down counts more than what the session says.
    candidates.max_by_key(|checkout| checkout.session_id.is_some())
}

/// One update, in memory but for the seats.
async fn fulfill(
    tx: &impl ConnectionTrait,
    policy: OnUnfulfillable,
    drafts: &mut HashMap<Uuid, Draft>,
    inbox: &mut Inbox,
    update: &Update,
    now: OffsetDateTime,
) -> Result<Fulfillment, FulfillError> {
    let Some(mine) = checkout_of(update, drafts) else {
        return Ok(Fulfillment::NotOurs(NotOurs::Foreign));
    };
    let event = update.event.as_ref();
    if event.is_some_and(|event| inbox.has(event)) {
        return Ok(Fulfillment::AlreadyProcessed);
    }
    let (id, order) = (mine.id, mine.order_fingerprint.as_ref());
    let duplicate = order.is_some()
        && drafts
            .values()
            .map(|draft| &draft.current.checkout)
            .any(|other| {
                other.id != id && other.order_fingerprint.as_ref() == order && is_booked(other)
            });
    let Some(Draft { current, .. }) = drafts.get_mut(&id) else {
        return Ok(Fulfillment::NotOurs(NotOurs::Foreign));
    };
    if let update::Target::Session { id, .. } = &update.target {
        let claimed = &mut current.checkout.session_id;
        claimed.get_or_insert_with(|| id.clone());
    }
    if let Some(decided) = update.change.intervention() {
        return carry_out_decision(tx, current, decided.kind, now).await;
    }
    apply(current, &update.change, now);
    failpoint::crash_at("job_after_record");
    let given = Circumstances {
        duplicate,
        slot_started: has_slot_started(tx, &current.checkout, &update.change).await?,
        seats_left: true,
        policy,
    };
    let outcome = carry_out(tx, current, given, now).await?;
    if let Some(event) = event {
        inbox.note(event, id, outcome, now);
    }
    end_other_tabs(drafts, id, now);
    Ok(outcome)
}
