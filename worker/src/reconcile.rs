//! Comparing Stripe's books with ours, and having Stripe asked about what differs.
//!
//! Broker, network and Stripe itself lose a message now and then; the books do not. Objects
//! are compared, not only events: Stripe may, very rarely, fail to make an event at all. Events
//! are looked at as well, delivered or not: they tell what became of older objects.
//!
//! Source: <https://docs.stripe.com/webhooks/handle-irrecoverable-events>

pub(crate) mod checkout_lookup;
mod cursor;
mod differences;
mod lost_hold;
mod patience;

use std::collections::HashSet;

use shared::{
    message::{Envelope, Source},
    queue::{Lane, Publisher},
    service::{metrics, spans},
    stripe::{checkout_session::CheckoutSession, id::CheckoutSessionId},
};

pub use self::cursor::{Cursor, Part, Report};
use self::differences::{Told, is_behind, is_behind_event, is_older, lacks_refund};
pub(crate) use self::differences::{differs, paid_by};
pub(crate) use self::patience::patiently;
use crate::{
    Context,
    failure_code::FailureCode,
    fulfill_checkout::{record::CheckoutRecord, session_update::not_ours},
    job_error::JobError,
};

/// One comparison, page by page.
pub struct Reconcile<'a> {
    context: &'a Context,
    /// `None`: only looks.
    publisher: Option<&'a Publisher>,
    /// How far it has come.
    pub cursor: Cursor,
    /// What it has seen so far.
    pub report: Report,
    /// Sessions that Stripe is asked about, or would be.
    asked: HashSet<CheckoutSessionId>,
    /// Why some of it was left out: the key may not list all of it. The rest was compared.
    pub forbidden: Option<JobError>,
    /// The database is a backup's, and this is where buyers of the shop come back to: holds that it lacks
    /// are made anew.
    restored: Option<&'a [String]>,
}

impl<'a> Reconcile<'a> {
    /// - `publisher`: where to put what is missing; `None` only counts it.
    pub fn new(context: &'a Context, publisher: Option<&'a Publisher>, cursor: Cursor) -> Self {
        Self {
            context,
            publisher,
            cursor,
            report: Report::default(),
            asked: HashSet::new(),
            forbidden: None,
            restored: None,
        }
    }

    /// The same for a database that was restored.
    ///
    /// - `origins`: where buyers of this shop come back to.
    #[must_use]
    pub fn after_a_restore(mut self, origins: &'a [String]) -> Self {
        self.restored = Some(origins);
        self
    }

    /// Looks at the next page. Returns whether there is another.
    ///
    /// # Errors
    ///
    /// [`JobError`] if Stripe, the database or the queue is in trouble; the page may be looked
    /// at again.
    pub async fn next_page(&mut self) -> Result<bool, JobError> {
        let part = self.cursor.part.clone();
        let last = match &part {
            Part::Sessions { after } => self.sessions(after.as_deref()).await,
            Part::Refunds { after } => self.refunds(after.as_deref()).await,
            Part::Disputes { after } => self.disputes(after.as_deref()).await,
            Part::Events { after } => self.events(after.as_deref()).await,
            Part::Done => Ok(None),
        };
        let last = match last {
            Err(error) if error.code() == FailureCode::StripeForbidden => {
                self.forbidden = Some(error);
                None
            }
            last => last?,
        };
        self.cursor.part = part.after(last);
        Ok(!matches!(self.cursor.part, Part::Done))
    }

    async fn sessions(&mut self, after: Option<&str>) -> Result<Option<String>, JobError> {
        let since = self.cursor.sessions_since;
        let page = patiently(|| self.context.stripe.list_checkout_sessions(since, after)).await?;
        let ours = checkout_lookup::of_sessions(&self.context.db, &page.items).await?;
        for session in &page.items {
            count(&mut self.report.sessions);
            let entry = ours.get(&session.id);
            match entry.filter(|_| not_ours(self.context.mode, session).is_none()) {
                None if self.was_lost(session).await? => {
                    count(&mut self.report.restored_holds);
                    self.ask(Some(session.id.as_str()), "hold").await?;
                }
                None => count(&mut self.report.foreign_sessions),
                Some(entry) if is_behind(session, entry) => {
                    if self.ask(Some(session.id.as_str()), "session").await? {
                        count(&mut self.report.missing_sessions);
                    }
                }
                Some(_) => {}
            }
        }
        Ok(page.next)
    }

