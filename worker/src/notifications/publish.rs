//! Publishing notifications on the broker's exchange: what this process has just written, and what the
//! [relay](crate::notifications::relay) finds.

use std::time::Duration;

use futures_util::future::join_all;
use shared::{
    db::{
        self,
        outbox::{self, Column},
    },
    queue::{PublishError, Publisher},
    retry,
    service::{failpoint, metrics},
};
use tokio_util::sync::CancellationToken;

use crate::{Context, job_error::JobError};

/// Notifications handed on at once.
pub const AT_ONCE: usize = 200;
/// For handing them on, from when the transaction that writes them begins.
pub const LEASE: time::Duration = time::Duration::seconds(15);
/// Of it, what has to be left: longer than the broker is given for its confirm.
const LEFT: time::Duration = time::Duration::seconds(5);
/// After the broker did not confirm: long enough for all others to be handed to their destinations
/// meanwhile.
const AGAIN: time::Duration = time::Duration::seconds(10);
/// After a failure.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// After a round that was not full, so that what comes meanwhile is handed on together: each round is a commit or
/// two.
pub const GATHERING: Duration = Duration::from_millis(20);

/// Publishes what this process writes until `written`, when no more is.
pub async fn keep_publishing(
    context: &Context,
    publisher: &Publisher,
    written: &CancellationToken,
) {
    let fresh = &context.wakes.fresh;
    fresh.begin(publisher.has_broker());
    let mut pauses = retry::endless(FIRST_PAUSE, LONGEST_PAUSE);
    while written.run_until_cancelled(fresh.came()).await.is_some() {
        let pause = match publish_all(context, publisher, fresh.take()).await {
            Ok(()) => {
                pauses = retry::endless(FIRST_PAUSE, LONGEST_PAUSE);
                GATHERING
            }
            Err(error) => {
                tracing::warn!(error = error.chain(), "Cannot hand notifications on");
                pauses.next().unwrap_or(LONGEST_PAUSE)
            }
        };
        written.run_until_cancelled(tokio::time::sleep(pause)).await;
    }
    if let Err(error) = publish_all(context, publisher, fresh.close()).await {
        tracing::warn!(
            error = error.chain(),
            "The last notifications are left to a relay"
        );
    }
}

/// Returns the last failure.
async fn publish_all(
    context: &Context,
    publisher: &Publisher,
    mut written: Vec<outbox::Model>,
) -> Result<(), JobError> {
    let mut outcome = Ok(());
    while !written.is_empty() {
        let mut some: Vec<_> = written.drain(..AT_ONCE.min(written.len())).collect();
        // What has waited too long is a relay's.
        let until = (context.clock)().saturating_add(LEFT);
        some.retain(|it| it.due_at > until);
        outcome = publish(context, publisher, &some).await.and(outcome);
    }
    outcome
}

/// Those the broker has are done; the others are due again soon.
pub async fn publish(
    context: &Context,
    publisher: &Publisher,
    taken: &[outbox::Model],
) -> Result<(), JobError> {
    failpoint::crash_at("notify_before_publish");
    let outcomes = join_all(taken.iter().map(|it| publisher.notify(it))).await;
    failpoint::crash_at("notify_after_publish");
    let now = (context.clock)();
    let (mut done, mut again, mut failure) = (Vec::new(), Vec::new(), None);
    for (notification, outcome) in taken.iter().zip(outcomes) {
        metrics::notification_published(
            outcome
                .as_ref()
                .map_or_else(PublishError::code, |()| "confirmed"),
        );
        match outcome {
            Ok(()) => done.push(notification.id),
            Err(error) => {
                again.push(notification.id);
                failure = Some(error);
            }
        }
    }
    let writer = db::writer(&context.db).await?;
    outbox::set(&writer, done.into_iter(), Column::DoneAt, now).await?;
    outbox::set(
        &writer,
        again.into_iter(),
        Column::DueAt,
        now.saturating_add(AGAIN),
    )
    .await?;
    failure.map_or(Ok(()), |error| Err(error.into()))
}
