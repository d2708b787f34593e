//! Comparing Stripe's books with ours, and putting on the queue what we lack.
//!
//! Broker, network and Stripe itself lose a message now and then; the books do not. Sessions
//! are compared, not only events: Stripe may, very rarely, fail to make an event at all.
//!
//! Source: <https://docs.stripe.com/webhooks/handle-irrecoverable-events>

use std::collections::HashSet;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use shared::{
    checkout_session::{CheckoutSession, Status},
    db::{checkout::State, stripe_event},
    message::{Envelope, Source},
    metrics,
    queue::{Lane, Publisher},
    retry,
    stripe_error::StripeError,
    traceparent::Traceparent,
};
use time::OffsetDateTime;

use crate::{
    Context,
    checkout_session_fact::refuse,
    job_error::JobError,
    our_books::{self, Entry},
};

/// Patience with a Stripe that limits our rate, for each page.
const PAUSES: usize = 8;
const FIRST_PAUSE: std::time::Duration = std::time::Duration::from_secs(1);
const LONGEST_PAUSE: std::time::Duration = std::time::Duration::from_secs(30);

/// How far a run has come; what another worker needs to go on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cursor {
    /// When the run began: what is newer, it has not seen.
    #[serde(with = "time::serde::timestamp")]
    pub started_at: OffsetDateTime,
    /// Sessions made since then, in Unix seconds.
    pub sessions_since: i64,
    /// Events made since then, in Unix seconds.
    pub events_since: i64,
    /// What comes next.
    pub part: Part,
}

/// A part of a run, and the last object of the page before.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Checkout Sessions.
    Sessions {
        /// `cs_…`
        after: Option<String>,
    },
    /// Events that Stripe could not deliver.
    Events {
        /// `evt_…`
        after: Option<String>,
    },
    /// Nothing.
    Done,
}

/// What a run has seen and done.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Checkout Sessions looked at.
    pub sessions: u64,
    /// Of these, not made by us.
    pub foreign_sessions: u64,
    /// Of ours, those whose end we had not heard of.
    pub missing_sessions: u64,
    /// Events looked at that Stripe could not deliver.
    pub undelivered_events: u64,
    /// Of these, not seen by us.
    pub missing_events: u64,
}

/// One comparison, page by page.
pub struct Reconcile<'a> {
    context: &'a Context,
    /// `None`: only looks.
    publisher: Option<&'a Publisher>,
    cursor: Cursor,
    report: Report,
}

impl<'a> Reconcile<'a> {
    /// - `publisher`: where to put what is missing; `None` only counts it.
    #[must_use]
    pub fn new(context: &'a Context, publisher: Option<&'a Publisher>, cursor: Cursor) -> Self {
        Self {
            context,
            publisher,
            cursor,
            report: Report::default(),
        }
    }

    /// How far it has come.
    #[must_use]
    pub fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// What it has seen so far.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Looks at the next page. Returns whether there is another.
    ///
    /// # Errors
    ///
    /// [`JobError`] if Stripe, the database or the queue is in trouble; the page may be looked
    /// at again.
    pub async fn next_page(&mut self) -> Result<bool, JobError> {
        self.cursor.part = match self.cursor.part.clone() {
            Part::Sessions { after } => match self.sessions(after.as_deref()).await? {
                Some(last) => Part::Sessions { after: Some(last) },
                None => Part::Events { after: None },
            },
            Part::Events { after } => match self.events(after.as_deref()).await? {
                Some(last) => Part::Events { after: Some(last) },
                None => Part::Done,
            },
            Part::Done => Part::Done,
        };
        Ok(!matches!(self.cursor.part, Part::Done))
    }

    async fn sessions(&mut self, after: Option<&str>) -> Result<Option<String>, JobError> {
        let since = moment(self.cursor.sessions_since);
        let page = patiently(|| self.context.stripe.list_checkout_sessions(since, after)).await?;
        let ours = our_books::look_up(&self.context.db, &page.items).await?;
        for session in &page.items {
            add(&mut self.report.sessions, 1);
            let entry = ours.get(session.id.as_str());
            match entry.filter(|_| refuse(self.context.mode, session).is_none()) {
                None => add(&mut self.report.foreign_sessions, 1),
                Some(entry) if is_behind(session, entry) => {
                    add(&mut self.report.missing_sessions, 1);
                    let now = (self.context.clock)();
                    let ask = Envelope::checkout_confirm(&session.id, now, &Traceparent::new());
                    self.enqueue(ask, "session").await?;
                }
                Some(_) => {}
            }
        }
        Ok(page.next)
    }

    async fn events(&mut self, after: Option<&str>) -> Result<Option<String>, JobError> {
        let since = moment(self.cursor.events_since);
        let page = patiently(|| self.context.stripe.list_undelivered_events(since, after)).await?;
        let ids = page.items.iter().map(|event| event.id.as_str());
        let seen: HashSet<String> = stripe_event::Entity::find()
            .filter(stripe_event::Column::Id.is_in(ids))
            .all(&self.context.db)
            .await?
            .into_iter()
            .map(|row| row.id)
            .collect();
        for event in page.items {
            add(&mut self.report.undelivered_events, 1);
            if seen.contains(&event.id) {
                continue;
            }
            add(&mut self.report.missing_events, 1);
            let body = String::from(Box::<str>::from(event.body)).into();
            let now = (self.context.clock)();
            let message = Envelope::stripe_event(&event.id, body, now, &Traceparent::new());
            self.enqueue(message, "event").await?;
        }
        Ok(page.next)
    }

    async fn enqueue(&self, message: Envelope, what: &'static str) -> Result<(), JobError> {
        let Some(publisher) = self.publisher else {
            return Ok(());
        };
        let message = message.from_source(Source::Reconcile);
        // Not into the lane of buyers who wait: there may be thousands.
        publisher
            .publish(Lane::Events, &message)
            .await
            .map_err(|error| JobError::retry("queue_unavailable", error))?;
        tracing::info!(
            message_id = message.message_id,
            "Missing here: put on the queue"
        );
        metrics::reconcile_enqueued(what);
        Ok(())
    }
}

/// Whether Stripe knows more of the session than we do.
fn is_behind(session: &CheckoutSession, entry: &Entry) -> bool {
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

/// Waits as long as Stripe asks us to slow down.
pub(crate) async fn patiently<T, F>(call: impl Fn() -> F) -> Result<T, StripeError>
where
    F: Future<Output = Result<T, StripeError>>,
{
    for pause in retry::endless(FIRST_PAUSE, LONGEST_PAUSE).take(PAUSES) {
        match call().await {
            Err(StripeError::RateLimited) => tokio::time::sleep(pause).await,
            outcome => return outcome,
        }
    }
    call().await
}

fn moment(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn add(count: &mut u64, more: u64) {
    *count = count.saturating_add(more);
}
