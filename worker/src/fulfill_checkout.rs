//! The transaction: what Stripe said becomes rows, and what follows from all that is known
//! follows at once. One for one fact or for a hundred.

mod apply;
pub(crate) mod booking_reference;
pub(crate) mod decide;
pub(crate) mod lock;
pub(crate) mod payment_balance;
pub(crate) mod record;
mod save;
pub(crate) mod session_update;
pub(crate) mod update;

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use sea_orm::{ActiveModelTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter};
use shared::{
    db::{self, Writes, checkout, stripe_event},
    retry::{self, Patience},
    service::failpoint,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Context,
    failure_code::FailureCode,
    fulfill_checkout::{
        apply::record,
        decide::{Rules, is_booked, settle},
        lock::Subject,
        record::Dossier,
        save::store,
        update::{EventRef, Fact, Fulfillment, NotOurs},
    },
    job_error::JobError,
};

/// Tries of the whole transaction within one attempt, for deadlocks and the like.
const PATIENCE: Patience = Patience {
    tries: 4,
    first_delay: Duration::from_millis(50),
};

/// Something to act on.
#[derive(Debug, Clone, Copy)]
pub struct News<'a> {
    /// What it is about.
    pub subject: Subject<'a>,
    /// What is known now.
    pub fact: &'a Fact,
    /// What to write into the inbox, in the same transaction.
    pub event: Option<&'a EventRef>,
}

/// Brings the database in line with `fact` about `subject`.
///
/// # Errors
///
/// [`JobError`] if the database is in trouble.
pub async fn fulfill_checkout(
    context: &Context,
    subject: Subject<'_>,
    fact: &Fact,
    event: Option<&EventRef>,
) -> Result<Fulfillment, JobError> {
    let news = News {
        subject,
        fact,
        event,
    };
    let outcomes = fulfill_checkouts(context, &[news]).await?;
    let first = outcomes.into_iter().next();
    Ok(first.unwrap_or(Fulfillment::NotOurs(NotOurs::Foreign)))
}

/// Brings the database in line with all of `news`, or with none.
///
/// Safe to run any number of times, also at once, for the same checkouts: the locks on their
/// rows put runs one after the other, and unique indexes stand behind them.
///
/// Returns what came of each, in the same order.
///
/// # Errors
///
/// [`JobError`] if the database is in trouble, or one of them cannot be written.
///
/// Source: <https://docs.stripe.com/checkout/fulfillment>
pub async fn fulfill_checkouts(
    context: &Context,
    news: &[News<'_>],
) -> Result<Vec<Fulfillment>, JobError> {
    retry::retry(
        PATIENCE,
        |error: &JobError| {
            matches!(
                error.code(),
                FailureCode::DatabaseUnavailable | FailureCode::DatabaseBusy
            )
        },
        || async {
            let now = (context.clock)();
            let tx = db::begin(&context.db).await?;
            failpoint::crash_at("job_after_begin");
            let locked = lock::lock(&tx, news.iter().map(|it| it.subject)).await?;
            if locked.is_empty() {
                return Ok(vec![Fulfillment::NotOurs(NotOurs::Foreign); news.len()]);
            }
            failpoint::crash_at("job_after_lock");
            let past = record::with_a_past(&tx, &locked).await?;
            let mut dossiers = record::open(&tx, locked, &past).await?;
            let mut inbox = if past.is_empty() {
                Inbox::default()
            } else {
                Inbox::open(&tx, news).await?
            };
            let mut outcomes = Vec::with_capacity(news.len());
            for (place, it) in by_slot(news, &dossiers) {
                let outcome = act(&tx, context, &mut dossiers, &mut inbox, it, now).await?;
                outcomes.push((place, outcome));
            }
            outcomes.sort_unstable_by_key(|(place, _)| *place);
            failpoint::crash_at("job_after_settle");
            let mut writes = Writes::new(tx.get_database_backend());
            store(&tx, &mut writes, dossiers.values()).await?;
            writes.insert(inbox.new)?;
            writes.run(&tx).await?;
            failpoint::crash_at("job_before_commit");
            tx.commit().await?;
            failpoint::crash_at("job_after_commit");
            Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
        },
    )
    .await
}

/// In the order of their slots, each with its place. Seats are taken and freed at once, and keep
/// everybody else from the slot until the end: two transactions must not wait for each other.
fn by_slot<'a, 'b>(
    news: &'a [News<'b>],
    dossiers: &HashMap<Uuid, Dossier>,
) -> Vec<(usize, &'a News<'b>)> {
    let mut ordered: Vec<_> = news.iter().enumerate().collect();
    ordered.sort_by_cached_key(|(_, it)| checkout_of(it, dossiers).map(|mine| mine.slot_id));
    ordered
}

