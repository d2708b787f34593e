//! Those that are open at a time.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::service::{log_limit::LogLimit, metrics};

/// A first request that is on its way arrives within this time, and is not closed for strangers who come back at
/// once.
const NEW_LEFT_ALONE: Duration = Duration::from_millis(500);
/// A client that has just had an answer may well ask again.
const KNOWN_LEFT_ALONE: Duration = Duration::from_secs(2);
/// While all are served.
const AGAIN: Duration = Duration::from_secs(1);

/// The count of all, and those that wait in the order in which they are closed for others.
#[derive(Default)]
pub(super) struct Open {
    count: usize,
    /// How many of them are about to end for another.
    leaving: usize,
    of_client: HashMap<IpAddr, usize>,
    /// Those that wait for their first request, the one that has waited longest first.
    new: BTreeMap<u64, Waiting>,
    /// Those that wait for one more.
    known: BTreeMap<u64, Waiting>,
    /// Counts those that began to wait, so that the smallest number is the oldest.
    waits: u64,
    pub(super) log: LogLimit,
}

/// What is known of one of them. Changed while [`Open`] is locked.
pub(super) struct Place {
    client: Option<IpAddr>,
    /// Its key among those that wait, 0 while a request is served.
    wait: AtomicU64,
    is_known: AtomicBool,
    pub(super) gives_way: CancellationToken,
}

impl Place {
    pub(super) fn new(client: Option<IpAddr>) -> Self {
        Self {
            client,
            wait: AtomicU64::new(0),
            is_known: AtomicBool::new(false),
            gives_way: CancellationToken::new(),
        }
    }

    pub(super) fn is_served(&self) -> bool {
        self.wait.load(Ordering::Relaxed) == 0
    }
}

struct Waiting {
    since: Instant,
    gives_way: CancellationToken,
}

/// Why there is no room for one more.
pub(super) enum Full {
    OfClient,
    /// It may be different after this time.
    For(Duration),
}

impl Open {
    pub(super) fn has_room(&self, most: usize) -> bool {
        self.count < most.saturating_add(self.leaving)
            || !(self.new.is_empty() && self.known.is_empty())
    }

    /// Makes room for one more, for which another may have to end.
    pub(super) fn make_room(
        &mut self,
        most: usize,
        client: Option<IpAddr>,
        most_of_client: usize,
    ) -> Result<(), Full> {
        let count = client.and_then(|client| self.of_client.get(&client));
        if count.is_some_and(|count| *count >= most_of_client) {
            metrics::connection_closed("too_many_of_client");
            self.warn("One client has too many connections: more are closed");
            return Err(Full::OfClient);
        }
        if self.count >= most.saturating_add(self.leaving) {
            self.close_longest()?;
            self.leaving = self.leaving.saturating_add(1);
            metrics::connection_closed("gave_way");
            self.warn("Too many connections: those that wait for their client are closed");
        }
        Ok(())
    }

    pub(super) fn add(&mut self, place: &Place) {
        self.count = self.count.saturating_add(1);
        if let Some(client) = place.client {
            let count = self.of_client.entry(client).or_default();
            *count = count.saturating_add(1);
        }
        self.wait(place);
    }

    pub(super) fn remove(&mut self, place: &Place) {
        self.serve(place);
        self.count = self.count.saturating_sub(1);
        if place.gives_way.is_cancelled() {
            self.leaving = self.leaving.saturating_sub(1);
        }
        if let Some(client) = place.client
            && let Some(count) = self.of_client.get_mut(&client)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.of_client.remove(&client);
            }
        }
    }

    fn wait(&mut self, place: &Place) {
        if place.gives_way.is_cancelled() {
            return;
        }
        self.waits = self.waits.wrapping_add(1);
        place.wait.store(self.waits, Ordering::Relaxed);
        let waiting = Waiting {
            since: Instant::now(),
            gives_way: place.gives_way.clone(),
        };
        if place.is_known.load(Ordering::Relaxed) {
            self.known.insert(self.waits, waiting);
        } else {
            self.new.insert(self.waits, waiting);
        }
    }

    /// It has asked, and waits for its client to ask again.
    pub(super) fn answered(&mut self, place: &Place) {
        self.serve(place);
        place.is_known.store(true, Ordering::Relaxed);
        self.wait(place);
    }

    pub(super) fn serve(&mut self, place: &Place) {
        let wait = place.wait.swap(0, Ordering::Relaxed);
        self.new.remove(&wait);
        self.known.remove(&wait);
    }

    fn close_longest(&mut self) -> Result<(), Full> {
        let mut soonest = AGAIN;
        for (kind, left_alone) in [
            (&mut self.new, NEW_LEFT_ALONE),
            (&mut self.known, KNOWN_LEFT_ALONE),
        ] {
            let Some(longest) = kind.first_entry() else {
                continue;
            };
            let rest = left_alone.saturating_sub(longest.get().since.elapsed());
            if rest.is_zero() {
                longest.remove().gives_way.cancel();
                return Ok(());
            }
            soonest = soonest.min(rest);
        }
        self.warn("No connection can be closed for another: more have to wait");
        Err(Full::For(soonest))
    }

    fn warn(&mut self, what: &'static str) {
        if let Some(suppressed) = self.log.admit(what, Instant::now()) {
            tracing::warn!(open = self.count, suppressed, "{what}");
        }
    }
}