    /// Whether it is ours and the backup lacks its hold, which is here again now.
    async fn was_lost(&mut self, session: &CheckoutSession) -> Result<bool, JobError> {
        let Some(origins) = self.restored else {
            return Ok(false);
        };
        let is_possible = not_ours(self.context.mode, session).is_none();
        if !is_possible || !lost_hold::may_be_ours(session) {
            return Ok(false);
        }
        let Some(hold) = lost_hold::find(self.context, session, origins).await? else {
            if session.is_paid() {
                self.report.beyond_restoring.push(session.id.clone());
            }
            return Ok(false);
        };
        if self.publisher.is_some() {
            lost_hold::make_anew(self.context, &hold).await?;
        }
        Ok(true)
    }

    async fn refunds(&mut self, after: Option<&str>) -> Result<Option<String>, JobError> {
        let since = self.cursor.sessions_since;
        let page = patiently(|| self.context.stripe.list_refunds(since, after)).await?;
        let intents = page.items.iter().map(|it| it.payment_intent.as_ref());
        let ours = checkout_lookup::of_payments(&self.context.db, intents).await?;
        for refund in &page.items {
            count(&mut self.report.refunds);
            if let Some(entry) = paid_by(&ours, refund.payment_intent.as_ref())
                && lacks_refund(entry, refund)
                && self.ask(entry.session_id(), "refund").await?
            {
                count(&mut self.report.missing_refunds);
            }
        }
        Ok(page.next)
    }

    async fn disputes(&mut self, after: Option<&str>) -> Result<Option<String>, JobError> {
        let since = self.cursor.sessions_since;
        let page = patiently(|| self.context.stripe.list_disputes(since, after)).await?;
        let intents = page.items.iter().map(|it| it.payment_intent.as_ref());
        let ours = checkout_lookup::of_payments(&self.context.db, intents).await?;
        for dispute in &page.items {
            count(&mut self.report.disputes);
            if let Some(entry) = paid_by(&ours, dispute.payment_intent.as_ref())
                && differs(entry.dispute(&dispute.id), dispute)
                && self.ask(entry.session_id(), "dispute").await?
            {
                count(&mut self.report.missing_disputes);
            }
        }
        Ok(page.next)
    }

    async fn events(&mut self, after: Option<&str>) -> Result<Option<String>, JobError> {
        let since = self.cursor.events_since;
        let page = patiently(|| self.context.stripe.list_events(since, after)).await?;
        let told: Vec<(Told, &str)> = page
            .items
            .iter()
            .filter_map(|event| Some((Told::of(event)?, event.kind())))
            .collect();
        let sessions: Vec<CheckoutSession> = told
            .iter()
            .filter_map(|(told, _)| match told {
                Told::Session(session) => Some(session.clone()),
                _ => None,
            })
            .collect();
        let known = checkout_lookup::of_sessions(&self.context.db, &sessions).await?;
        let intents = told.iter().map(|(told, _)| told.payment_intent());
        let paid = checkout_lookup::of_payments(&self.context.db, intents).await?;
        page.items
            .iter()
            .for_each(|_| count(&mut self.report.events));
        for (told, kind) in &told {
            let session_id = match told {
                Told::Session(session) => known
                    .get(&session.id)
                    .filter(|entry| is_behind_event(session, kind, entry))
                    .map(|_| session.id.as_str()),
                Told::Refund(refund) => paid_by(&paid, refund.payment_intent.as_ref())
                    .filter(|entry| lacks_refund(entry, refund))
                    .and_then(CheckoutRecord::session_id),
                Told::Dispute(dispute) => paid_by(&paid, dispute.payment_intent.as_ref())
                    .filter(|entry| is_older(entry.dispute(&dispute.id), dispute))
                    .and_then(CheckoutRecord::session_id),
            };
            if self.ask(session_id, "event").await? {
                count(&mut self.report.missing_events);
            }
        }
        Ok(page.next)
    }

    /// Has Stripe asked about a session and all that came of it, once in a run. Returns whether
    /// this was the first time.
    async fn ask(
        &mut self,
        session_id: Option<&str>,
        what: &'static str,
    ) -> Result<bool, JobError> {
        let Some(Ok(id)) = session_id.map(str::parse::<CheckoutSessionId>) else {
            return Ok(false);
        };
        if self.asked.contains(&id) {
            return Ok(false);
        }
        if let Some(publisher) = self.publisher {
            let now = (self.context.clock)();
            let trace = spans::context(&spans::look("a difference")).unwrap_or_default();
            let message = Envelope::checkout_confirm(&id, now, &trace);
            // Not into the lane of buyers who wait: there may be thousands.
            publisher
                .publish(Lane::Events, &message.from_source(Source::Reconcile))
                .await?;
            tracing::info!(checkout_session.id = %id, what, "Not as Stripe has it: asking");
            metrics::reconcile_enqueued(what);
        }
        self.asked.insert(id);
        Ok(true)
    }
}

/// One more.
pub(crate) fn count(number: &mut u64) {
    *number = number.saturating_add(1);
}
