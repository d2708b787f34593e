//! Which dependencies are down, and whom that stops.

use std::sync::Arc;

use shared::{queue::Lane, service::metrics};
use tokio::sync::watch;

use crate::outage::dependency::{Dependency, Down};

/// Which dependencies are down. Clones share it.
#[derive(Clone, Default)]
pub struct Breakers(Arc<[watch::Sender<bool>; 2]>);

impl Breakers {
    pub(super) fn of(&self, dependency: Dependency) -> &watch::Sender<bool> {
        let [database, stripe] = &*self.0;
        match dependency {
            Dependency::Database => database,
            Dependency::Stripe => stripe,
        }
    }

    /// Whether `dependency` was down when last looked at.
    pub fn is_open(&self, dependency: Dependency) -> bool {
        *self.of(dependency).borrow()
    }

    /// Fails if `dependency` is known to be down, so that no job waits for it in vain.
    pub(crate) fn check(&self, dependency: Dependency) -> Result<(), Down> {
        if self.is_open(dependency) {
            return Err(Down(dependency));
        }
        Ok(())
    }

    /// Fails if something that the messages of `lane` need is known to be down.
    pub(crate) fn check_lane(&self, lane: Lane) -> Result<(), Down> {
        let mut needed = Dependency::of_lane(lane).iter();
        needed.try_for_each(|dependency| self.check(*dependency))
    }

    /// Waits until the messages of `lane` can be worked on.
    pub async fn closed(&self, lane: Lane) {
        self.until(lane, false).await;
    }

    /// Waits until the messages of `lane` can no longer be worked on.
    pub async fn opened(&self, lane: Lane) {
        self.until(lane, true).await;
    }

    async fn until(&self, lane: Lane, stopped: bool) {
        let mut news: Vec<_> = Dependency::of_lane(lane)
            .iter()
            .map(|dependency| self.of(*dependency).subscribe())
            .collect();
        while self.check_lane(lane).is_err() != stopped {
            let changes = news.iter_mut().map(|it| Box::pin(it.changed()));
            // The senders live as long as `self`.
            futures_util::future::select_all(changes).await.0.ok();
        }
    }

    pub(super) fn set(&self, dependency: Dependency, open: bool) {
        let changed = self.of(dependency).send_if_modified(|now| {
            let changed = *now != open;
            *now = open;
            changed
        });
        if changed {
            metrics::breaker(dependency.as_str(), open);
            if open {
                tracing::warn!(
                    dependency = dependency.as_str(),
                    "Down: work that needs it waits"
                );
            } else {
                tracing::info!(dependency = dependency.as_str(), "Up again");
            }
        }
    }
}
