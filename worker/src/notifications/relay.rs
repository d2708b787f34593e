//! From the outbox to the broker's exchange, and to a row for each destination.
//!
//! A notification is taken by moving its `due_at` on, so that another worker does not take it as well;
//! a worker that dies in between leaves it to the next, which publishes it again with the same id. What
//! happened to a checkout later is not taken before.

use std::time::Duration;

use futures_util::future::join_all;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
    sea_query::{Expr, OnConflict},
};
use shared::{
    db::{
        self,
        outbox::{self, Column},
        outbox_delivery,
    },
    queue::{PublishError, Publisher},
    retry,
    service::{failpoint, metrics},
};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    Context,
    job_error::JobError,
    notifications::{
        destination::{self, Destination},
        heads::Lines,
        wakes::next_look,
    },
};

/// Notifications handed on at once.
const AT_ONCE: u32 = 200;
/// Rows in one statement: an engine takes so many values and no more.
const ROWS_AT_ONCE: usize = 500;
/// For handing them on; longer than the broker is given for its confirm.
const LEASE: time::Duration = time::Duration::seconds(15);
/// After the broker did not confirm: long enough for all others to be handed to their destinations
/// meanwhile.
const AGAIN: time::Duration = time::Duration::seconds(10);
/// After a round that was not full, so that what comes meanwhile is handed on together: each round is a commit or
/// two.
const GATHERING: Duration = Duration::from_millis(20);
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
                if u32::try_from(taken).is_ok_and(|taken| taken >= AT_ONCE) {
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
    let destinations = destination::all(context).await?;
    let taken = hand_out(context, publisher, &destinations).await?;
    if taken.is_empty() {
        return Ok(0);
    }
    failpoint::crash_at("relay_after_hand_out");
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
        .limit(u64::from(AT_ONCE))
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
        set(&tx, ids, Column::DueAt, now.saturating_add(LEASE)).await?;
    } else {
        set(&tx, ids, Column::DoneAt, now).await?;
    }
    tx.commit().await?;
    Ok(taken)
}

fn deliveries(
    notification: &outbox::Model,
    destinations: &[Destination],
    now: OffsetDateTime,
) -> Vec<outbox_delivery::ActiveModel> {
    let row = |destination: &Destination| outbox_delivery::Model {
        outbox_id: notification.id,
        destination: destination.name().to_owned(),
        checkout_id: notification.checkout_id,
        sequence: notification.sequence,
        due_at: now,
        attempts: 0,
        last_error: None,
        done_at: None,
    };
    let wanted = destinations.iter().filter(|it| it.wants(notification.kind));
    wanted
        .map(|it| outbox_delivery::ActiveModel::from(row(it)).reset_all())
        .collect()
}

/// Those the broker has are done; the others are due again soon.
async fn publish(
    context: &Context,
    publisher: &Publisher,
    taken: &[outbox::Model],
) -> Result<(), JobError> {
    let outcomes = join_all(taken.iter().map(|it| publisher.notify(it))).await;
    failpoint::crash_at("relay_after_publish");
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
    set(&writer, done.into_iter(), Column::DoneAt, now).await?;
    set(
        &writer,
        again.into_iter(),
        Column::DueAt,
        now.saturating_add(AGAIN),
    )
    .await?;
    failure.map_or(Ok(()), |error| Err(error.into()))
}

async fn set(
    conn: &impl ConnectionTrait,
    ids: impl ExactSizeIterator<Item = Uuid>,
    column: Column,
    value: OffsetDateTime,
) -> Result<(), DbErr> {
    if ids.len() > 0 {
        outbox::Entity::update_many()
            .col_expr(column, Expr::value(value))
            .filter(db::one_of(conn.get_database_backend(), Column::Id, ids))
            .exec(conn)
            .await?;
    }
    Ok(())
}
