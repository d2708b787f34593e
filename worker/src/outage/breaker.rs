//! What work is not taken while something that it needs is down.
//!
//! A job that fails for the lack of the database or of Stripe has the dependency looked at. If
//! it does not answer, or takes no writes, the lanes that need it wait until it does: messages stay
//! on the queue, and no attempt is charged for the outage.

use std::{sync::Arc, time::Duration};

use shared::{
    db::{self, Trouble, recurring_job},
    queue::Lane,
    retry,
    service::metrics,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{Context, job_error::JobError, maintenance::reconcile_schedule};

/// For one look at a dependency; longer than a statement may wait for a lock.
const PROBE_TIMEOUT: Duration = Duration::from_secs(6);
/// Between two looks at one that is down.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What jobs depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dependency {
    /// Where bookings are kept.
    Database,
    /// Stripe's API.
    Stripe,
}

impl Dependency {
    const ALL: [Self; 2] = [Self::Database, Self::Stripe];

    /// The word for logs and metrics.
    fn as_str(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Stripe => "stripe",
        }
    }

    /// What the messages of `lane` all need. Of events, few need Stripe; they find out.
    fn of_lane(lane: Lane) -> &'static [Self] {
        match lane {
            Lane::Confirm => &Self::ALL,
            Lane::Events | Lane::Unroutable | Lane::Dead => &[Self::Database],
        }
    }
}

/// Work was not done because the breaker of its dependency is open.
#[derive(Debug, thiserror::Error)]
#[error("the {0:?} is down")]
pub struct Down(pub Dependency);

/// Which dependencies are down. Clones share it.
#[derive(Clone)]
pub struct Breakers(Arc<[watch::Sender<bool>; 2]>);

impl Default for Breakers {
    fn default() -> Self {
        Self(Arc::new([
            watch::Sender::new(false),
            watch::Sender::new(false),
        ]))
    }
}

impl Breakers {
    fn of(&self, dependency: Dependency) -> &watch::Sender<bool> {
        let [database, stripe] = &*self.0;
        match dependency {
            Dependency::Database => database,
            Dependency::Stripe => stripe,
        }
    }

    /// Whether `dependency` was down when last looked at.
    #[must_use]
    pub fn is_open(&self, dependency: Dependency) -> bool {
        *self.of(dependency).borrow()
    }

    /// Fails if `dependency` is known to be down, so that nobody waits for it in vain.
    ///
    /// # Errors
    ///
    /// [`Down`].
    pub fn check(&self, dependency: Dependency) -> Result<(), Down> {
        if self.is_open(dependency) {
            return Err(Down(dependency));
        }
        Ok(())
    }

    /// Fails if something that the messages of `lane` need is known to be down.
    ///
    /// # Errors
    ///
    /// [`Down`].
    pub fn check_lane(&self, lane: Lane) -> Result<(), Down> {
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

    fn set(&self, dependency: Dependency, open: bool) {
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

/// Whether a job failed because of an outage, and not on its own account. Looks at the
/// dependency it failed for, and opens the breaker if that does not answer.
pub async fn is_outage(context: &Context, error: &JobError) -> bool {
    let Some(dependency) = error.dependency() else {
        return false;
    };
    if !context.breakers.is_open(dependency) && probe(context, dependency).await {
        return false;
    }
    context.breakers.set(dependency, true);
    true
}

/// Looks at what is down until it is up again, until `shutdown`.
pub async fn keep_probing(context: &Context, shutdown: &CancellationToken) {
    let both = Dependency::ALL.map(|dependency| watch_over(context, dependency));
    shutdown
        .run_until_cancelled(futures_util::future::join_all(both))
        .await;
}

async fn watch_over(context: &Context, dependency: Dependency) {
    let mut news = context.breakers.of(dependency).subscribe();
    while news.wait_for(|open| *open).await.is_ok() {
        for pause in retry::endless(FIRST_PAUSE, LONGEST_PAUSE) {
            tokio::time::sleep(pause).await;
            if probe(context, dependency).await {
                break;
            }
        }
        context.breakers.set(dependency, false);
    }
}

async fn probe(context: &Context, dependency: Dependency) -> bool {
    let answer = async {
        match dependency {
            // A write: a standby answers as well.
            Dependency::Database => recurring_job::touch(&context.db, reconcile_schedule::NAME)
                .await
                .err()
                .is_none_or(|error| db::trouble(&error) != Trouble::Outage),
            Dependency::Stripe => match context.stripe.probe().await {
                Ok(()) => true,
                Err(error) => !error.is_outage(),
            },
        }
    };
    tokio::time::timeout(PROBE_TIMEOUT, answer)
        .await
        .unwrap_or(false)
}
