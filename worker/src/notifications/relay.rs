//! From the outbox to the broker's exchange, and to a row for each destination: what was not
//! [handed over](crate::notifications::handover), as it was written by a command or comes after another; what the
//! broker did not confirm; and what a worker that died, or had too many, has left.
//!
//! A notification is taken by moving its `due_at` on, so that another worker does not take it as well;
//! a worker that dies in between leaves it to the next, which publishes it again with the same id. What
//! happened to a checkout later is not taken before.

use std::time::Duration;

use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::OnConflict,
};
use shared::{
    db::{
        self,
        outbox::{self, Column},
        outbox_delivery,
    },
    queue::Publisher,
    retry,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Context,
    job_error::JobError,
    notifications::{
        destination::{self, Destination, deliveries},
        heads::Lines,
        publish::{AT_ONCE, GATHERING, LEASE, publish},
        wakes::next_look,
    },
};

/// Rows in one statement: an engine takes so many values and no more.
const ROWS_AT_ONCE: usize = 500;
/// After a failure of the database.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What happened to a checkout is handed on in its order.
const LINES: Lines<outbox::Entity, 1> = Lines {
    line: [Column::CheckoutId],
    sequence: Column::Sequence,
    due_at: Column::DueAt,
    done_at: Column::DoneAt,
};

/// Hands on what is there, and what comes, until `shutdown`.
pub async fn keep_relaying(context: &Context, publisher: &Publisher, shutdown: &CancellationToken) {
    let mut pauses = retry::endless(FIRST_PAUSE, LONGEST_PAUSE);
    while !shutdown.is_cancelled() {
        match relay(context, publisher).await {
            Ok(0) => {
                if !next_look(&context.wakes.outbox, shutdown).await {
                    return;
                }
            }
            Ok(taken) => {
                pauses = retry::endless(FIRST_PAUSE, LONGEST_PAUSE);
                if taken >= AT_ONCE {
                    continue;
                }
                let pause = tokio::time::sleep(GATHERING);
                shutdown.run_until_cancelled(pause).await;
            }
            Err(error) => {
                tracing::warn!(error = error.chain(), "Cannot hand notifications on");
                let pause = tokio::time::sleep(pauses.next().unwrap_or(LONGEST_PAUSE));
                shutdown.run_until_cancelled(pause).await;
            }
        }
    }
}

/// Hands on what is due, one round.
///
/// Returns how many were taken.
async fn relay(context: &Context, publisher: &Publisher) -> Result<usize, JobError> {
    if !is_any_due(context).await? {
        return Ok(0);
    }
    let destinations = destination::all(&context.db, context.mailer.as_ref()).await?;
    let taken = hand_out(context, publisher, &destinations).await?;
    if taken.is_empty() {
        return Ok(0);
    }
    if !destinations.is_empty() {
        context.wakes.deliveries.notify_one();
    }
    if publisher.has_broker() {
        publish(context, publisher, &taken).await?;
    }
    Ok(taken.len())
}

async fn is_any_due(context: &Context) -> Result<bool, DbErr> {
    let due = outbox::Entity::find()
        .filter(Column::DoneAt.is_null())
        .filter(Column::DueAt.lte((context.clock)()))
        .limit(1);
    Ok(due.one(&context.db).await?.is_some())
}

/// Takes notifications, and writes a row for each of `destinations` that wants them. Without a broker
/// that is all there is to do.
async fn hand_out(
    context: &Context,
    publisher: &Publisher,
    destinations: &[Destination],
) -> Result<Vec<outbox::Model>, DbErr> {
    let now = (context.clock)();
    let tx = db::begin(&context.db).await?;
    let taken = LINES
        .heads(now)
        .order_by_asc(Column::Id)
        .limit(u64::try_from(AT_ONCE).unwrap_or(u64::MAX))
        .all(&tx)
        .await?;
    let deliveries: Vec<_> = taken
        .iter()
        .flat_map(|it| deliveries(it, destinations, now))
        .collect();
    let mut deliveries = deliveries.into_iter().peekable();
    while deliveries.peek().is_some() {
        let some: Vec<_> = deliveries.by_ref().take(ROWS_AT_ONCE).collect();
        let exists = OnConflict::columns([
            outbox_delivery::Column::OutboxId,
            outbox_delivery::Column::Destination,
        ])
        .do_nothing()
        .to_owned();
        outbox_delivery::Entity::insert_many(some)
            .on_conflict(exists)
            .exec_without_returning(&tx)
            .await?;
    }
    let ids = taken.iter().map(|it| it.id);
    if publisher.has_broker() {
        outbox::set(&tx, ids, Column::DueAt, now.saturating_add(LEASE)).await?;
    } else {
        outbox::set(&tx, ids, Column::DoneAt, now).await?;
    }
    tx.commit().await?;
    Ok(taken)
}
