//! What a transaction does so that nothing has to look for what it writes into the outbox: it writes the rows
//! for the destinations as well, and once it is committed this process publishes it.
//!
//! Only the first notification of a checkout: what comes later has to be told after it, for which the relay waits.

use sea_orm::ConnectionTrait;
use shared::db::{outbox, outbox_delivery};
use time::OffsetDateTime;

use crate::{
    mail::Mailer,
    notifications::{
        destination::{self, deliveries},
        fresh::Place,
        publish::LEASE,
        wakes::Wakes,
    },
};

const FIRST: i32 = 1;

/// To those who tell others in this process.
#[derive(Debug, Clone, Copy)]
pub struct Handover<'a> {
    pub wakes: &'a Wakes,
    pub mailer: Option<&'a Mailer>,
}

impl Handover<'_> {
    /// Takes of `notifications` what this process may hand on, before they are written.
    ///
    /// Returns the rows for their destinations.
    pub async fn prepare(
        self,
        tx: &impl ConnectionTrait,
        notifications: &mut [outbox::Model],
        now: OffsetDateTime,
    ) -> Vec<outbox_delivery::ActiveModel> {
        let place = self.wakes.fresh.place();
        let mut first: Vec<_> = notifications
            .iter_mut()
            .filter(|it| it.sequence == FIRST)
            .collect();
        if first.is_empty() || place == Place::Relay {
            return Vec::new();
        }
        let destinations = match destination::all(tx, self.mailer).await {
            Ok(destinations) => destinations,
            // No booking fails for an endpoint that cannot be read.
            Err(error) => {
                tracing::warn!(%error, "Cannot read who is to be told");
                return Vec::new();
            }
        };
        for it in &mut first {
            match place {
                Place::Line => it.due_at = now.saturating_add(LEASE),
                Place::NotNeeded => it.done_at = Some(now),
                Place::Relay => {}
            }
        }
        let rows = first.iter();
        rows.flat_map(|it| deliveries(it, &destinations, now))
            .collect()
    }

    /// Has those that are committed told.
    ///
    /// - `delivered`: whether there are rows for destinations.
    pub fn committed(self, notifications: Vec<outbox::Model>, delivered: bool) {
        if delivered {
            self.wakes.deliveries.notify_one();
        }
        let waiting = notifications.into_iter().filter(|it| it.done_at.is_none());
        let (ours, due): (Vec<_>, Vec<_>) = waiting.partition(|it| it.due_at > it.created_at);
        self.wakes.fresh.add(ours);
        if !due.is_empty() {
            self.wakes.outbox.notify_one();
        }
    }
}