fn checkout_of<'a>(
    news: &News<'_>,
    dossiers: &'a HashMap<Uuid, Dossier>,
) -> Option<&'a checkout::Model> {
    let checkouts = dossiers.values().map(|dossier| &dossier.known.checkout);
    let candidates = checkouts.filter(|checkout| news.subject.is(checkout));
    // That it is written down counts more than what the session says.
    candidates.max_by_key(|checkout| checkout.session_id.is_some())
}

/// One piece of news, in memory but for the seats.
async fn act(
    tx: &impl ConnectionTrait,
    context: &Context,
    dossiers: &mut HashMap<Uuid, Dossier>,
    inbox: &mut Inbox,
    news: &News<'_>,
    now: OffsetDateTime,
) -> Result<Fulfillment, DbErr> {
    let Some(mine) = checkout_of(news, dossiers) else {
        return Ok(Fulfillment::NotOurs(NotOurs::Foreign));
    };
    if news.event.is_some_and(|event| inbox.has(event)) {
        return Ok(Fulfillment::AlreadyProcessed);
    }
    let (id, intent) = (mine.id, mine.intent.as_ref());
    let duplicate = intent.is_some()
        && dossiers
            .values()
            .map(|dossier| &dossier.known.checkout)
            .any(|other| other.id != id && other.intent.as_ref() == intent && is_booked(other));
    let Some(Dossier { known, .. }) = dossiers.get_mut(&id) else {
        return Ok(Fulfillment::NotOurs(NotOurs::Foreign));
    };
    if let Subject::Session(session) = news.subject {
        let claimed = &mut known.checkout.session_id;
        claimed.get_or_insert_with(|| session.id.clone());
    }
    record(known, news.fact, now);
    failpoint::crash_at("job_after_record");
    let rules = Rules {
        duplicate,
        paid_at: match news.fact {
            Fact::Paid(paid) => paid.completed_at,
            _ => None,
        },
        policy: context.on_unfulfillable,
        now,
    };
    let outcome = settle(tx, known, rules).await?;
    if let Some(event) = news.event {
        inbox.note(event, id, outcome, now);
    }
    Ok(outcome)
}

/// The events that were acted on: one row each, written with what they led to.
#[derive(Default)]
struct Inbox {
    seen: HashSet<String>,
    new: Vec<stripe_event::ActiveModel>,
}

impl Inbox {
    async fn open(tx: &impl ConnectionTrait, news: &[News<'_>]) -> Result<Self, DbErr> {
        let ids: Vec<String> = news
            .iter()
            .filter_map(|it| Some(it.event?.id.clone()))
            .collect();
        let mut seen = HashSet::new();
        if !ids.is_empty() {
            let known = db::one_of(tx.get_database_backend(), stripe_event::Column::Id, ids);
            let rows = stripe_event::Entity::find().filter(known);
            seen.extend(rows.all(tx).await?.into_iter().map(|row| row.id));
        }
        Ok(Self {
            seen,
            new: Vec::new(),
        })
    }

    fn has(&self, event: &EventRef) -> bool {
        self.seen.contains(&event.id)
    }

    fn note(
        &mut self,
        event: &EventRef,
        checkout_id: Uuid,
        outcome: Fulfillment,
        now: OffsetDateTime,
    ) {
        let row = stripe_event::Model {
            id: event.id.clone(),
            kind: event.kind.clone(),
            checkout_id,
            outcome: outcome.as_str().to_owned(),
            processed_at: now,
        };
        self.seen.insert(event.id.clone());
        self.new
            .push(stripe_event::ActiveModel::from(row).reset_all());
    }
}
