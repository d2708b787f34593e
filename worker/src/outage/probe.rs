//! Looking at a dependency: after a failure that may be its fault, and until it is back.

use std::time::Duration;

use shared::{
    db::{self, Trouble, recurring_job},
    retry,
};
use tokio_util::sync::CancellationToken;

use crate::{Context, job_error::JobError, outage::dependency::Dependency};

/// For one look at a dependency; longer than a statement may wait for a lock.
const PROBE_TIMEOUT: Duration = Duration::from_secs(6);
/// Between two looks at one that is down.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Whether a job failed because of an outage, and not on its own account. Looks at the
/// dependency it failed for, and opens the breaker if that does not answer.
pub async fn is_outage(context: &Context, error: &JobError) -> bool {
    let Some(dependency) = error.code().dependency() else {
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
            Dependency::Database => recurring_job::touch(&context.db, recurring_job::RECONCILE)
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
